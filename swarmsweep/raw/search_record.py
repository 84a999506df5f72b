"""The raw files of a search for capacity: its probes, judged again from their summaries, and every request.

A search with users has one record of requests for each worker, as a fixed load. The windows of its probes are cut out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from swarmsweep.errors import LabError
from swarmsweep.raw.failures import count_different
from swarmsweep.raw.latency import OpenRequests, Requests, describe, merge_open, read_named_requests, read_open_requests
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.search_files import (
    ProbeEntry,
    ProbeSummary,
    ProbeWorker,
    SearchFile,
    read_capacity,
    read_summary,
)
from swarmsweep.search import GENERATOR, UNLOADED, judge_probe
from swarmsweep.shared.request_record import (
    COMPRESSED,
    TIMED_OUT,
    open_requests_file,
    own_timings_file,
    requests_file,
    user_events_file,
)


@dataclass(frozen=True, eq=False)
class Probe:
    """One probe of a search.

    ``entry`` is that of capacity.json, with the verdict judged again; ``summary`` is trial-<n>.json. ``requests`` are
    those that were due in the measured window, dropped ones included. Their ``due_seconds`` count from its start by the
    clock of their own worker, because workers begin at slightly different times. ``sent`` counts the requests that were
    sent in the whole probe, settling included. Of these, ``different`` had another response than an equal request
    before; None where that was not recorded. ``files`` is the number of workers whose record was found. ``complete``
    is False if one of these records broke off.
    """

    entry: ProbeEntry
    summary: ProbeSummary
    requests: OpenRequests
    sent: int
    files: int
    complete: bool
    different: int | None = 0

    @property
    def number(self) -> int:
        """Number of the probe in its search, from 1."""
        return self.entry.number

    @property
    def window(self) -> tuple[float, float]:
        """The measured window: it starts when the first worker began to measure."""
        start = min(worker.window_start for worker in self.summary.workers)
        return start, start + self.entry.seconds_measure

    @property
    def is_open(self) -> bool:
        """Whether it is judged by the SLO. A closed probe shows how much can be served at all."""
        return self.entry.is_searched

    @property
    def is_unloaded(self) -> bool:
        """Whether it is the probe with one connection or user, which shows the latency without load."""
        return self.entry.purpose == UNLOADED

    @property
    def was_made(self) -> bool:
        """Whether the generator made the load that was ordered."""
        return self.entry.verdict != GENERATOR

    @property
    def achieved_rps(self) -> float:
        """Requests per second that were sent, in time or not."""
        return self.summary.measured.achieved_rps

    @property
    def p95_ms(self) -> float | None:
        """95th percentile over all sent requests, including failures; None with too few."""
        return describe([self.requests.sent.latency_ms]).p95


@dataclass(frozen=True)
class SearchRecord:
    """The probes of one deployment that could be read, in order.

    ``search`` is capacity.json with these probes alone, their verdicts judged again; None where none could be read.
    """

    probes: tuple[Probe, ...] = ()
    search: SearchFile | None = None


# Reads the requests of one worker in one probe, by the worker's summary: all of them, and those of the window.
RequestsOf = Callable[[ProbeWorker, ProbeEntry, ProbeSummary], tuple[OpenRequests, OpenRequests]]


def read_search(
    locust: Path, slo: Mapping[str, float | None], read_or_note: ReadOrNote, with_users: bool = False
) -> SearchRecord:
    """Read the search in the folder ``locust`` and judge its probes by ``slo``.

    The readable part of a damaged search is returned.
    """
    requests_of = requests_of_users(locust) if with_users else requests_of_client(locust)
    record = read_or_note(read_capacity, locust / "capacity.json")
    if record is None:
        return SearchRecord()
    read_or_note(_refuse_unfinished, record, locust / "capacity.json")
    entries = (read_or_note(_read_probe, locust, entry, slo, requests_of) for entry in record.probes)
    probes = tuple(probe for probe in entries if probe is not None)
    if not probes:
        return SearchRecord()
    return SearchRecord(probes, msgspec.structs.replace(record, probes=[probe.entry for probe in probes]))


def _refuse_unfinished(record: SearchFile, path: Path) -> None:
    if record.error:
        raise LabError(
            f"{path}: the search for the capacity failed: {record.error}. "
            "Read ./lab logs locust, and measure again with ./lab sweep"
        )
    if not record.ended:
        raise LabError(f"{path}: the search for the capacity was interrupted. Measure again with ./lab sweep")
    if not record.probes:
        raise LabError(f"{path}: the search for the capacity ended without a probe")


def _read_probe(locust: Path, entry: ProbeEntry, slo: Mapping[str, float | None], requests_of: RequestsOf) -> Probe:
    summary = read_summary(locust / f"trial-{entry.number}.json", entry, slo)
    # The package search is copied to hosts without msgspec, so it judges plain objects of JSON.
    judgement = judge_probe(entry.step, msgspec.to_builtins(summary), slo)
    entry = msgspec.structs.replace(
        entry, verdict=judgement.verdict, reason=judgement.reason, over_percent=judgement.over_percent
    )
    parts = [requests_of(worker, entry, summary) for worker in summary.workers]
    whole = [part for part, _ in parts]
    requests, complete = merge_open([inside for _, inside in parts]), all(part.complete for part in whole)
    sent, different = sum(len(part.sent) for part in whole), count_different(np.concatenate([p.outcome for p in whole]))
    return Probe(entry, summary, requests, sent, len(whole), complete, different)


def requests_of_client(locust: Path) -> RequestsOf:
    """Of the open-loop client, which leaves a file for each worker and probe."""

    def read(worker: ProbeWorker, entry: ProbeEntry, _: ProbeSummary) -> tuple[OpenRequests, OpenRequests]:
        # Names in a summary come from another machine, so only names in the listing of the folder are opened.
        present = {path.name: path for path in locust.glob(open_requests_file("*", entry.number) + COMPRESSED)}
        if worker.requests_file not in present:
            raise LabError(f"{locust / worker.requests_file}: is missing")
        part = read_open_requests(present[worker.requests_file])
        return part, _measured(part, worker.window_start, entry.seconds_measure)

    return read


def requests_of_users(locust: Path) -> RequestsOf:
    """Of users. Their workers leave files of requests, of events that count as such, and of own timings."""
    files: dict[str, Path] = {}
    for kind in (requests_file, user_events_file, own_timings_file):
        files |= {path.name: path for path in locust.glob(kind("*") + COMPRESSED)}
    known: dict[str, Requests] = {}

    def requests(name: str) -> Requests:
        if name not in files:
            raise LabError(f"{locust / name}: is missing")
        if name not in known:
            known[name] = read_named_requests({files[name]: None})
        return known[name]

    def read(worker: ProbeWorker, entry: ProbeEntry, summary: ProbeSummary) -> tuple[OpenRequests, OpenRequests]:
        start, end = worker.window_start - entry.seconds_settle, worker.window_start + entry.seconds_measure
        name = worker.requests_file
        events, own = (_other_file(name, kind) for kind in (user_events_file, own_timings_file))
        parts = [requests(name), *(requests(other) for other in (events,) if other in files)]
        parts = [part.within(start, end) for part in parts]
        if not any(map(len, parts)) and own in files:
            # As the worker does (see loadgen/closed/probes.py).
            parts = [requests(own).within(start, end)]
        timely = merge_open([_in_time(part, summary.order.timeout_seconds) for part in parts])
        return timely, _measured(timely, worker.window_start, entry.seconds_measure)

    return read


def _other_file(name: str, kind: Callable[[str], str]) -> str:
    """The file of another kind of the worker whose file of requests has this name."""
    before, after = (kind_of("*").partition("*")[0] for kind_of in (requests_file, kind))
    return name.replace(before, after, 1)


def _in_time(requests: Requests, timeout_seconds: float | None) -> OpenRequests:
    """Requests of users with the outcomes of a probe: a response after the timeout counts as a timeout."""
    timeout_ms = 1000 * timeout_seconds if timeout_seconds is not None else np.inf
    outcome = np.where(requests.latency_ms > timeout_ms, TIMED_OUT, requests.outcome)
    lag_ms = np.zeros(len(requests))
    return OpenRequests(
        requests.start_seconds, np.minimum(requests.latency_ms, timeout_ms), outcome, lag_ms, requests.complete
    )


def _measured(requests: OpenRequests, start: float, seconds: float) -> OpenRequests:
    """The requests of the window; times count from its start."""
    inside = requests.within(start, start + seconds)
    return replace(inside, due_seconds=inside.due_seconds - start)
