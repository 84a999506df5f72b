"""The phases of a cell, from the files of its attempt.

All times are converted to the controller's clock by clock.json. An unknown mark is None, and so are the phases on both
sides of it. The time between two marks counts once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.files import as_number, parse_json, read_json, read_text

# The phases between two marks, in the order of time; `load` is not overhead.
PHASES = {
    "start sampler and Locust": ("start", "calling"),
    "deploy call": ("calling", "deploying"),
    "wait until ready": ("deploying", "ready"),
    "connect": ("ready", "users"),
    "load": ("users", "load_end"),
    "drain and hand in": ("load_end", "handed_in"),
    "after": ("handed_in", "gathering"),
    "gather": ("gathering", "gathered"),
    "judge": ("gathered", "judged"),
    "gap": ("judged", "next"),
}
BETWEEN_TRIALS = "between trials"


@dataclass(frozen=True)
class Task:
    """One task of the sweep's play, by the controller's clock."""

    name: str
    started: float
    seconds: float

    @property
    def ended(self) -> float:
        return self.started + self.seconds


@dataclass(frozen=True)
class Attempt:
    """The times of one attempt. ``load_seconds``: of that, what was load; None where it was not loaded.

    ``has_tasks``: whether the sweep kept how long its tasks took. ``sampler_percent``: CPU of the sampler in percent of
    a core, by host.
    """

    name: str
    marks: Mapping[str, float | None]
    load_seconds: float | None = None
    has_tasks: bool = True
    sampler_percent: Mapping[str, float] = field(default_factory=dict)

    def phase_seconds(self, phase: str) -> float | None:
        """Seconds of a phase; None where one of its ends is unknown."""
        begin, end = (self.marks.get(mark) for mark in PHASES[phase])
        if phase == "gap" and not self.has_tasks:
            return None
        return None if begin is None or end is None else end - begin

    @property
    def between_trials_seconds(self) -> float | None:
        """From the first user to the end of the last window, minus the load: rests between probes of a search."""
        whole = self.phase_seconds("load")
        return None if whole is None or self.load_seconds is None else max(0.0, whole - self.load_seconds)

    @property
    def other_seconds(self) -> float | None:
        """All time except the load, from the start of this cell to the start of the next one."""
        begin, end = self.marks.get("start"), self.marks.get("next")
        return None if None in (begin, end, self.load_seconds) else end - begin - self.load_seconds


def read_run(run_dir: Path) -> list[Attempt]:
    """The attempts of a run that were loaded, in the order in which they were made.

    Raises:
        LabError: a file of an attempt is damaged.
    """
    attempts = [read_attempt(path.parent) for path in run_dir.glob("cells/*/attempt-*/trial.json")]
    return chain(sorted(attempts, key=lambda attempt: attempt.marks["judged"]))


def chain(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Each loaded attempt, with the start of the next one as its end; the last one's end is unknown.

    If tasks were not kept, no start is known. Then the time is from verdict to verdict.
    """
    linked = []
    for number, attempt in enumerate(attempts):
        marks = dict(attempt.marks)
        if not attempt.has_tasks:
            marks["start"] = attempts[number - 1].marks["judged"] if number else None
            marks["next"] = marks["judged"]
        elif number + 1 < len(attempts):
            marks["next"] = attempts[number + 1].marks["start"]
        linked.append(replace(attempt, marks=marks))
    return [attempt for attempt in linked if attempt.load_seconds is not None]


