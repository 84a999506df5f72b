"""Samples of the API hosts -> the resources that its replicas used during the measured window."""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace
from statistics import median_high

import msgspec

from swarmsweep.raw.samples import API_SERVICE, ContainerCounters, Sample, Span, around, busy_percent, growth


@dataclass(frozen=True)
class ApiUsage:
    """Resource use of all replicas together; None where it was not measured.

    ``periods`` and ``throttled_periods`` are kept so that several attempts can be pooled. ``server_processes`` has the
    number of each replica, the median of its counts in the window. ``processes_range`` is the range of the middle half
    of the counts of all processes of a replica, over all replicas. Both are None unless each replica was counted.
    """

    cpu_cores: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    memory_peak_bytes: int | None = None
    oom_kills: int | None = None
    host_busy_percent: float | None = None
    server_processes: tuple[int, ...] | None = None
    processes_range: tuple[int, int] | None = None
    shared_memory_peak_bytes: int | None = None

    @property
    def throttled_percent(self) -> float | None:
        """Share of the scheduler's periods in which a replica used up its quota, in percent."""
        if not self.periods or self.throttled_periods is None:
            return None
        return 100 * self.throttled_periods / self.periods


def usage_over(hosts: list[list[Sample]], window: tuple[float, float] | None, container_ids: Set[str]) -> ApiUsage:
    """Usage of the containers over the window, summed over the API hosts (one list of samples each).

    Without ids, as when the deployment was not recorded, the containers of the service 'api' are used. In files in
    which containers have no service, all are used: these files had the API alone.

    For each host, rates are between the last sample at or before the window's start and the first at or after its end.
    They are None unless every container was sampled at both ends. Peaks and OOM kills are the last values of the whole
    attempt. Without a window, only these are given.
    """
    last = _last_counters(hosts, container_ids)
    peaks_only = ApiUsage(
        memory_peak_bytes=_whole(max(_known(counters.memory_peak_bytes for counters in last), default=None)),
        shared_memory_peak_bytes=_whole(_highest_shared_memory(hosts, container_ids)),
        oom_kills=_whole(_sum_if_any(_known(counters.oom_kills for counters in last))),
    )
    spans = [around(samples, window) for samples in hosts] if window is not None else []
    whole = [span for span in spans if span is not None]
    seen = {name for span in whole for name in _containers(span[0], container_ids)}
    if not seen or len(whole) < len(hosts) or not container_ids <= seen:
        return peaks_only
    counts = _counts(hosts, window, container_ids) if window is not None else []
    return replace(
        peaks_only,
        cpu_cores=_cpu_cores(whole, container_ids),
        periods=_grown(whole, lambda counters: counters.periods, container_ids),
        throttled_periods=_grown(whole, lambda counters: counters.throttled_periods, container_ids),
        host_busy_percent=max(_known(map(busy_percent, whole)), default=None),
        server_processes=_server_processes(counts) if counts else None,
        processes_range=_processes_range(counts) if counts else None,
    )


def without_predecessors(samples: list[Sample], since: float) -> list[Sample]:
    """The samples without replicas that already ran at ``since`` (epoch seconds): those are of another cell."""
    older = {name for sample in samples if sample.t < since for name in _containers(sample, set())}
    if not older:
        return samples
    return [
        msgspec.structs.replace(
            sample, containers={name: of for name, of in sample.containers.items() if name not in older}
        )
        for sample in samples
    ]


def _counts(hosts: list[list[Sample]], window: tuple[float, float], ids: Set[str]) -> list[list[ContainerCounters]]:
    """The samples of each replica in the window; a replica without one has an empty list."""
    inside: dict[str, list[ContainerCounters]] = {name: [] for name in ids}
    for sample in (sample for samples in hosts for sample in samples if window[0] <= sample.t <= window[1]):
        for name, counters in _containers(sample, ids).items():
            inside.setdefault(name, []).append(counters)
    return [inside[name] for name in sorted(inside)]


def _server_processes(replicas: list[list[ContainerCounters]]) -> tuple[int, ...] | None:
    counts = [sorted(_known(one.server_processes for one in replica)) for replica in replicas]
    # The higher of two middle counts: a process is more likely to be missed for a moment than to be counted twice.
    return tuple(round(median_high(known)) for known in counts) if all(counts) else None


def _processes_range(replicas: list[list[ContainerCounters]]) -> tuple[int, int] | None:
    """Lowest and highest count, without the lowest and the highest quarter of each replica's counts.

    A process that ends and is started afresh is missing from a few counts, and a slow program of a request is in a few.
    """
    counts = [sorted(_known(one.processes for one in replica)) for replica in replicas]
    if not all(counts):
        return None
    left_out = [(len(known) - 1) // 4 for known in counts]
    low = min(known[number] for known, number in zip(counts, left_out, strict=True))
    high = max(known[-1 - number] for known, number in zip(counts, left_out, strict=True))
    return round(low), round(high)


def _containers(sample: Sample, ids: Set[str]) -> dict[str, ContainerCounters]:
    return {
        name: counters
        for name, counters in sample.containers.items()
        if (name in ids if ids else counters.short_service == API_SERVICE)
    }


def _growth(span: Span, counter: Callable[[ContainerCounters], float | None], ids: Set[str]) -> float | None:
    """The growth of the counter over all containers of one host; None unless each was sampled at both ends."""
    first, last = (_containers(sample, ids) for sample in span)
    if first.keys() != last.keys():
        return None
    total = 0.0
    for name in last:
        grown = growth(counter(first[name]), counter(last[name]))
        if grown is None:
            return None
        total += grown
    return total


def _grown(spans: list[Span], counter: Callable[[ContainerCounters], float | None], ids: Set[str]) -> int | None:
    parts = [_growth(span, counter, ids) for span in spans]
    known = _known(parts)
    return _whole(sum(known)) if len(known) == len(parts) else None


def _cpu_cores(spans: list[Span], ids: Set[str]) -> float | None:
    cores = 0.0
    for span in spans:
        seconds = _growth(span, lambda counters: counters.cpu_seconds, ids)
        if seconds is None:
            return None
        cores += seconds / (span[1].t - span[0].t)
    return cores


def _last_counters(hosts: list[list[Sample]], ids: Set[str]) -> list[ContainerCounters]:
    last: dict[str, ContainerCounters] = {}
    for samples in hosts:
        for sample in samples:
            last |= _containers(sample, ids)
    return list(last.values())


def _highest_shared_memory(hosts: list[list[Sample]], ids: Set[str]) -> float | None:
    """The highest sample of any container. The kernel keeps no peak of it."""
    every = (counters for samples in hosts for sample in samples for counters in _containers(sample, ids).values())
    return max(_known(counters.shared_memory_bytes for counters in every), default=None)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _sum_if_any(values: list[float]) -> float | None:
    return sum(values) if values else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
