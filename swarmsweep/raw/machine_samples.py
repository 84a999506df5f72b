"""Samples of the hosts -> what each machine and each container on it did during a window.

Rates lie between the last sample at or before the window's start and the first at or after its end. Counters are
cumulative; one that went back, or that was not sampled at both ends, gives None.
"""

from typing import Any

from swarmsweep.raw.api_usage import Sample, Span, around, busy_percent, short_service, value_of
from swarmsweep.raw.machine_usage import ContainerUsage, MachineUsage


def machines_over(
    samples_by_host: dict[str, list[Sample]], group_of: dict[str, str], window: tuple[float, float]
) -> dict[str, MachineUsage]:
    """Usage of each host over the window, by host name; ``group_of`` says 'api' or 'load' for each.

    A host whose samples do not cover the window has nothing but its group.
    """
    return {
        host: _machine(group_of[host], around(samples, window)) for host, samples in sorted(samples_by_host.items())
    }


def _machine(group: str, span: Span | None) -> MachineUsage:
    if span is None:
        return MachineUsage(group=group)
    first, last = span[0]["host"], span[1]["host"]
    seconds = span[1]["t"] - span[0]["t"]
    cores = value_of(last, "cores")
    sampler = _growth(first, last, "sampler_cpu_seconds")
    return MachineUsage(
        group=group,
        cores=None if cores is None else round(cores),
        busy_percent=busy_percent(span),
        steal_percent=_steal_percent(first, last),
        external_cpu_cores=_external_cpu_cores(first, last, seconds),
        retransmitted_percent=_retransmitted_percent(first, last),
        network_bytes_per_second=_network_bytes_per_second(first, last, seconds),
        sampler_cores=None if sampler is None else sampler / seconds,
        containers={name: _container(span, name, seconds) for name in sorted(span[1]["containers"])},
    )


def _growth(first: dict[str, Any], last: dict[str, Any], counter: str) -> float | None:
    before, after = value_of(first, counter), value_of(last, counter)
    return None if before is None or after is None or after < before else after - before


def _part(host: dict[str, Any], name: str) -> dict[str, Any]:
    part = host.get(name)
    return part if isinstance(part, dict) else {}


def _container(span: Span, name: str, seconds: float) -> ContainerUsage:
    first, last = span[0]["containers"].get(name, {}), span[1]["containers"][name]
    cpu = _growth(first, last, "cpu_seconds")
    periods, throttled = (_growth(first, last, counter) for counter in ("periods", "throttled_periods"))
    peak = value_of(last, "memory_peak_bytes")
    return ContainerUsage(
        service=short_service(last),
        cpu_cores=None if cpu is None else cpu / seconds,
        throttled_percent=100 * throttled / periods if periods and throttled is not None else None,
        memory_peak_bytes=None if peak is None else round(peak),
    )


def _cpu_seconds(first: dict[str, Any], last: dict[str, Any]) -> dict[str, float]:
    """Growth of each kind of CPU time; iowait may go back a little (proc(5)), which counts as none."""
    before, after = _part(first, "cpu_seconds"), _part(last, "cpu_seconds")
    pairs = {kind: (value_of(before, kind), value_of(after, kind)) for kind in after}
    return {kind: max(0.0, new - old) for kind, (old, new) in pairs.items() if old is not None and new is not None}


def _steal_percent(first: dict[str, Any], last: dict[str, Any]) -> float | None:
    grown = _cpu_seconds(first, last)
    total = sum(grown.values())
    return 100 * grown["steal"] / total if "steal" in grown and total > 0 else None


def _external_cpu_cores(first: dict[str, Any], last: dict[str, Any], seconds: float) -> float | None:
    """CPU on the machine's cores that was not the lab's; see the sampler's README for what the counters hold.

    On a whole computer, what its processes used less what the lab did. In a machine that shares its computer, what was
    busy on its cores less what the machine used; the kernel counts busy time by ticks and a cgroup's by the clock, so
    that this difference can fall below 0.
    """
    own, lab = (_growth(first, last, counter) for counter in ("own_cpu_seconds", "lab_cpu_seconds"))
    if own is None:
        return None
    if lab is not None:
        return max(0.0, own - lab) / seconds
    if value_of(last, "lab_cpu_seconds") is not None:
        return None
    grown = _cpu_seconds(first, last)
    if not {"user", "system"} <= grown.keys():
        return None
    return max(0.0, grown["user"] + grown["system"] - own) / seconds


def _retransmitted_percent(first: dict[str, Any], last: dict[str, Any]) -> float | None:
    before, after = _part(first, "tcp"), _part(last, "tcp")
    sent, again = (_growth(before, after, counter) for counter in ("segments_out", "retransmitted"))
    return 100 * again / sent if sent and again is not None else None


def _network_bytes_per_second(first: dict[str, Any], last: dict[str, Any], seconds: float) -> float | None:
    before, after = _part(first, "network"), _part(last, "network")
    directions = [
        _growth(_part(before, name), _part(after, name), counter)
        for name in after
        for counter in ("rx_bytes", "tx_bytes")
    ]
    return max((grown / seconds for grown in directions if grown is not None), default=None)
