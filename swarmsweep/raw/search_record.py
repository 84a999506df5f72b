"""The raw files of a search for capacity: its trials, judged anew from their summaries, and every request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.raw.latency import OpenRequests, describe, merge_open, read_open_requests
from swarmsweep.raw.search_files import read_capacity, read_summary
from swarmsweep.search import GENERATOR, Step, judge


@dataclass(frozen=True, eq=False)
class Probe:
    """One trial of a search.

    ``entry`` is that of capacity.json, with the verdict judged anew; ``summary`` is trial-<n>.json. ``requests`` are
    those that were due in the measured window, dropped ones included, and their ``due_seconds`` count from its start by
    the clock of their own worker: workers begin a moment apart. ``sent`` counts what was sent in the whole trial,
    settling included; ``files`` are the workers whose record was found, of which one broke off unless ``complete``.
    """

    entry: dict[str, Any]
    summary: dict[str, Any]
    requests: OpenRequests
    sent: int
    files: int
    complete: bool

    @property
    def number(self) -> int:
        """Of the trial in its search, from 1."""
        return self.entry["trial"]

    @property
    def window(self) -> tuple[float, float]:
        """From when the first worker began to measure, for as long as was measured."""
        start = min(worker["window_start"] for worker in self.summary["workers"])
        return start, start + self.entry["seconds_measure"]

    @property
    def is_open(self) -> bool:
        """Whether requests were sent when due. The probe, a closed loop, asks what can be served at all."""
        return self.entry["kind"] != "closed"

    @property
    def was_made(self) -> bool:
        """Whether the generator made the load that was ordered."""
        return self.entry["verdict"] != GENERATOR

    @property
    def achieved_rps(self) -> float:
        """Requests per second that were sent, in time or not."""
        return self.summary["measured"]["achieved_rps"]

    @property
    def p95_ms(self) -> float | None:
        """Of the requests that were sent, whatever became of them; None of too few."""
        return describe([self.requests.sent.latency_ms])["p95"]


@dataclass(frozen=True)
class SearchRecord:
    """The trials of one deployment that could be read, in order.

    ``search`` is capacity.json with these trials alone, their verdicts judged anew; None where none could be read.
    """

    trials: tuple[Probe, ...] = ()
    search: dict[str, Any] | None = None


def read_search(locust: Path, slo: Mapping[str, float], read_or_note: Callable[..., Any]) -> SearchRecord:
    """Read the search in the folder ``locust`` and judge its trials by ``slo``.

    ``read_or_note(function, *arguments)`` calls the function; it notes a `LabError` and gives None then. Of a damaged
    search, what can be read is returned.
    """
    record = read_or_note(read_capacity, locust / "capacity.json")
    if record is None:
        return SearchRecord()
    read_or_note(_refuse_unfinished, record, locust / "capacity.json")
    found = [read_or_note(_read_trial, locust, entry, slo) for entry in record["trials"]]
    trials = tuple(trial for trial in found if trial is not None)
    if not trials:
        return SearchRecord()
    return SearchRecord(trials, record | {"trials": [trial.entry for trial in trials]})


def _refuse_unfinished(record: dict[str, Any], path: Path) -> None:
    if record.get("error"):
        raise LabError(f"{path}: the search for the capacity broke: {record['error']}")
    if not record.get("ended"):
        raise LabError(f"{path}: the search for the capacity was interrupted before its end")
    if not record["trials"]:
        raise LabError(f"{path}: the search for the capacity ended without a trial")


def _read_trial(locust: Path, entry: dict[str, Any], slo: Mapping[str, float]) -> Probe:
    summary = read_summary(locust / f"trial-{entry['trial']}.json", entry, slo)
    step = Step(
        entry["purpose"],
        entry["kind"],
        entry["rate_rps"],
        entry["connections"],
        entry["seconds_settle"],
        entry["seconds_measure"],
    )
    judgement = judge(step, summary, slo)
    told = {"verdict": judgement.verdict, "reason": judgement.reason, "over_percent": judgement.over_percent}
    # Names in a summary come from another machine: only what a listing of the folder has is opened.
    present = {path.name: path for path in locust.glob(f"open-requests-*-trial-{entry['trial']}.f64.gz")}
    whole, inside = [], []
    for worker in summary["workers"]:
        if worker["requests_file"] not in present:
            raise LabError(f"{locust / worker['requests_file']}: is missing")
        part = read_open_requests(present[worker["requests_file"]])
        whole.append(part)
        inside.append(_measured(part, worker["window_start"], entry["seconds_measure"]))
    requests, complete = merge_open(inside), all(part.complete for part in whole)
    return Probe(entry | told, summary, requests, sum(len(part.sent) for part in whole), len(whole), complete)


def _measured(requests: OpenRequests, start: float, seconds: float) -> OpenRequests:
    """The requests of the window; times count from its start."""
    inside = requests.within(start, start + seconds)
    return replace(inside, due_seconds=inside.due_seconds - start)
