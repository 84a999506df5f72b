"""The raw files of a closed-loop load: each Locust worker's record of its users' requests."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from swarmsweep.errors import LabError
from swarmsweep.raw.latency import Requests, read_named_requests, read_requests
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.tasks import Tasks, read_tasks
from swarmsweep.raw.timeline import Timeline
from swarmsweep.record_file import Amount, Count, Real, Whole, read_record
from swarmsweep.shared.request_record import (
    COMPRESSED,
    LOAD_HOST,
    REFUSED,
    RESET,
    TIMEOUT,
    UNREACHABLE,
    own_timings_file,
    requests_file,
    setup_file,
    tasks_file,
    unnamed,
    user_events_file,
)

# The bounds apply to all workers together.
KINDS = (requests_file, own_timings_file, setup_file, user_events_file)
REQUESTS, OWN_TIMINGS, SETUP, USER_EVENTS = (kind("*") + COMPRESSED for kind in KINDS)
# Kinds of failures of requests that may not have reached HAProxy.
UNREACHED = (TIMEOUT, REFUSED, RESET, UNREACHABLE, LOAD_HOST)


class LeftLab(Struct, frozen=True):
    """The part of worker-<name>.json and timeline.json on requests for addresses outside the lab."""

    left_lab: dict[str, Count] | None = None


class WorkerRecord(LeftLab, frozen=True, kw_only=True):
    """worker-<name>.json; see `UsersRecord`.

    A value is None if an older recorder did not write it. ``served_by`` is also None if the client shows no headers.
    ``exceptions`` are the texts to which the record of tasks refers by number, ``names`` those of requests.
    ``name_classes`` are the user classes of ``names``, ``user_classes`` the most users of each: None for one class.
    """

    cpu_percent: tuple[tuple[Real, Real], ...]
    users: tuple[tuple[Real, Real], ...] | None = None
    think_time: tuple[tuple[Real, Count, Amount, Amount], ...] | None = None
    unloaded: tuple[tuple[Real, Real, Real], ...] | None = None
    unloaded_names: tuple[str, ...] | None = None
    by_name: dict[str, tuple[Count, Amount]] | None = None
    served_by: dict[str, Count] | None = None
    errors: dict[str, Count] | None = None
    on_start: dict[str, Count] | None = None
    listener_errors: dict[str, Count] | None = None
    unreported: Count = 0
    tasks: Count | None = None
    exceptions: tuple[str, ...] = ()
    own_timings: Count = 0
    names: tuple[str, ...] | None = None
    name_classes: tuple[str, ...] | None = None
    user_classes: dict[str, Count] | None = None
    user_events: Count = 0
    setup_requests: Count = 0
    setup_failures: Count = 0
    sent: Count | None = None
    redirects: Count = 0
    retries: Count = 0
    other_sends: Whole = 0

    def __post_init__(self) -> None:
        if self.unloaded_names is not None and len(self.unloaded_names) != len(self.unloaded or ()):
            raise ValueError("unloaded and unloaded_names differ in length")
        if self.name_classes is not None and len(self.name_classes) != len(self.names or ()):
            raise ValueError("names and name_classes differ in length")


class UnloadedRequest(NamedTuple):
    """A request of the probe of one user; ``name`` is empty in records of earlier versions."""

    start_seconds: float
    latency_ms: float
    outcome: float
    name: str = ""


@dataclass(frozen=True)
class SentCounts:
    """What the scenario did in the whole attempt, by kind. The first four are of Locust's HTTP clients.

    ``requests``: calls of a client. ``sent``: what they gave to the network, with each hop of a redirect and each
    retry. ``redirects``: redirects that they followed. ``retries``: calls that they sent again after an error.
    ``other_sends``: requests of other sessions of the library requests. ``own_timings``: timings that the scenario
    fired itself; they may belong to any client. ``unreached``: requests that a broken or refused connection or a
    timeout ended, so that HAProxy may not have counted them.

    ``user_events``: own timings that count as requests, because their users have no HTTP client of Locust.
    ``setup_requests``, ``setup_failures``: requests and own timings of ``on_start`` and ``on_stop``, and those that
    failed. They are in the other counts too, and in no figure.

    ``own_figures``: no task had a request of Locust's HTTP clients in flight in the window, for example after a login
    in ``on_start``. Then the figures are those of the own timings.
    """

    requests: int
    sent: int
    redirects: int = 0
    retries: int = 0
    other_sends: int = 0
    own_timings: int = 0
    unreached: int = 0
    own_figures: bool = False
    user_events: int = 0
    setup_requests: int = 0
    setup_failures: int = 0

    @property
    def not_sent(self) -> int:
        """Calls and hops that were blocked, or that the client could not send."""
        return self.requests + self.redirects + self.retries - self.sent


@dataclass(frozen=True, eq=False)
class UsersRecord:
    """All requests of the attempt, ramp and warm-up included; None where they could not be read.

    ``requests`` are those of the figures. ``setup`` are those of ``on_start`` and ``on_stop``, which are in no figure.

    ``cpu_percent``: (epoch seconds, percent of one core over the second before), of all workers. Three counts are sums
    over all workers: ``served_by`` (responses by X-Served-By), ``errors`` (failures by their text) and ``left_lab``.
    The last one counts requests for addresses outside the lab, which were not sent, by address.

    ``files`` is the number of workers whose record of requests was found. ``tasks`` has one entry per worker, None
    where executions of tasks were not recorded. ``unreported`` counts requests that Locust's own statistics lack.
    ``users``: for each worker, (epoch seconds, its number of users). ``on_start`` counts users that an exception ended
    before their first task, by its text. ``listener_errors`` counts exceptions of the scenario's listeners, and its
    attempts to end the load, in all processes.

    ``think_time``: for each worker, samples of totals: (epoch seconds, waits that ended, their seconds, the seconds
    that all users together have waited). None where a worker recorded none.

    ``sent`` is None if an older recorder did not count it. With ``sent.own_figures``, ``requests`` are the timings that
    the scenario fired itself. They always include the events of users without an HTTP client of Locust.
    ``unloaded`` are the requests that began during the probe of one user, in order. They are among ``requests`` too.
    ``by_name`` are the good responses after this probe, by the name of the request: their number, and the sum of their
    latencies in ms. It is empty in records of earlier versions.
    ``class_users`` are the most users of each class of the scenario; None where it has only one, or none was recorded.
    """

    requests: Requests | None = None
    setup: Requests | None = None
    files: int = 0
    cpu_percent: tuple[tuple[float, float], ...] = ()
    served_by: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    left_lab: dict[str, int] = field(default_factory=dict)
    tasks: tuple[Tasks, ...] | None = None
    unreported: int = 0
    users: tuple[tuple[tuple[float, float], ...], ...] = ()
    on_start: dict[str, int] = field(default_factory=dict)
    listener_errors: dict[str, int] | None = None
    think_time: tuple[tuple[tuple[float, int, float, float], ...], ...] | None = None
    sent: SentCounts | None = None
    unloaded: tuple[UnloadedRequest, ...] = ()
    by_name: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    class_users: Mapping[str, int] | None = None


def read_users(locust: Path, read_or_note: ReadOrNote, timeline: Timeline | None = None) -> UsersRecord:
    """Read the records in the folder ``locust``. ``timeline`` has what the scenario did in Locust's master."""
    timeline = timeline or Timeline()
    files = _files(locust, REQUESTS)
    by_name = read_or_note(_read_workers, locust) or {}
    workers = list(by_name.values())
    requests = read_or_note(_read_all, locust, files, by_name)
    setup = read_or_note(_read_files, _files(locust, SETUP), by_name)
    sent = _sent(requests, setup, workers, timeline)
    if sent is not None and (sent.own_figures or sent.user_events):
        figures = _files(locust, OWN_TIMINGS) if sent.own_figures else files
        events = _files(locust, USER_EVENTS) if sent.user_events else []
        requests = read_or_note(_read_files, [*figures, *events], by_name)
    return UsersRecord(
        requests=requests,
        setup=setup,
        files=len(files),
        sent=sent,
        cpu_percent=tuple(sample for worker in workers for sample in worker.cpu_percent),
        served_by=_add(worker.served_by for worker in workers),
        errors=_add(worker.errors for worker in workers),
        left_lab=_add([timeline.left_lab, *(worker.left_lab for worker in workers)]),
        tasks=read_or_note(_read_tasks, locust, by_name),
        unreported=sum(worker.unreported for worker in workers),
        users=tuple(worker.users for worker in workers if worker.users is not None),
        on_start=_add(worker.on_start for worker in workers),
        listener_errors=_listener_errors(workers, timeline),
        think_time=_think_time(workers),
        unloaded=tuple(sorted(request for worker in workers for request in _unloaded(worker))),
        by_name=_by_name(workers),
        class_users=_class_users(workers),
    )


