"""The load of the generator in one window, second by second, from exact starts and latencies."""

import math
from collections.abc import Sequence

import numpy as np

from swarmsweep.judge.evidence import Flow, Second
from swarmsweep.raw.closed_loop import UsersRecord
from swarmsweep.raw.failures import count_different, count_kinds
from swarmsweep.raw.latency import Floats, lower_bounds, percentile
from swarmsweep.raw.search_record import Probe
from swarmsweep.raw.tasks import TaskCounts, count_tasks
from swarmsweep.shared.request_record import (
    NO_RESPONSE,
    NO_RESPONSE_NAME,
    NOT_SENT_NAME,
    OK,
    TIMED_OUT,
)
from swarmsweep.sweep.load import StoredLoad

Window = tuple[float, float]


def flow_of_users(record: UsersRecord, window: Window, load: StoredLoad) -> Flow | None:
    """The flow of a closed loop of users by the plan's ``load``; None where its requests could not be read.

    Requests that began before the window are in flight within it. Responses by replica, and errors, are those of the
    whole attempt, because workers do not count them by second.
    """
    requests = record.requests
    if requests is None:
        return None
    inside, edges = requests.within(*window), whole_seconds(window)
    users_min = _users_min(record, window)
    ok, no_response = inside.count(OK), inside.count(NO_RESPONSE)
    cpu = [percent for at, percent in record.cpu_percent if window[0] < at <= window[1]]
    waits = load.get("wait_seconds")
    think_time_seconds, thinking_mean = _think_time(record, window)
    # A user that prepares itself in on_start waits for a response too.
    waiting = [part for part in (requests, record.setup) if part is not None]
    starts = np.concatenate([part.start_seconds for part in waiting])
    latencies_ms = np.concatenate([part.latency_ms for part in waiting])
    (in_flight,) = mean_in_flight(starts, latencies_ms, np.array(window))
    seconds = zip(
        np.histogram(inside.start_seconds, edges)[0] if len(edges) > 1 else (),
        mean_in_flight(starts, latencies_ms, edges),
        _greatest_by_second(record.cpu_percent, window[0], len(edges) - 1),
        strict=True,
    )
    return Flow(
        kind="users",
        window=window,
        offered=len(inside),
        ok=ok,
        failed=len(inside) - ok - no_response,
        in_flight_end=no_response,
        concurrency=load["users"],
        planned_think_seconds=sum(waits) / len(waits) if waits else None,
        think_time_seconds=think_time_seconds,
        thinking_mean=thinking_mean,
        latency_mean_ms=_mean(inside.latency_ms),
        in_flight_mean=in_flight,
        seconds=tuple(Second(int(begun), *figures) for begun, *figures in seconds),
        served_by=record.served_by,
        errors=record.errors,
        failure_kinds=count_kinds(inside.outcome, **{NO_RESPONSE_NAME: no_response}),
        different_responses=count_different(requests.outcome),
        generator_cpu_percent=max(cpu, default=None),
        tasks=_tasks(record, window, load["users"], users_min),
        users_min=users_min,
        lower_bounds=tuple(lower_bounds([inside.latency_ms], [inside.waited_ms])),
    )


def _tasks(record: UsersRecord, window: Window, users: int, users_min: int | None) -> TaskCounts | None:
    """Executions that began in the window, and users that never began; None where they were not recorded."""
    if record.tasks is None:
        return None
    return count_tasks([part.within(*window) for part in record.tasks]).with_starts(users, record.on_start, users_min)


def _users_min(record: UsersRecord, window: Window) -> int | None:
    """The fewest users of all workers in any second of the window; None where a worker recorded none in it.

    The last second of the window is left out: by the clock of another load host, users may leave before the window
    ends.
    """
    inside = [[count for at, count in samples if window[0] < at <= window[1] - 1] for samples in record.users]
    return round(sum(map(min, inside))) if inside and all(inside) else None


