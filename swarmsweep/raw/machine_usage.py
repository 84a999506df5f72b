"""The activity of one machine during a window: its cores, its network, and the containers of the stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ContainerUsage:
    """One container of the stack; ``service`` is the short name of its Swarm service, as 'api' or 'proxy'."""

    service: str
    cpu_cores: float | None = None
    throttled_percent: float | None = None
    memory_peak_bytes: int | None = None


@dataclass(frozen=True)
class MachineUsage:
    """None where it was not measured.

    ``group`` is 'api' or 'load'. ``busy_percent`` and ``steal_percent`` are of all its cores together.
    ``external_cpu_cores`` is CPU used on its cores by processes that do not belong to the machine or the lab.
    ``other_own_cpu_cores`` is CPU used by an API host's own processes outside the lab's containers, but the sampler. It
    is None where ``external_cpu_cores`` has these processes already, and on a load host.
    ``link_percent`` is the rate of the busier direction of the fullest network link, in percent of its speed, and
    ``link_name`` is its interface. Both are None where no speed is known, as in most virtual machines.
    ``retransmitted_percent`` is of the TCP segments sent, ``retransmitted_per_second`` their number.
    ``memory_bytes`` is the most that was not available in any second. ``interface`` is the one with most bytes, and
    their rates are those of it alone: a bridge on the machine has the same bytes again. Disks are added up.
    ``disk_busy_percent`` is that of the busiest one. A machine that shares its computer sees the disks of the computer.
    """

    group: str
    cores: int | None = None
    busy_percent: float | None = None
    steal_percent: float | None = None
    external_cpu_cores: float | None = None
    other_own_cpu_cores: float | None = None
    retransmitted_percent: float | None = None
    retransmitted_per_second: float | None = None
    link_name: str | None = None
    link_percent: float | None = None
    sampler_cores: float | None = None
    memory_bytes: int | None = None
    memory_total_bytes: int | None = None
    interface: str | None = None
    received_bytes_per_second: float | None = None
    sent_bytes_per_second: float | None = None
    disk_read_bytes_per_second: float | None = None
    disk_written_bytes_per_second: float | None = None
    disk_busy_percent: float | None = None
    containers: Mapping[str, ContainerUsage] = field(default_factory=dict)
