"""How Swarm places the replicas of a cell on several API hosts, by the arithmetic of its scheduler.

With several API hosts, each replica reserves its limits. A host that lacks this much unreserved CPU or memory gets no
more replicas. Of the others, the host with the fewest replicas gets the next one. With equal numbers, it is the host
with the fewest tasks. The first API host has the tasks of the platform, so it comes last (swarmkit, scheduler.go).
"""

from collections.abc import Sequence

from swarmsweep.plan.planned import Host
from swarmsweep.sweep.matrix import Cell
from swarmsweep.units import nano_cpus

# The least and the most replicas of a host. They differ where Swarm chooses between hosts without a rule.
Share = tuple[int, int]


def carriers(api_hosts: Sequence[Host]) -> list[Host]:
    """The API hosts on which replicas run. ``lab_api_on_manager: false`` leaves out the first."""
    return [host for host in api_hosts if host.get("carries_replicas") is not False]


def room_for(cell: Cell, host: Host) -> int | None:
    """How many replicas Swarm lets a host have; None where too little is known of the host.

    Swarm counts all cores and memory that Docker reports, which in a container are those of the whole computer.
    """
    cpus, memory_bytes = (host.get(f"swarm_{key}") or host.get(key) for key in ("cpus", "memory_bytes"))
    if cpus is None or memory_bytes is None:
        return None
    return min(nano_cpus(cpus) // nano_cpus(cell.cpus), int(memory_bytes) // cell.memory_bytes)


def place(replicas: int, rooms: Sequence[int], manager: int | None = 0) -> list[Share] | None:
    """The share of each host; None if not all replicas fit.

    Args:
        replicas: number of replicas.
        rooms: the most replicas of each host.
        manager: index of the host with the platform; None if it carries no replicas.
    """
    shares = [0] * len(rooms)
    left = replicas
    while left:
        open_hosts = [number for number, room in enumerate(rooms) if shares[number] < room]
        if not open_hosts:
            return None
        # All of them have the same number, because each round gives one to each.
        if left < len(open_hosts):
            others = [number for number in open_hosts if number != manager]
            is_sure = left >= len(others)
            return [
                (share + is_sure, share + 1) if number in others else (share, share)
                for number, share in enumerate(shares)
            ]
        for number in open_hosts:
            shares[number] += 1
        left -= len(open_hosts)
    return [(share, share) for share in shares]


def planned_shares(cell: Cell, api_hosts: Sequence[Host]) -> dict[str, Share] | None:
    """The share of each host, by its name; hosts without replicas too. None with one API host, or if it is not known.

    It is also None where the replicas do not fit.
    """
    hosts = carriers(api_hosts)
    rooms = [room for host in hosts if (room := room_for(cell, host)) is not None]
    if len(api_hosts) < 2 or not hosts or len(rooms) < len(hosts):
        return None
    shares = place(cell.replicas, rooms, 0 if hosts[0] is api_hosts[0] else None)
    if shares is None:
        return None
    by_name = {host["name"]: share for host, share in zip(hosts, shares, strict=True)}
    return {host["name"]: by_name.get(host["name"], (0, 0)) for host in api_hosts}
