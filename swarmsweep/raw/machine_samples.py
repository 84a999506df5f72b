"""Samples of the hosts -> the activity of each machine and each container on it during a window.

Rates are between the last sample at or before the window's start and the first at or after its end. Counters are
cumulative. The result is None if a counter went back, or was not sampled at both ends.
"""

from swarmsweep.raw.machine_usage import ContainerUsage, MachineUsage
from swarmsweep.raw.samples import (
    ContainerCounters,
    DiskCounters,
    HostCounters,
    LinkCounters,
    Sample,
    Span,
    TcpCounters,
    around,
    busy_percent,
    growth,
)

# Bridges of Docker on the host: their bytes to other hosts are also those of the interface behind them.
_BRIDGES = ("docker", "br-")


def machines_over(
    samples_by_host: dict[str, list[Sample]], group_of: dict[str, str], window: tuple[float, float]
) -> dict[str, MachineUsage]:
    """Usage of each host over the window, by host name; ``group_of`` says 'api' or 'load' for each.

    If the samples of a host do not cover the window, it has only its group.
    """
    return {
        host: _machine(group_of[host], around(samples, window), samples)
        for host, samples in sorted(samples_by_host.items())
    }


def _machine(group: str, span: Span | None, samples: list[Sample]) -> MachineUsage:
    if span is None:
        return MachineUsage(group=group)
    first, last = span[0].host, span[1].host
    seconds = span[1].t - span[0].t
    sampler = growth(first.sampler_cpu_seconds, last.sampler_cpu_seconds)
    link_percent, link_name = max(_links(first, last, seconds), default=(None, None))
    memory = _memory_bytes(span, samples)
    interface, received, sent = _busiest_interface(first, last, seconds)
    read, written, busy = _disks(first, last, seconds)
    return MachineUsage(
        group=group,
        cores=None if last.cores is None else round(last.cores),
        busy_percent=busy_percent(span),
        steal_percent=_steal_percent(first, last),
        external_cpu_cores=_external_cpu_cores(first, last, seconds),
        other_own_cpu_cores=_other_own_cpu_cores(span, seconds) if group == "api" else None,
        retransmitted_percent=_retransmitted_percent(first.tcp or TcpCounters(), last.tcp or TcpCounters()),
        retransmitted_per_second=_retransmitted_per_second(span, seconds),
        link_name=link_name,
        link_percent=link_percent,
        sampler_cores=None if sampler is None else sampler / seconds,
        memory_bytes=memory,
        memory_total_bytes=None if last.memory_total_bytes is None else round(last.memory_total_bytes),
        interface=interface,
        received_bytes_per_second=received,
        sent_bytes_per_second=sent,
        disk_read_bytes_per_second=read,
        disk_written_bytes_per_second=written,
        disk_busy_percent=busy,
        containers={name: _container(span, name, seconds) for name in sorted(span[1].containers)},
    )


def _container(span: Span, name: str, seconds: float) -> ContainerUsage:
    first, last = span[0].containers.get(name, ContainerCounters()), span[1].containers[name]
    cpu = growth(first.cpu_seconds, last.cpu_seconds)
    periods = growth(first.periods, last.periods)
    throttled = growth(first.throttled_periods, last.throttled_periods)
    peak = last.memory_peak_bytes
    return ContainerUsage(
        service=last.short_service,
        cpu_cores=None if cpu is None else cpu / seconds,
        throttled_percent=100 * throttled / periods if periods and throttled is not None else None,
        memory_peak_bytes=None if peak is None else round(peak),
    )


def _cpu_seconds(first: HostCounters, last: HostCounters) -> dict[str, float]:
    """Growth of each kind of CPU time. iowait may decrease a little (proc(5)), which counts as 0."""
    return {kind: max(0.0, grown) for kind, grown in last.cpu_seconds_since(first).items()}


def _steal_percent(first: HostCounters, last: HostCounters) -> float | None:
    grown = _cpu_seconds(first, last)
    total = sum(grown.values())
    return 100 * grown["steal"] / total if "steal" in grown and total > 0 else None


def _external_cpu_cores(first: HostCounters, last: HostCounters, seconds: float) -> float | None:
    """CPU use on the machine's cores that was not the lab's; see the sampler's README for the counters.

    On a whole computer: the CPU time of its processes minus that of the lab. In a machine that shares its computer: the
    busy time of its cores minus the machine's own CPU time. The kernel counts busy time by ticks and a cgroup's by the
    clock, so this difference can be below 0.
    """
    own = growth(first.own_cpu_seconds, last.own_cpu_seconds)
    lab = growth(first.lab_cpu_seconds, last.lab_cpu_seconds)
    if own is None:
        return None
    if lab is not None:
        return max(0.0, own - lab) / seconds
    if last.lab_cpu_seconds is not None:
        return None
    grown = _cpu_seconds(first, last)
    if not {"user", "system"} <= grown.keys():
        return None
    return max(0.0, grown["user"] + grown["system"] - own) / seconds


