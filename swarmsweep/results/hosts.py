"""The use of the hosts by all attempts at a cell -> one row for each host."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from swarmsweep.plan.row import HostUse
from swarmsweep.raw.attempt import GROUPS
from swarmsweep.raw.machine_usage import MachineUsage

T = TypeVar("T")


def merge_hosts(attempts: Sequence[Mapping[str, MachineUsage]]) -> list[HostUse] | None:
    """The hosts of all attempts, API hosts first; None where none was sampled.

    Rates and CPU are means over the attempts. Memory, link and busy time of disks are maxima. A figure that one attempt
    lacks is None.
    """
    names = {name: machine.group for machines in attempts for name, machine in machines.items()}
    ordered = sorted(names, key=lambda name: (GROUPS.index(names[name]), name))
    return [
        _host(name, [machines.get(name, MachineUsage(names[name])) for machines in attempts]) for name in ordered
    ] or None


def _host(name: str, machines: list[MachineUsage]) -> HostUse:
    interfaces = {machine.interface for machine in machines}
    return HostUse(
        name=name,
        group=machines[0].group,
        cores=_all(max, (machine.cores for machine in machines)),
        cpu_percent=_all(_mean, (machine.busy_percent for machine in machines)),
        memory_bytes=_all(max, (machine.memory_bytes for machine in machines)),
        memory_total_bytes=_all(max, (machine.memory_total_bytes for machine in machines)),
        interface=interfaces.pop() if len(interfaces) == 1 else None,
        received_bytes_per_second=_all(_mean, (machine.received_bytes_per_second for machine in machines)),
        sent_bytes_per_second=_all(_mean, (machine.sent_bytes_per_second for machine in machines)),
        link_percent=_all(max, (machine.link_percent for machine in machines)),
        disk_read_bytes_per_second=_all(_mean, (machine.disk_read_bytes_per_second for machine in machines)),
        disk_written_bytes_per_second=_all(_mean, (machine.disk_written_bytes_per_second for machine in machines)),
        disk_busy_percent=_all(max, (machine.disk_busy_percent for machine in machines)),
    )


def _all(function: Callable[[list[T]], T], values: Iterable[T | None]) -> T | None:
    """``function`` over the values; None if any of them was not measured."""
    every = list(values)
    known = [value for value in every if value is not None]
    return function(known) if len(known) == len(every) else None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
