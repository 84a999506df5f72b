"""Checks that follow from queueing theory: whether the flow is consistent, and whether it was steady."""

import math
from collections.abc import Sequence
from itertools import pairwise

from swarmsweep.judge.checks.check import Check
from swarmsweep.judge.checks.thresholds import limit
from swarmsweep.judge.evidence import Evidence, Flow, Second
from swarmsweep.units import format_figure

CLOSED_KINDS = ("users", "closed")
PARTS = 3
# In a shorter window, each part would be about a second long, and one garbage collection could fill it.
MIN_SECONDS = 6


def littles_law(evidence: Evidence) -> Check | None:
    """Little's law holds in the generator's own figures.

    Closed loop: N users = X R + T, with throughput X, mean latency R and T users in think time, as was recorded.
    Records of earlier versions have no T; then it is X Z, with the think time Z of the plan. If the sum is smaller,
    users spent time in the generator, without a request and without thinking. If it is larger, latencies and counts
    contradict each other. For Locust's users this is a warning, because a task may pause, or send requests in parallel.
    Open loop: requests in flight = X R. They are counted from sends and responses, and R is measured from the
    send, not from the time due.
    """
    flow = evidence.flow
    if flow is None or flow.offered == 0 or flow.latency_mean_ms is None:
        return None
    mean_seconds = flow.latency_mean_ms / 1000
    return _closed(flow, mean_seconds) if flow.kind in CLOSED_KINDS else _open(flow, mean_seconds)


def _closed(flow: Flow, mean_seconds: float) -> Check | None:
    if not flow.concurrency:
        return None
    name, users, rps = "littles_law", flow.concurrency, flow.offered / flow.length_seconds
    thinking = _thinking(flow, rps)
    if thinking is None:
        return Check(name, None, users, None, "the think time of the users was not recorded", warning=True)
    explained = rps * mean_seconds + thinking
    # At both ends of the window, each user is somewhere within its cycle. This is half a cycle each, in either
    # direction.
    chance = 100 * 2 * math.sqrt(users) / flow.offered
    off = 100 * (explained / users - 1)
    below, above = limit("users_in_generator") + chance, limit("little") + chance
    sentence = (
        f"requests in flight and think time account for {format_figure(explained)} of {users} users "
        f"({off:+.1f} %; allowed: {-below:+.1f} to {above:+.1f} %)"
    )
    if flow.kind == "users" and off < -below:
        sentence += ". The others were in a task without a request, as in time.sleep, or waited for the generator"
    elif flow.kind == "users" and off > above:
        sentence += ". A user with several requests at a time counts once for each of them"
    return Check(name, explained, users, -below <= off <= above, sentence, warning=flow.kind == "users")


def _thinking(flow: Flow, rps: float) -> float | None:
    """The mean number of users in think time; None where it is unknown. A client of a search never thinks."""
    if flow.kind != "users":
        return 0.0
    if flow.thinking_mean is None and flow.planned_think_seconds is not None:
        return rps * flow.planned_think_seconds
    return flow.thinking_mean


def _open(flow: Flow, mean_seconds: float) -> Check:
    name, sent = "littles_law", flow.offered - flow.dropped
    if flow.in_flight_mean is None:
        return Check(name, None, None, None, "the number of requests in flight was not recorded")
    # A request of the lean client is in flight once it is sent. One of an iteration is so once the iteration is due.
    latency = mean_seconds - (0.0 if flow.iterations is not None else (flow.lag_mean_ms or 0.0) / 1000)
    explained = sent / flow.length_seconds * latency
    seen = flow.in_flight_mean
    # Requests that cross an edge of the window are in one figure and not in the other.
    levels = [second.in_flight_mean for second in flow.seconds if second.in_flight_mean is not None]
    edges = (max(levels[0], levels[-1]) if levels else seen) * min(1.0, latency / flow.length_seconds)
    allowed = (
        limit("little") / 100 * max(seen, explained) + edges + math.sqrt(max(seen, explained) / max(1, sent)) + 0.05
    )
    sentence = (
        f"requests/s x latency gives {format_figure(explained)} requests in flight; {format_figure(seen)} were counted "
        f"(allowed difference: {format_figure(allowed)})"
    )
    return Check(name, explained, seen, abs(explained - seen) <= allowed, sentence)


