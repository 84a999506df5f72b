"""The part of trial-<n>.json that is read when a probe is judged, as `Probes.run` of a load host writes it."""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

# Limits by name: p50_ms, p95_ms, p99_ms, mean_ms and max_failure_percent; None where there is no such limit.
Slo = Mapping[str, float | None]


class Lag(TypedDict, total=False):
    """How late requests were sent, in ms, by percentile."""

    p50: float | None
    p99: float | None


class Iterations(TypedDict):
    """Counts of a search by arrivals, whose rates are in iterations per second.

    Those that were due in the measured window, and did not start or were ended by an exception. ``ended_per_second``:
    those that ended within the window. ``apart_seconds``: how much earlier the first worker began than the last one.
    ``waited_seconds``: how long the workers waited for users before the probe. ``within_without_waits``: as
    ``within_limits``, without the time in which iterations waited for users that were still in ``on_start``.
    """

    due: int
    dropped: int
    failed: int
    ended_per_second: float
    apart_seconds: NotRequired[float]
    waited_seconds: NotRequired[float]
    within_without_waits: NotRequired[Mapping[str, int]]


class Measured(TypedDict):
    """Counts of the measured window; ``seconds``: its length. ``iterations`` is there in a search by arrivals."""

    seconds: float
    offered: int
    ok: int
    failed: int
    timed_out: int
    dropped: int
    lag_ms: Lag
    cpu_percent_max: NotRequired[float | None]
    iterations: NotRequired[Iterations | None]


class Second(TypedDict):
    """One second of a probe; ``second`` is below 0 before the window."""

    second: int
    latency_ms_sum: float
    in_flight_mean: float | None


class Order(TypedDict):
    """``most_in_flight``: requests that one worker may have in flight."""

    most_in_flight: int


class UsersOfClass(TypedDict):
    """Users of one class, and as in `Users`."""

    users: int
    waits: int
    asked_seconds: float


class Users(TypedDict):
    """The fewest and the most users of all workers in the window.

    ``waits`` and ``asked_seconds``: the think times that the scenario asked for since the load began, and their sum.
    ``tasks`` that ended in the window, and ``raised``: those of them that an exception ended.
    ``starting``: users that had not begun a task when the window began, and ``logging_in``: those requests of their
    ``on_start`` that had no response then. ``classes``: of each class of users, how many there are, and the think times
    that they asked for.
    """

    least: int
    most: int
    waits: int
    asked_seconds: float
    tasks: NotRequired[int]
    raised: NotRequired[int]
    starting: NotRequired[int]
    logging_in: NotRequired[int]
    classes: NotRequired[Mapping[str, UsersOfClass]]


class ProbeSummary(TypedDict):
    """``within_limits``: for each percentile of the SLO, the requests due in the measured window with a good response
    within it.

    ``users``: in a probe of users alone.
    ``stopped``: why the probe ended early, None if it did not.
    """

    order: Order
    workers_ordered: int
    workers_reported: int
    stopped: str | None
    measured: Measured
    within_limits: Mapping[str, int]
    bins: Sequence[Second]
    users: NotRequired[Users | None]


def due_and_dropped(measured: Measured) -> tuple[int, int]:
    """How many iterations, or requests where there are none, were due in the window and were not started."""
    iterations = measured.get("iterations")
    if iterations is None:
        return measured["offered"], measured["dropped"]
    return iterations["due"], iterations["dropped"]


def served_rate(measured: Measured) -> float:
    """What a closed probe shows of the maximum: good responses per second, or iterations, in the unit of the rates."""
    iterations = measured.get("iterations")
    if iterations is None:
        return measured["ok"] / measured["seconds"]
    return iterations["ended_per_second"] * measured["ok"] / measured["offered"] if measured["offered"] else 0.0