def read_left_lab(locust: Path) -> dict[str, int]:
    """`UsersRecord.left_lab` alone, from each process whose file can be read. Measuring reports a damaged file."""
    parts = []
    for path in sorted([*locust.glob("worker-*.json"), *locust.glob("timeline.json")]):
        with contextlib.suppress(LabError):
            parts.append(read_record(path, LeftLab).left_lab)
    return _add(parts)


def _files(locust: Path, pattern: str) -> list[Path]:
    """The records of all workers, or those of an earlier version."""
    return sorted(locust.glob(pattern)) or sorted(locust.glob(unnamed(pattern)))


def _read_all(locust: Path, files: list[Path], workers: Mapping[str, WorkerRecord]) -> Requests:
    if not files:
        raise LabError(f"{locust / REQUESTS}: are missing, so no request was recorded")
    return _read_files(files, workers)


def _read_files(files: list[Path], workers: Mapping[str, WorkerRecord]) -> Requests:
    records = {path: _record_of(path, workers) for path in files}
    tables = {path: None if record is None else record.names for path, record in records.items()}
    classes = {path: None if record is None else record.name_classes for path, record in records.items()}
    is_old = any(unnamed(path.name) == path.name for path in files)
    return read_requests(files) if is_old else read_named_requests(tables, classes)


