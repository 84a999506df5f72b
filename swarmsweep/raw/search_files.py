"""capacity.json and trial-<n>.json of a search. A file is refused by name unless it has every value that is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from swarmsweep.errors import LabError
from swarmsweep.record_file import Amount, Count, Positive, Real, Whole, WrittenAmount, read_record
from swarmsweep.search import PERCENTS, UNLOADED, Step
from swarmsweep.shared.request_record import Kind

# A load that a probe can make: that of the open-loop client, or users of Locust.
ProbeKind = Kind | Literal["users"]
MAX_SECONDS = 86_400  # of a probe: more than any; it bounds the memory for a damaged file
Duration = Annotated[int, Meta(gt=0, le=MAX_SECONDS)] | Annotated[float, Meta(gt=0, le=MAX_SECONDS)]


class ProbeEntry(Struct, frozen=True, kw_only=True):
    """One probe in the list ``trials`` of capacity.json. ``number`` counts from 1.

    A closed probe has ``connections``, an open one a ``rate_rps``, and one of users their number. ``file`` is its
    trial-<n>.json.
    """

    number: Count = field(name="trial")
    purpose: Literal["unloaded", "probe", "bracket", "bisect", "confirm", "verify"]
    kind: ProbeKind
    rate_rps: WrittenAmount | None = None
    connections: Count | None = None
    users: Count | None = None
    seconds_ramp: WrittenAmount = 0.0
    seconds_settle: WrittenAmount
    seconds_measure: Duration
    window_start: Real | None = None
    window_end: Real | None = None
    verdict: str = ""
    reason: str = ""
    over_percent: Real | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        name = {"closed": "connections", "users": "users"}.get(self.kind, "rate_rps")
        if not getattr(self, name):
            raise ValueError(f"{name} is {getattr(self, name)!r}; expected: a number above 0")
        for other in {"connections", "rate_rps", "users"} - {name}:
            if getattr(self, other) is not None:
                raise ValueError(f"{other} is {getattr(self, other)!r}; expected: null for a {self.kind} load")

    @property
    def step(self) -> Step:
        """The step that was ordered."""
        load = (self.rate_rps, self.connections)
        settle, measure = self.seconds_settle, self.seconds_measure
        return Step(self.purpose, self.kind, *load, settle, measure, self.users, self.seconds_ramp)

    @property
    def is_searched(self) -> bool:
        """Whether the probe is judged by the SLO."""
        return self.kind != "closed" and self.purpose != UNLOADED

    @property
    def level(self) -> float | None:
        """What the search varies: the rate or the number of users; None for connections."""
        return self.step.level


class SearchOrder(Struct, frozen=True):
    """``max_rps`` and ``max_users``: the highest load that the search may try.

    ``workers``: Locust workers over all load hosts. ``by``: None for the open-loop client, users, or arrivals. Rates of
    a search by arrivals are in iterations per second.
    """

    max_rps: WrittenAmount | None = None
    profile: str | None = None
    workers: Count | None = None
    max_users: Count | None = None
    by: str | None = None


class SearchProfile(Struct, frozen=True):
    """``verify_seconds``: how long the verified rate must have held."""

    verify_seconds: WrittenAmount


class SearchFile(Struct, frozen=True):
    """capacity.json. ``ended`` says why the search ended, ``error`` why it failed.

    ``think_seconds``: the mean think time of users; None in a search without users.
    """

    order: SearchOrder
    profile: SearchProfile
    probes: list[ProbeEntry] = field(name="trials")
    ended: str | None = None
    error: str | None = None
    load_seconds: Amount = 0.0
    think_seconds: Amount | None = None

    def __post_init__(self) -> None:
        seen: set[int] = set()
        for entry in self.probes:
            if entry.number in seen:
                raise ValueError(f"probe {entry.number} occurs twice")
            seen.add(entry.number)


class ProbeOrder(Struct, frozen=True, kw_only=True):
    """The order to the workers. ``most_in_flight``: requests of one worker.

    ``timeout_seconds`` is read for users alone: their requests are recorded whether they were in time or not.
    """

    kind: ProbeKind
    rate_rps: WrittenAmount | None = None
    connections: Count | None = None
    users: Count | None = None
    timeout_seconds: Amount | None = None
    seconds_measure: Duration
    most_in_flight: Positive


class Lag(Struct, frozen=True):
    """How late requests were sent, in ms; None without any."""

    p50: Amount | None = None
    p99: Amount | None = None


class Iterations(Struct, frozen=True):
    """Those of a search by arrivals that were due in the window.

    ``failed`` ones were ended by an exception. ``ended_per_second``: those that ended within the window.
    ``apart_seconds``: how much earlier the first worker began than the last one. ``waited_seconds``: how long the
    workers waited for users before the probe. ``within_without_waits``: as ``within_limits``, without the time in which
    iterations waited for users that were still in ``on_start``; empty in records of earlier versions.
    """

    due: Count
    dropped: Count
    failed: Count
    ended_per_second: Amount
    apart_seconds: Amount = 0.0
    waited_seconds: Amount = 0.0
    within_without_waits: dict[str, Count] = {}


class Measured(Struct, frozen=True):
    """Sums over the measured window and all workers."""

    seconds: Duration
    offered: Count
    ok: Count
    failed: Count
    timed_out: Count
    dropped: Count
    achieved_rps: Amount
    lag_ms: Lag
    served_by: dict[str, Count]
    cpu_percent_max: Amount | None = None
    iterations: Iterations | None = None


class SecondOfProbe(Struct, frozen=True):
    """One second; ``second`` is below 0 before the window."""

    second: Whole
    offered: Count
    latency_ms_sum: Amount
    in_flight_mean: Amount | None = None
    cpu_percent: Amount | None = None


class UsersOfClass(Struct, frozen=True):
    """Users of one class, and as in `UsersSeen`."""

    users: Count
    waits: Count
    asked_seconds: Amount


class UsersSeen(Struct, frozen=True):
    """The fewest and the most users in the window, and the think times that they asked for since the load began.

    ``tasks`` that ended in the window, and ``raised``: those of them that an exception ended. ``starting``: users that
    had not begun a task when the window began, and ``logging_in``: those requests of their ``on_start`` that had no
    response then. ``classes``: of each class of users, how many there are, and the think times that they asked for.
    """

    least: Count
    most: Count
    waits: Count
    asked_seconds: Amount
    tasks: Count = 0
    raised: Count = 0
    starting: Count = 0
    logging_in: Count = 0
    classes: dict[str, UsersOfClass] = {}


class ProbeWorker(Struct, frozen=True):
    """The summary of one worker. ``window_start``: epoch seconds of its clock."""

    requests_file: str
    window_start: Amount


class ProbeSummary(Struct, frozen=True):
    """trial-<n>.json. The counts are those of the whole probe, settling included."""

    number: Count = field(name="trial")
    order: ProbeOrder
    workers_ordered: Count
    workers_reported: Count
    in_flight_end: Count
    offered: Count
    ok: Count
    failed: Count
    timed_out: Count
    dropped: Count
    measured: Measured
    within_limits: dict[str, Count]
    errors: dict[str, Count]
    bins: list[SecondOfProbe]
    workers: Annotated[list[ProbeWorker], Meta(min_length=1)]
    stopped: str | None = None
    users: UsersSeen | None = None


def read_capacity(path: Path) -> SearchFile:
    """capacity.json. Raises `LabError`."""
    return read_record(path, SearchFile)


def read_summary(path: Path, entry: ProbeEntry, slo: Mapping[str, float | None]) -> ProbeSummary:
    """trial-<n>.json of the probe to which ``entry`` of capacity.json belongs. Raises `LabError`."""
    summary = read_record(path, ProbeSummary)
    if summary.number != entry.number:
        raise LabError(f"{path}: is damaged: it belongs to probe {summary.number}, not {entry.number}")
    for name in ("kind", "rate_rps", "connections", "users", "seconds_measure"):
        ordered, listed = getattr(summary.order, name), getattr(entry, name)
        if ordered != listed:
            raise LabError(f"{path}: is damaged: {name} is {ordered!r} in the order, {listed!r} in capacity.json")
    for name in PERCENTS:
        if slo.get(name) is not None and name not in summary.within_limits:
            raise LabError(f"{path}: is damaged: {name} is missing in within_limits")
    for name, count in summary.within_limits.items():
        if count > summary.measured.offered:
            due = summary.measured.offered
            raise LabError(f"{path}: is damaged: {count} requests are within {name}, and {due} were due")
    return summary