def _think_time(record: UsersRecord, window: Window) -> tuple[float | None, float | None]:
    """Of all workers: the mean seconds of the think times that ended in the window, and the users in think time.

    Totals between two samples are interpolated. By the clock of another load host, the samples may end before the
    window does, by less than a second. Both are None where a worker's samples do not cover the window.
    """
    ended = ended_seconds = thinking = 0.0
    for samples in record.think_time or ():
        table = np.array(samples, dtype=np.float64)
        edges = np.clip(window, table[0, 0], table[-1, 0])
        length = edges[1] - edges[0]
        if length <= 0 or length < window[1] - window[0] - 1:
            return None, None
        waits, seconds, waited = (np.diff(np.interp(edges, table[:, 0], total))[0] for total in table[:, 1:].T)
        ended += float(waits)
        ended_seconds += float(seconds)
        thinking += float(waited / length)
    if not record.think_time:
        return None, None
    return ended_seconds / ended if ended else None, thinking


def flow_of_probe(probe: Probe) -> Flow:
    """The measured window of one probe of a search.

    Three figures come from the counts of the workers: requests offered, without a response at the end, and in flight.
    Outcomes and latencies come from the file of requests. A check can compare the two sources.
    """
    summary, requests = probe.summary, probe.requests
    measured, order = summary.measured, summary.order
    sent = requests.sent
    whole = len(whole_seconds((0.0, order.seconds_measure))) - 1
    bins = [part for part in summary.bins if 0 <= part.second < whole]
    known = [part.in_flight_mean for part in bins if part.in_flight_mean is not None]
    # Those of the whole probe without a response may have been due before the window.
    ended = measured.ok + measured.failed + measured.timed_out + measured.dropped
    in_flight_end = min(summary.in_flight_end, max(0, measured.offered - ended))
    return Flow(
        kind=order.kind,
        window=probe.window,
        offered=measured.offered,
        ok=requests.count(OK),
        failed=requests.failed,
        timed_out=requests.count(TIMED_OUT),
        dropped=len(requests) - len(sent),
        in_flight_end=in_flight_end,
        rate_rps=order.rate_rps,
        iterations=(measured.iterations.due, measured.iterations.dropped) if measured.iterations else None,
        concurrency=order.connections,
        latency_mean_ms=_mean(sent.latency_ms),
        in_flight_mean=sum(known) / len(known) if known else None,
        lag_mean_ms=_mean(sent.lag_ms),
        lag_p99_ms=percentile(sent.lag_ms, 99),
        seconds=tuple(Second(part.offered, part.in_flight_mean, part.cpu_percent) for part in bins),
        served_by=measured.served_by,
        errors=summary.errors,
        failure_kinds=count_kinds(
            requests.outcome,
            timeout=requests.count(TIMED_OUT),
            **{NOT_SENT_NAME: len(requests) - len(sent), NO_RESPONSE_NAME: in_flight_end},
        ),
        different_responses=probe.different,
        generator_cpu_percent=measured.cpu_percent_max,
    )


def whole_seconds(window: Window) -> Floats:
    """Edges of the whole seconds of a window, epoch seconds. A partial second at the end would look like one without
    load.

    A window shorter than a second has one edge, and so no second.
    """
    edges: Floats = window[0] + np.arange(math.floor(window[1] - window[0] + 1e-6) + 1, dtype=np.float64)
    return edges


def mean_in_flight(start_seconds: Floats, latency_ms: Floats, edges: Floats) -> list[float]:
    """Mean number of requests in flight between each two ``edges``, exactly.

    The integral of the number in flight up to t is the sum of (t - start) over all that began before t, less that of
    (t - end) over all that ended before it.
    """
    if len(edges) < 2:
        return []
    # Times are counted from the first edge. Epoch seconds have a precision of a microsecond, and sums of many have
    # less.
    starts = start_seconds - edges[0]
    area = _time_since(starts, edges - edges[0]) - _time_since(starts + latency_ms / 1000, edges - edges[0])
    return [float(value) for value in np.diff(area) / np.diff(edges)]


def _time_since(moments: Floats, until: Floats) -> Floats:
    """For each of ``until``: the sum of its distance to all ``moments`` before it."""
    ordered = np.sort(moments)
    before = np.searchsorted(ordered, until)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    distance: Floats = before * until - sums[before]
    return distance


def _greatest_by_second(samples: Sequence[tuple[float, float]], start: float, seconds: int) -> list[float | None]:
    """For samples (time, value over the second before it): the greatest value of each second after ``start``."""
    greatest: dict[int, float] = {}
    for at, value in samples:
        second = math.ceil(at - start) - 1
        greatest[second] = max(value, greatest.get(second, value))
    return [greatest.get(second) for second in range(seconds)]


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
