"""The core of the server, and the core of everything else."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from swarmsweep.errors import LabError


@dataclass(frozen=True)
class Cores:
    """Numbers of two different cores. ``client`` is for the load generator, the dependencies and the bench itself."""

    server: int
    client: int


def choose(allowed: Iterable[int]) -> Cores:
    """Two of the cores that this process may use.

    The server gets the last: kernels tend to handle interrupts of devices on the first.

    Raises:
        LabError: there is only one.
    """
    cores = sorted(allowed)
    if len(cores) < 2:
        raise LabError(
            f"this process may use {len(cores)} core (number {', '.join(map(str, cores))}), but 2 are needed. A server "
            "that shares its core with the load is not measured. Use a larger machine, or widen the CPU set (taskset)"
        )
    return Cores(server=cores[-1], client=cores[0])


def pin(command: list[str], core: int) -> list[str]:
    """A command that runs on one core, with all its child processes."""
    return ["taskset", "--cpu-list", str(core), *command]


def stay_on(core: int) -> None:
    """Move this process to a core."""
    os.sched_setaffinity(0, {core})


def busy_seconds(stat: str, core: int) -> tuple[float, float]:
    """Seconds since boot that a core was busy, and that the hypervisor took from it, from the text of /proc/stat."""
    fields = next(line.split() for line in stat.splitlines() if line.startswith(f"cpu{core} "))
    # proc(5): user nice system idle iowait irq softirq steal; guest time is in user already.
    user, nice, system, _, _, irq, softirq, steal = (int(field) for field in fields[1:9])
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, steal / tick


def read_busy_seconds(core: int) -> tuple[float, float]:
    """`busy_seconds` of this machine, now."""
    return busy_seconds(Path("/proc/stat").read_text(), core)