def steady_state(evidence: Evidence) -> Check | None:
    """The window's thirds are alike: nothing was still warming up, and nothing disturbed the load.

    Closed loop: throughput is compared. If it is steady, latency is steady too, by Little's law. Open loop: throughput
    is fixed, so the requests in flight are compared. If they grow, the API is overloaded, which is a result that the
    search judges. If they shrink, the figures are worse than the true ones, which is only a warning.
    """
    flow = evidence.flow
    if flow is None or flow.offered == 0:
        return None
    name = "steady_state"
    if len(flow.seconds) < MIN_SECONDS:
        sentence = (
            f"the window has {len(flow.seconds)} whole seconds, and {MIN_SECONDS} are needed to compare its thirds"
        )
        return Check(name, None, None, None, sentence, warning=True)
    parts = _thirds(flow.seconds)
    return _steady_throughput(name, flow, parts) if flow.kind in CLOSED_KINDS else _steady_queue(name, parts)


def _steady_throughput(name: str, flow: Flow, parts: Sequence[Sequence[Second]]) -> Check:
    rates = [sum(second.offered for second in part) / len(part) for part in parts]
    counts = [sum(second.offered for second in part) for part in parts]
    fewest, in_words = min(counts), ", ".join(format_figure(rate) for rate in rates)
    in_step, longer = _is_in_step(flow, counts), _longer(flow)
    if fewest == 0:
        sentence = f"no request was sent in a third of the window: {in_words} requests/s{longer if in_step else ''}"
        return Check(name, None, None, False, sentence, warning=in_step)
    most = max(limit("steadiness"), 1 + limit("steadiness_chance") / math.sqrt(fewest))
    ratio = max(rates) / min(rates)
    # A ratio just above the limit would be shown as the limit itself.
    digits = 4 if ratio > most and f"{ratio:.2f}" == f"{most:.2f}" else 2
    figures = f"{ratio:.{digits}f} (limit {most:.{digits}f})"
    sentence = f"{in_words} requests/s in the thirds of the window: they differ by a factor of {figures}"
    in_step = in_step and ratio > most
    return Check(name, ratio, most, ratio <= most, sentence + (longer if in_step else ""), warning=in_step)


def _is_in_step(flow: Flow, counts: Sequence[int]) -> bool:
    """Whether users send slow requests all at about the same times, so that a third has a round more than another one.

    Then a third of the seconds, or more, are nearly idle.
    """
    busiest = max(second.offered for second in flow.seconds)
    idle = sum(second.offered <= busiest / 4 for second in flow.seconds)
    is_one_round = max(counts) - min(counts) <= (flow.concurrency or 0)
    return flow.kind == "users" and is_one_round and idle >= len(flow.seconds) / 3


def _longer(flow: Flow) -> str:
    every = (flow.concurrency or 0) * flow.length_seconds / flow.offered
    return (
        f". Each user sends a request every {format_figure(every)} s, all at about the same time, and a third of the "
        "window may have one round more. So the rate is not exact: raise measure_seconds"
    )


def _steady_queue(name: str, parts: Sequence[Sequence[Second]]) -> Check:
    levels = [[second.in_flight_mean for second in part if second.in_flight_mean is not None] for part in parts]
    if not all(levels):
        return Check(name, None, None, None, "the number of requests in flight was not recorded", warning=True)
    first, *_, last = (sum(part) / len(part) for part in levels)
    # Below one request, a ratio depends on single requests.
    ratio, most = max(first, 1.0) / max(last, 1.0), limit("warming_up")
    sentence = (
        f"{format_figure(first)} requests were in flight in the first third of the window, {format_figure(last)} in "
        f"the last: a factor of {ratio:.2f} (limit {most:g})"
    )
    return Check(name, ratio, most, ratio <= most, sentence, warning=True)


def _thirds(seconds: Sequence[Second]) -> list[Sequence[Second]]:
    cuts = [round(len(seconds) * part / PARTS) for part in range(PARTS + 1)]
    return [seconds[start:end] for start, end in pairwise(cuts)]
