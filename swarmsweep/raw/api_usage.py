"""Samples of the API hosts -> the resources that its replicas used during the measured window."""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace

import msgspec

from swarmsweep.raw.samples import API_SERVICE, ContainerCounters, Sample, Span, around, busy_percent, growth


@dataclass(frozen=True)
class ApiUsage:
    """Resource use of all replicas together; None where it was not measured.

    ``periods`` and ``throttled_periods`` are kept so that several attempts can be pooled. ``server_processes`` has the
    number of each replica, from the middle of the window; None unless each was counted in the window.
    """

    cpu_cores: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    memory_peak_bytes: int | None = None
    oom_kills: int | None = None
    host_busy_percent: float | None = None
    server_processes: tuple[int, ...] | None = None

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
        oom_kills=_whole(_sum_if_any(_known(counters.oom_kills for counters in last))),
    )
    spans = [around(samples, window) for samples in hosts] if window is not None else []
    whole = [span for span in spans if span is not None]
    seen = {name for span in whole for name in _containers(span[0], container_ids)}
    if not seen or len(whole) < len(hosts) or not container_ids <= seen:
        return peaks_only
    return replace(
        peaks_only,
        cpu_cores=_cpu_cores(whole, container_ids),
        periods=_grown(whole, lambda counters: counters.periods, container_ids),
        throttled_periods=_grown(whole, lambda counters: counters.throttled_periods, container_ids),
        host_busy_percent=max(_known(map(busy_percent, whole)), default=None),
        server_processes=_server_processes(hosts, window, container_ids) if window is not None else None,
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


def _server_processes(hosts: list[list[Sample]], window: tuple[float, float], ids: Set[str]) -> tuple[int, ...] | None:
    """The count of each replica that is nearest to the middle of the window."""
    counts: dict[str, int] = {}
    seen = set(ids)
    inside = [sample for samples in hosts for sample in samples if window[0] <= sample.t <= window[1]]
    for sample in sorted(inside, key=lambda sample: abs(sample.t - sum(window) / 2)):
        for name, counters in _containers(sample, ids).items():
            seen.add(name)
            if counters.server_processes is not None:
                counts.setdefault(name, counters.server_processes)
    return tuple(counts[name] for name in sorted(seen)) if seen and counts.keys() == seen else None


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


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _sum_if_any(values: list[float]) -> float | None:
    return sum(values) if values else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