def _record_of(path: Path, workers: Mapping[str, WorkerRecord]) -> WorkerRecord | None:
    """The summary of the worker whose requests these are; None where it is missing."""
    for name, worker in workers.items():
        if path.name in [kind(name) + COMPRESSED for kind in KINDS]:
            return worker
    return None


def _class_users(workers: list[WorkerRecord]) -> dict[str, int] | None:
    known = [worker.user_classes for worker in workers if worker.user_classes is not None]
    return _add(known) if known and len(known) == len(workers) else None


def _listener_errors(workers: list[WorkerRecord], timeline: Timeline) -> dict[str, int] | None:
    """Those of all processes; None if an older recorder did not count them."""
    known = [worker.listener_errors for worker in workers if worker.listener_errors is not None]
    return _add([timeline.listener_errors, *known]) if known and len(known) == len(workers) else None


def _sent(
    requests: Requests | None, setup: Requests | None, workers: list[WorkerRecord], timeline: Timeline
) -> SentCounts | None:
    sent = [worker.sent for worker in workers if worker.sent is not None]
    if requests is None or setup is None or len(sent) < len(workers) or not workers:
        return None
    return SentCounts(
        requests=len(requests) + len(setup),
        sent=sum(sent),
        redirects=sum(worker.redirects for worker in workers),
        retries=sum(worker.retries for worker in workers),
        other_sends=timeline.other_sends + sum(worker.other_sends for worker in workers),
        own_timings=timeline.own_timings + sum(worker.own_timings for worker in workers),
        unreached=int(np.isin(requests.outcome, UNREACHED).sum() + np.isin(setup.outcome, UNREACHED).sum()),
        own_figures=any(worker.own_timings for worker in workers) and not _any_in_window(requests, timeline),
        user_events=sum(worker.user_events for worker in workers),
        setup_requests=sum(worker.setup_requests for worker in workers),
        setup_failures=sum(worker.setup_failures for worker in workers),
    )


def _any_in_window(requests: Requests, timeline: Timeline) -> bool:
    """Whether a request was in flight in the measured window, or in the whole attempt where it has no window.

    A request that began before the window and hangs is one of them. Otherwise other timings would hide it.
    """
    start, end = timeline.window_start, timeline.window_end
    if start is None or end is None:
        return len(requests) > 0
    ended_seconds = requests.start_seconds + requests.latency_ms / 1000
    return bool(np.any((requests.start_seconds < end) & (ended_seconds >= start)))


def _read_workers(locust: Path) -> dict[str, WorkerRecord]:
    """The records by name of the worker."""
    paths = sorted(locust.glob("worker-*.json"))
    if not paths:
        raise LabError(f"{locust / 'worker-*.json'}: are missing, so the CPU use of the workers was not recorded")
    return {path.stem.removeprefix("worker-"): read_record(path, WorkerRecord) for path in paths}


def _read_tasks(locust: Path, workers: Mapping[str, WorkerRecord]) -> tuple[Tasks, ...] | None:
    """The tasks of every worker; None if an older recorder wrote none."""
    if not workers or any(worker.tasks is None for worker in workers.values()):
        return None
    return tuple(
        read_tasks(locust / (tasks_file(name) + COMPRESSED), worker.exceptions) for name, worker in workers.items()
    )


def _unloaded(worker: WorkerRecord) -> list[UnloadedRequest]:
    requests = worker.unloaded or ()
    names = worker.unloaded_names if worker.unloaded_names is not None else ("",) * len(requests)
    return [UnloadedRequest(*request, name) for request, name in zip(requests, names, strict=True)]


def _by_name(workers: list[WorkerRecord]) -> dict[str, tuple[int, float]]:
    total: dict[str, tuple[int, float]] = {}
    for worker in workers:
        for name, (count, latency_ms) in (worker.by_name or {}).items():
            before = total.get(name, (0, 0.0))
            total[name] = before[0] + count, before[1] + latency_ms
    return total


def _think_time(workers: list[WorkerRecord]) -> tuple[tuple[tuple[float, int, float, float], ...], ...] | None:
    known = [worker.think_time for worker in workers if worker.think_time]
    return tuple(known) if known and len(known) == len(workers) else None


def _add(parts: Iterable[Mapping[str, int] | None]) -> dict[str, int]:
    """Add up counts by name."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part or {})
    return dict(total)
