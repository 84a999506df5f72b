"""Whether a cell can be deployed on these hosts at all, calculated before any load.

Host facts are ``{"name", "cpus", "memory_bytes", "reserve_memory_bytes"}``; a missing or null fact is not judged.
"""

from swarmsweep.plan.planned import Host
from swarmsweep.sweep.matrix import Cell
from swarmsweep.units import counted, format_bytes, format_plain


def infeasible_reason(cell: Cell, api_hosts: list[Host]) -> str | None:
    """Why the cell cannot run on the API hosts, or None when it can.

    A single replica must fit one host's CPUs, because Docker refuses a limit above them. All replicas together must fit
    the hosts' memory minus the reserve. They are packed greedily onto the host with most memory left.
    CPU limits may add up to more than the host has: see `warnings_about`.
    """
    if not api_hosts:
        return None
    able = [host for host in api_hosts if host.get("cpus") is None or cell.cpus <= host["cpus"]]
    if not able:
        largest = max(api_hosts, key=lambda host: host["cpus"])
        return (
            f"one replica needs {counted(cell.cpus, 'CPU')}, but the largest API host, {largest.get('name', 'api')}, "
            f"has {counted(largest['cpus'], 'CPU')}. Docker refuses --limit-cpu {format_plain(cell.cpus)} there. "
            f"The range is 0.01 to {largest['cpus']:.2f}"
        )
    return _memory_reason(cell, able)


def _memory_reason(cell: Cell, hosts: list[Host]) -> str | None:
    if any(host.get("memory_bytes") is None for host in hosts):
        return None
    free = [host["memory_bytes"] - (host.get("reserve_memory_bytes") or 0) for host in hosts]
    before = sum(free)
    for placed in range(cell.replicas):
        roomiest = max(range(len(free)), key=lambda i: free[i])
        if free[roomiest] < cell.memory_bytes:
            wanted = f"{cell.replicas} x {cell.memory} = {format_bytes(cell.replicas * cell.memory_bytes)}"
            reserve = sum(host.get("reserve_memory_bytes") or 0 for host in hosts)
            return (
                f"the replicas need {wanted} of memory, and {placed} of them fit. The API hosts have "
                f"{format_bytes(max(before, 0))} for them, after {format_bytes(reserve)} for the system and the rest "
                "of the stack"
            )
        free[roomiest] -= cell.memory_bytes
    return None


def warnings_about(cell: Cell, api_hosts: list[Host]) -> list[str]:
    """Why the cell's figures are harder to interpret, although it can be deployed."""
    if not api_hosts or any(host.get("cpus") is None for host in api_hosts):
        return []
    total = sum(host["cpus"] for host in api_hosts)
    limits = cell.replicas * cell.cpus
    if limits <= total:
        return []
    return [
        f"the CPU limits add up to {counted(round(limits, 3), 'CPU')}, but the API hosts have "
        f"{counted(total, 'CPU')}. Not all replicas can reach their limit at the same time"
    ]