def read_attempt(folder: Path) -> Attempt:
    """The marks of one attempt, by its folder `attempt-<n>`; see `chain` for the last one."""
    offsets = _offsets(folder)
    deploy = read_json(folder / "deploy.json") if (folder / "deploy.json").exists() else {}
    timeline = read_json(folder / "locust/timeline.json") if (folder / "locust/timeline.json").exists() else {}
    tasks = _tasks(folder / "tasks.jsonl")
    gathered = (folder / "deploy.json").stat().st_mtime if deploy else None
    judged = (folder / "trial.json").stat().st_mtime
    load_end = _shifted(timeline.get("window_end"), offsets["load"])
    deploying = _shifted(deploy.get("started_at"), offsets["api"])
    # A task is found by the events during it and not by its name: tasks are renamed, joined and split.
    calling, waiting, gathering, judging = (
        _around(tasks, moment) for moment in (deploying, load_end, gathered, judged)
    )
    marks = {
        "start": tasks[0].started if tasks else None,
        "calling": calling.started if calling else None,
        "deploying": deploying,
        "ready": _shifted(deploy.get("ready_at"), offsets["api"]),
        "users": _shifted(timeline.get("spawn_started"), offsets["load"]),
        "load_end": load_end,
        "handed_in": waiting.ended if waiting else _shifted(timeline.get("stopped"), offsets["load"]),
        "gathering": gathering.started if gathering else None,
        "gathered": gathering.ended if gathering else gathered,
        "judged": judging.ended if judging else judged,
        "next": None,
    }
    marks = _in_order(marks)
    return Attempt(
        name=f"{folder.parent.name}/{folder.name}",
        marks=marks,
        load_seconds=_load_seconds(folder, marks),
        has_tasks=bool(tasks),
        sampler_percent=_sampler_percent(folder),
    )


def _load_seconds(folder: Path, marks: Mapping[str, float | None]) -> float | None:
    """Settling and measuring of all trials of a search; else from the first user to the end of the window."""
    search = folder / "locust/capacity.json"
    if search.exists():
        return as_number(read_json(search).get("load_seconds"))
    return None if None in (marks["users"], marks["load_end"]) else marks["load_end"] - marks["users"]


def _in_order(marks: Mapping[str, float | None]) -> dict[str, float | None]:
    """Make no mark earlier than the one before: clocks differ by milliseconds; Locust may be ready before the API."""
    latest, ordered = float("-inf"), {}
    for name, value in marks.items():
        latest = latest if value is None else max(latest, value)
        ordered[name] = None if value is None else latest
    return ordered


def _around(tasks: Iterable[Task], moment: float | None) -> Task | None:
    """The task during which an event happened."""
    return next((task for task in tasks if moment is not None and task.started <= moment <= task.ended), None)


def _tasks(path: Path) -> list[Task]:
    if not path.exists():
        return []
    lines = [parse_json(line, f"{path}:{n}") for n, line in enumerate(read_text(path).splitlines(), start=1)]
    try:
        return [Task(line["name"], float(line["started"]), float(line["seconds"])) for line in lines]
    except (KeyError, TypeError, ValueError) as error:
        raise LabError(f"{path}: is not a list of tasks: {error!r}") from error


def _offsets(folder: Path) -> dict[str, float]:
    """Offset of the clock of the first host of each group against the controller's; 0 where it was not measured."""
    path = folder / "clock.json"
    hosts = read_json(path).get("hosts", {}) if path.exists() else {}
    known = {name: as_number(entry.get("offset_seconds")) for name, entry in hosts.items() if isinstance(entry, dict)}
    return {
        group: next((known[host] for host in _sampled(folder, group) if known.get(host) is not None), 0.0)
        for group in ("api", "load")
    }


def _sampled(folder: Path, group: str) -> list[str]:
    prefix = f"samples-{group}-"
    return sorted(path.stem.removeprefix(prefix) for path in folder.glob(f"{prefix}*.jsonl"))


def _sampler_percent(folder: Path) -> dict[str, float]:
    """CPU of the sampler itself, from its first to its last line, by host; hosts without that counter are absent."""
    percent_by_host = {}
    for path in folder.glob("samples-*.jsonl"):
        # The last line of a sampler that was killed may be incomplete.
        lines = [line for line in path.read_text().splitlines() if line.endswith("}")]
        if len(lines) < 2:
            continue
        first, last = (json.loads(line) for line in (lines[0], lines[-1]))
        used = [as_number(sample["host"].get("sampler_cpu_seconds")) for sample in (first, last)]
        if None not in used and last["t"] > first["t"]:
            percent_by_host[path.stem.split("-", 2)[2]] = 100 * (used[1] - used[0]) / (last["t"] - first["t"])
    return percent_by_host


def _shifted(moment: Any, offset_seconds: float) -> float | None:
    """A moment by a host's clock -> by the controller's."""
    moment = as_number(moment)
    return None if moment is None else moment - offset_seconds
