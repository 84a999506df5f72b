"""How Swarm places the replicas of a cell on several API hosts, by the arithmetic of its scheduler.

With several API hosts, each replica reserves its limits. A host that lacks this much unreserved CPU or memory gets no
more replicas. Of the others, the host with the fewest replicas gets the next one. With equal numbers, it is the host
with the fewest tasks. The first API host has the tasks of the platform, so it comes last (swarmkit, scheduler.go).

With `lab_api_spread`, hosts with the same value of a label are a group. Swarm first divides the replicas evenly between
the groups, and then places those of each group in this way.
"""

from collections.abc import Sequence
from functools import cache

from swarmsweep.plan.planned import Host
from swarmsweep.sweep.matrix import Cell
from swarmsweep.units import nano_cpus

# The least and the most replicas of a host. They differ where Swarm chooses between hosts without a rule.
Share = tuple[int, int]
# The number of replicas of each group of hosts.
Counts = tuple[int, ...]


def carriers(api_hosts: Sequence[Host]) -> list[Host]:
    """The API hosts on which replicas run. ``lab_api_on_manager`` and ``lab_api_placement`` exclude others."""
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


def place_in_groups(
    replicas: int, rooms: Sequence[int], groups: Sequence[str], manager: int | None = 0
) -> list[Share] | None:
    """The share of each host where Swarm spreads replicas over groups of hosts; None if not all replicas fit.

    Args:
        replicas: number of replicas.
        rooms: the most replicas of each host.
        groups: the group of each host. With one group for all hosts, this is `place`.
        manager: index of the host with the platform; None if it carries no replicas.
    """
    if replicas > sum(rooms):
        return None
    members = [[number for number, own in enumerate(groups) if own == group] for group in dict.fromkeys(groups)]
    seen: list[list[Share]] = [[] for _ in rooms]
    for counts in _divisions(replicas, tuple(sum(rooms[number] for number in hosts) for hosts in members)):
        for count, hosts in zip(counts, members, strict=True):
            first = hosts.index(manager) if manager is not None and manager in hosts else None
            within = place(count, [rooms[number] for number in hosts], first) or []
            for number, share in zip(hosts, within, strict=True):
                seen[number].append(share)
    return [(min(least for least, _ in shares), max(most for _, most in shares)) for shares in seen]


@cache
def _divisions(replicas: int, rooms: tuple[int, ...]) -> frozenset[Counts]:
    """Every division of replicas between groups that Swarm may choose (swarmkit, scheduler.go).

    It makes the groups even in rounds. A group that cannot take its part of a round has no part in later ones.
    """
    found: set[Counts] = set()
    begun: set[tuple[Counts, frozenset[int]]] = {((0,) * len(rooms), frozenset())}
    while begun:
        counts, full = begun.pop()
        left = replicas - sum(counts)
        if left and len(full) < len(rooms):
            begun |= _after_round(counts, full, rooms, *divmod(left, len(rooms) - len(full)))
        else:
            found.add(counts)
    return frozenset(found)


def _after_round(
    counts: Counts, full: frozenset[int], rooms: tuple[int, ...], each: int, extra: int
) -> set[tuple[Counts, frozenset[int]]]:
    """What a round may lead to. The order of the groups changes by chance, and the first ones get one more."""
    ended: set[tuple[Counts, frozenset[int]]] = set()
    begun = {(counts, full, extra, frozenset(range(len(rooms))) - full)}
    while begun:
        counts, full, extra, waiting = begun.pop()
        if not waiting:
            ended.add((counts, full))
        for group in waiting:
            wanted = each + (extra > 0)
            taken = min(wanted, rooms[group] - counts[group])
            is_full = taken < wanted
            after = (*counts[:group], counts[group] + taken, *counts[group + 1 :])
            more = extra if is_full else max(0, extra - 1)
            begun.add((after, full | {group} if is_full else full, more, waiting - {group}))
    return ended


def planned_shares(cell: Cell, api_hosts: Sequence[Host]) -> dict[str, Share] | None:
    """The share of each host, by its name; hosts without replicas too. None with one API host, or if it is not known.

    It is also None where the replicas do not fit.
    """
    hosts = carriers(api_hosts)
    rooms = [room for host in hosts if (room := room_for(cell, host)) is not None]
    if len(api_hosts) < 2 or not hosts or len(rooms) < len(hosts):
        return None
    groups = [host.get("spread_group") or "" for host in hosts]
    shares = place_in_groups(cell.replicas, rooms, groups, 0 if hosts[0] is api_hosts[0] else None)
    if shares is None:
        return None
    by_name = {host["name"]: share for host, share in zip(hosts, shares, strict=True)}
    return {host["name"]: by_name.get(host["name"], (0, 0)) for host in api_hosts}
