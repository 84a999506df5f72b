"""capacity.json of a search: its order, its profile and the probes so far."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from search import Judgement, Profile, Step

from loadgen.common.outputs import write_json
from loadgen.common.secrets_folder import hide


class SearchRecord:
    """The file, written again after each probe, so that a search that is interrupted leaves what it has.

    ``trials`` are the probes. ``ended`` says why the search came to its end, ``error`` why it did not.
    ``think_seconds`` is the mean think time of users.
    """

    def __init__(self, directory: Path, order: Any, profile: Profile) -> None:
        self._directory = directory
        self.trials: list[dict[str, Any]] = []
        self.ended: str | None = None
        self.error: str | None = None
        self.think_seconds: float | None = None
        self._load_seconds = 0.0
        self._started: float | None = None
        self._stopped: float | None = None
        self._head = {"schema": 1, "order": asdict(order), "profile": asdict(profile)}
        # Remove files of an earlier attempt, so that they are not taken for those of this one.
        for path in (directory / "timeline.json", *directory.glob("trial-*.json")):
            path.unlink(missing_ok=True)
        self.write()

    @property
    def windows(self) -> tuple[float | None, float | None]:
        """When the window of the first probe began, and when that of the last one ended."""
        if not self.trials:
            return None, None
        return self.trials[0]["window_start"], self.trials[-1]["window_end"]

    def start(self) -> None:
        """The first probe is about to begin."""
        self._started = time.time()

    def add(self, step: Step, summary: dict[str, Any], judgement: Judgement, seconds: float) -> None:
        """A probe that took so many seconds of load."""
        number = len(self.trials) + 1
        file = f"trial-{number}.json"
        write_json(self._directory / file, summary)
        self.trials.append(
            {
                "trial": number,
                **asdict(step),
                "window_start": min(worker["window_start"] for worker in summary["workers"]),
                "window_end": max(worker["window_end"] for worker in summary["workers"]),
                **asdict(judgement),
                "file": file,
            }
        )
        self._load_seconds += seconds
        self.write()

    def stop(self) -> float:
        """The search is over; the time of it."""
        self._stopped = time.time()
        self.write()
        return self._stopped

    def write(self) -> None:
        """Write the file."""
        record = {
            **self._head,
            "trials": self.trials,
            "ended": self.ended,
            "error": None if self.error is None else hide(self.error),
            "load_seconds": self._load_seconds,
            "think_seconds": self.think_seconds,
            "started": self._started,
            "stopped": self._stopped,
        }
        write_json(self._directory / "capacity.json", record)