def _other_own_cpu_cores(span: Span, seconds: float) -> float | None:
    """CPU use of the machine itself that neither the lab's containers nor the sampler had, where the lab's part of the
    machine's CPU time is not sampled.

    Docker is in it: no counter separates it there. A load host has no such figure, because samples lack Locust's part.
    """
    first, last = span
    if last.host.lab_cpu_seconds is not None or first.containers.keys() != last.containers.keys():
        return None
    # An older sampler named no services, and read the containers of the API alone.
    if any(container.service is None for container in last.containers.values()):
        return None
    own = growth(first.host.own_cpu_seconds, last.host.own_cpu_seconds)
    sampler = growth(first.host.sampler_cpu_seconds, last.host.sampler_cpu_seconds)
    containers = _each(
        [growth(first.containers[name].cpu_seconds, after.cpu_seconds) for name, after in last.containers.items()]
    )
    if own is None or sampler is None or not containers:
        return None
    return max(0.0, own - sum(containers) - sampler) / seconds


def _links(first: HostCounters, last: HostCounters, seconds: float) -> list[tuple[float, str]]:
    """Use of each link whose speed is known, in percent of it, and its name."""
    found = []
    for name, after in (last.network or {}).items():
        before = (first.network or {}).get(name, LinkCounters())
        grown = [growth(before.rx_bytes, after.rx_bytes), growth(before.tx_bytes, after.tx_bytes)]
        known = [part for part in grown if part is not None]
        if known and after.speed_mbit:
            found.append((100 * 8 * max(known) / seconds / (after.speed_mbit * 1e6), name))
    return found


def _retransmitted_per_second(span: Span, seconds: float) -> float | None:
    first, last = (sample.host.tcp or TcpCounters() for sample in span)
    again = growth(first.retransmitted, last.retransmitted)
    return None if again is None else again / seconds


def _retransmitted_percent(first: TcpCounters, last: TcpCounters) -> float | None:
    sent = growth(first.segments_out, last.segments_out)
    again = growth(first.retransmitted, last.retransmitted)
    return 100 * again / sent if sent and again is not None else None


def _memory_bytes(span: Span, samples: list[Sample]) -> int | None:
    """The most memory that was not available in any sample of the span; None if one of them lacks it."""
    used = [sample.host.memory_used_bytes for sample in samples if span[0].t <= sample.t <= span[1].t]
    known = [value for value in used if value is not None]
    return round(max(known)) if known and len(known) == len(used) else None


def _busiest_interface(
    first: HostCounters, last: HostCounters, seconds: float
) -> tuple[str | None, float | None, float | None]:
    """The interface with most bytes in both directions, and the bytes per second of each direction."""
    found = []
    for name, after in (last.network or {}).items():
        before = (first.network or {}).get(name, LinkCounters())
        received, sent = growth(before.rx_bytes, after.rx_bytes), growth(before.tx_bytes, after.tx_bytes)
        if received is not None and sent is not None and not name.startswith(_BRIDGES):
            found.append((received + sent, name, received / seconds, sent / seconds))
    if not found:
        return None, None, None
    _, name, received, sent = max(found)
    return name, received, sent


def _disks(first: HostCounters, last: HostCounters, seconds: float) -> tuple[float | None, float | None, float | None]:
    """Bytes per second that all disks read and wrote, and the time in which the busiest one was busy, in percent.

    All are None if a disk came within the window, because a sum without it would be too low.
    """
    if not last.disks or not first.disks:
        return None, None, None
    pairs = [(first.disks.get(name, DiskCounters()), after) for name, after in last.disks.items()]
    read = [growth(before.read_bytes, after.read_bytes) for before, after in pairs]
    written = [growth(before.written_bytes, after.written_bytes) for before, after in pairs]
    busy = [growth(before.busy_seconds, after.busy_seconds) for before, after in pairs]
    longest = _each(busy)
    return (
        _sum_rate(_each(read), seconds),
        _sum_rate(_each(written), seconds),
        # The kernel adds a request's time when it ends, so the sum may be a little longer than the window.
        None if longest is None else min(100.0, 100 * max(longest) / seconds),
    )


def _each(values: list[float | None]) -> list[float] | None:
    """The values; None if one of them was not measured."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def _sum_rate(values: list[float] | None, seconds: float) -> float | None:
    return None if values is None else sum(values) / seconds
