"""Whether a cell can be deployed on these hosts at all, calculated before any load.

Host facts are ``{"name", "cpus", "memory_bytes", "reserve_memory_bytes"}``; a missing or null fact is not judged. With
several API hosts, ``swarm_cpus`` and ``swarm_memory_bytes`` are what Docker reports of a host.
"""

from swarmsweep.plan.placement import carriers, place, planned_shares, room_for
from swarmsweep.plan.planned import Host
from swarmsweep.sweep.matrix import Cell
from swarmsweep.units import counted, format_bytes, format_plain


def infeasible_reason(cell: Cell, api_hosts: list[Host]) -> str | None:
    """Why the cell cannot run on the API hosts, or None when it can.

    A single replica must fit one host's CPUs, because Docker refuses a limit above them.

    One API host: all replicas together must fit its memory minus the reserve. CPU limits may add up to more than the
    host has: see `warnings_about`. Several: each replica reserves its limits, so both must fit, host by host.
    """
    hosts = carriers(api_hosts)
    if not hosts:
        return None
    able = [host for host in hosts if host.get("cpus") is None or cell.cpus <= host["cpus"]]
    if not able:
        largest = max(hosts, key=lambda host: host["cpus"])
        return (
            f"one replica needs {counted(cell.cpus, 'CPU')}, but the largest API host, {largest.get('name', 'api')}, "
            f"has {counted(largest['cpus'], 'CPU')}. Docker refuses --limit-cpu {format_plain(cell.cpus)} there. "
            f"The range is 0.01 to {largest['cpus']:.2f}"
        )
    if len(api_hosts) > 1:
        return _reason_of_several(cell, api_hosts)
    return _memory_reason(cell, able[0])


def _memory_reason(cell: Cell, host: Host) -> str | None:
    if host.get("memory_bytes") is None:
        return None
    reserve = host.get("reserve_memory_bytes") or 0
    free = host["memory_bytes"] - reserve
    placed = max(0, free) // cell.memory_bytes
    if placed >= cell.replicas:
        return None
    wanted = f"{cell.replicas} x {cell.memory} = {format_bytes(cell.replicas * cell.memory_bytes)}"
    return (
        f"the replicas need {wanted} of memory, but {_fit(placed)}. The API hosts have "
        f"{format_bytes(max(free, 0))} for them, after {format_bytes(reserve)} for the system and the rest "
        "of the stack"
    )


def _reason_of_several(cell: Cell, api_hosts: list[Host]) -> str | None:
    """The replicas must fit by what Swarm counts. Swarm does not know the reserve of a host, so this comes second."""
    hosts = carriers(api_hosts)
    rooms = {host["name"]: room for host in hosts if (room := room_for(cell, host)) is not None}
    if len(rooms) < len(hosts):
        return None
    if place(cell.replicas, list(rooms.values())) is None:
        wanted = f"{cell.replicas} x {counted(cell.cpus, 'CPU')} and {cell.memory} of memory"
        each = ", ".join(f"{name} {room}" for name, room in rooms.items())
        return (
            f"the replicas need {wanted}, but {_fit(sum(rooms.values()))}. By host: {each}. "
            "With several API hosts, each replica reserves its limits"
        )
    for name, (_, most) in (planned_shares(cell, api_hosts) or {}).items():
        host = next(host for host in hosts if host["name"] == name) if most else None
        if host is None or host.get("memory_bytes") is None:
            continue
        reserve = host.get("reserve_memory_bytes") or 0
        free = max(0, host["memory_bytes"] - reserve)
        if most * cell.memory_bytes > free:
            fit = free // cell.memory_bytes
            return (
                f"Swarm places {most} of the replicas on {name}, but {_fit(fit)} there. This host has "
                f"{format_bytes(free)} for them, after {format_bytes(reserve)} for the system and the rest of the stack"
            )
    return None


def _fit(count: int) -> str:
    """How many replicas fit, where these are too few."""
    return {0: "none fits", 1: "only 1 fits"}.get(count, f"only {count} fit")


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
