"""The mean latency of a single user's requests, as their mix is under load.

A probe of at most 20 requests may have another mix of requests than the load has. So requests are compared by their
name, and each name has the weight that it has under load.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from swarmsweep.raw.closed_loop import UnloadedRequest, UsersRecord
from swarmsweep.shared.request_record import MAX_NAMES, OK
from swarmsweep.units import format_figure

# Good responses of one user without which their mean says too little.
MIN_UNLOADED = 3
# Names that the probe has must take this share of the time of all requests under load. The rest may then be 1.5 times
# slower without load than assumed, and the figure is 5 % off.
MIN_COVERED = 0.9


class UnloadedLatency(NamedTuple):
    """``mean_ms`` is None where it is not known; ``gap`` then says why, as a part of a sentence.

    ``error_ms`` is the standard error of the mean. ``median_ms`` is None where the load has several names, because the
    probe may have another mix of them.
    """

    mean_ms: float | None
    gap: str | None = None
    error_ms: float | None = None
    median_ms: float | None = None


def unloaded_latency(record: UsersRecord, replicas: int) -> UnloadedLatency:
    """The mean latency in ms of the good responses to the probe of one user, weighted by the mix under load.

    The first request to each replica and the first of each name are left out: see `_warm`.
    """
    warm = _warm([request for request in record.unloaded if request.outcome == OK], replicas)
    if len(warm) < MIN_UNLOADED:
        return UnloadedLatency(None)
    # Records of earlier versions have no names. So many names are addresses with an id in each, and no mix.
    if not record.by_name or len(record.by_name) > MAX_NAMES:
        return mean_of([request.latency_ms for request in warm])
    return _weighted(warm, record.by_name)


def mean_of(latencies_ms: Sequence[float]) -> UnloadedLatency:
    """Mean, standard error and median of requests that have no names, or one."""
    return UnloadedLatency(_mean(latencies_ms), None, _error_ms([(1, latencies_ms)]), median(latencies_ms))


def _warm(good: Sequence[UnloadedRequest], replicas: int) -> list[UnloadedRequest]:
    """The requests without those that opened a connection or met cold code.

    HAProxy sends the requests of one user to its replicas in turn, so the first ones meet cold replicas. At most half
    of the requests are left out for this. The first request of a name is left out, if the name has others.
    """
    cold = min(max(1, replicas), max(1, len(good) // 2))
    counts, seen = Counter(request.name for request in good), set()
    warm = []
    for position, request in enumerate(good):
        is_first = request.name not in seen
        seen.add(request.name)
        if position >= cold and not (is_first and counts[request.name] > 1):
            warm.append(request)
    return warm


def _weighted(warm: list[UnloadedRequest], by_name: Mapping[str, tuple[int, float]]) -> UnloadedLatency:
    """Names that the probe lacks are taken to be slower under load by the same factor as the others."""
    by_probe: dict[str, list[float]] = {}
    for request in warm:
        by_probe.setdefault(request.name, []).append(request.latency_ms)
    count, time_ms = (sum(figures) for figures in zip(*by_name.values(), strict=True))
    covered = [name for name in by_name if name in by_probe]
    covered_ms = sum(by_name[name][1] for name in covered)
    if time_ms <= 0 or covered_ms < MIN_COVERED * time_ms:
        return UnloadedLatency(None, _gap(by_name, covered, 1 - covered_ms / time_ms) if time_ms > 0 else None)
    unloaded_ms = sum(by_name[name][0] * _mean(by_probe[name]) for name in covered)
    mean_ms = (time_ms / count) * unloaded_ms / covered_ms
    error_ms = _error_ms([(by_name[name][0], by_probe[name]) for name in covered])
    covered_mean_ms = unloaded_ms / sum(by_name[name][0] for name in covered)
    alone = median(by_probe[covered[0]]) if len(by_name) == 1 else None
    return UnloadedLatency(mean_ms, None, error_ms * mean_ms / covered_mean_ms, alone)


def _error_ms(groups: Sequence[tuple[int, Sequence[float]]]) -> float:
    """The standard error of the weighted mean of groups, each with its weight and its latencies in ms.

    The relative variance is taken to be the same in all groups, because some have one latency alone.
    """
    means = [_mean(latencies) for _, latencies in groups]
    squares = sum(
        (one / mean - 1) ** 2 for mean, (_, latencies) in zip(means, groups, strict=True) for one in latencies if mean
    )
    freedom = sum(len(latencies) - 1 for _, latencies in groups)
    variance = squares / freedom if freedom else 0.0
    weights = sum(weight for weight, _ in groups)
    parts = (
        (weight / weights * mean) ** 2 * variance / len(latencies)
        for mean, (weight, latencies) in zip(means, groups, strict=True)
    )
    return math.sqrt(sum(parts))


def _gap(by_name: Mapping[str, tuple[int, float]], covered: list[str], share: float) -> str:
    missing = max((name for name in by_name if name not in covered), key=lambda name: by_name[name][1])
    return (
        "the latency of a single user is not known, because its probe lacks requests that take "
        f"{format_figure(100 * share)} % of the time, as {missing}"
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
