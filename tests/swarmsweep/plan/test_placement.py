"""Where Swarm places replicas, by the arithmetic of its scheduler."""

import pytest

from swarmsweep.plan.placement import place, place_in_groups, planned_shares, room_for
from swarmsweep.sweep.matrix import Cell

GIB = 1024**3


def host(name="lab-api", cpus=4, memory_gib=8.0, **more):
    """Facts of one API host."""
    return {"name": name, "cpus": cpus, "memory_bytes": int(memory_gib * GIB)} | more


@pytest.mark.parametrize(
    ("replicas", "rooms", "manager", "shares"),
    [
        (2, [4, 4], 0, [(1, 1), (1, 1)]),
        # The manager has the tasks of the platform, so the others are first.
        (1, [4, 4], 0, [(0, 0), (1, 1)]),
        (3, [4, 4], 0, [(1, 1), (2, 2)]),
        (3, [4, 4, 4], 0, [(1, 1), (1, 1), (1, 1)]),
        (5, [4, 4, 4], 0, [(1, 1), (2, 2), (2, 2)]),
        # Between hosts with as many replicas and tasks, Swarm chooses any.
        (4, [4, 4, 4], 0, [(1, 1), (1, 2), (1, 2)]),
        (1, [4, 4], None, [(0, 1), (0, 1)]),
        # A full host gets no more.
        (4, [1, 4], 0, [(1, 1), (3, 3)]),
        (5, [1, 4], 0, [(1, 1), (4, 4)]),
        (3, [0, 4], 0, [(0, 0), (3, 3)]),
        (6, [1, 4], 0, None),
        (1, [0], None, None),
        (1, [], None, None),
    ],
)
def test_the_host_with_the_fewest_gets_the_next_replica(replicas, rooms, manager, shares):
    found = place(replicas, rooms, manager)
    assert found == shares
    if found:
        assert sum(least for least, _ in found) <= replicas <= sum(most for _, most in found)


@pytest.mark.parametrize(
    ("replicas", "rooms", "groups", "manager", "shares"),
    [
        # Two hosts in rack x, one in rack y. The racks get the same.
        (4, [4, 4, 4], "xxy", 0, [(1, 1), (1, 1), (2, 2)]),
        (2, [4, 4, 4], "xxy", 0, [(0, 0), (1, 1), (1, 1)]),
        (2, [4, 4, 4], "xxy", None, [(0, 1), (0, 1), (1, 1)]),
        # The rack that gets one more is chosen by chance.
        (3, [4, 4, 4], "xxy", 0, [(0, 1), (1, 1), (1, 2)]),
        (1, [4, 4], "xy", 0, [(0, 1), (0, 1)]),
        (3, [4, 4], "xy", 0, [(1, 2), (1, 2)]),
        # A full rack gets no more.
        (5, [4, 4, 1], "xxy", 0, [(2, 2), (2, 2), (1, 1)]),
        (9, [4, 4, 1], "xxy", 0, [(4, 4), (4, 4), (1, 1)]),
        (10, [4, 4, 1], "xxy", 0, None),
        (2, [0, 4, 4], "xyy", 0, [(0, 0), (1, 1), (1, 1)]),
        # Swarm may give the rest to the same rack twice: 4 and 3 of a first round, and then one more.
        (10, [2, 9, 9], "xyz", None, [(2, 2), (3, 5), (3, 5)]),
        (12, [9, 9, 9, 9, 9, 9], "uvwxyz", 0, [(2, 2)] * 6),
    ],
)
def test_replicas_are_divided_between_groups_first(replicas, rooms, groups, manager, shares):
    found = place_in_groups(replicas, rooms, groups, manager)
    assert found == shares
    if found:
        assert sum(least for least, _ in found) <= replicas <= sum(most for _, most in found)


@pytest.mark.parametrize("replicas", range(1, 14))
@pytest.mark.parametrize("rooms", [[4, 4], [1, 4], [4, 4, 4], [1, 2, 9], [0, 3, 3]])
@pytest.mark.parametrize("manager", [0, None])
def test_hosts_of_one_group_are_placed_as_hosts_without_groups(replicas, rooms, manager):
    assert place_in_groups(replicas, rooms, ["x"] * len(rooms), manager) == place(replicas, rooms, manager)


@pytest.mark.parametrize(
    ("cell", "facts", "room"),
    [
        (Cell(9, 0.5, GIB, 1), host(), 8),
        (Cell(9, 1, 3 * GIB, 1), host(), 2),
        (Cell(9, 0.3, GIB // 4, 1), host(cpus=1), 3),
        (Cell(9, 0.1, GIB // 4, 1), host(cpus=1), 10),  # in billionths of a core: no rounding of 0.1
        (Cell(9, 2, GIB, 1), host(cpus=1), 0),
        # In a container, Docker counts what the whole computer has.
        (Cell(9, 1, 3 * GIB, 1), host(swarm_cpus=2, swarm_memory_bytes=24 * GIB), 2),
        (Cell(9, 1, GIB, 1), host(memory_bytes=None), None),
    ],
)
def test_the_room_of_a_host_is_what_swarm_counts(cell, facts, room):
    assert room_for(cell, facts) == room


@pytest.mark.parametrize(
    ("replicas", "hosts", "shares"),
    [
        (2, [host()], None),
        (2, [host(), host("lab-api2")], {"lab-api": (1, 1), "lab-api2": (1, 1)}),
        (2, [host(carries_replicas=False), host("lab-api2")], {"lab-api": (0, 0), "lab-api2": (2, 2)}),
        # The manager and the last host have the wanted label.
        (
            3,
            [host(), host("lab-api2", carries_replicas=False), host("lab-api3")],
            {"lab-api": (1, 1), "lab-api2": (0, 0), "lab-api3": (2, 2)},
        ),
        (5, [host(), host("lab-api2", cpus=9, carries_replicas=False)], None),  # only 4 fit
        # The second rack has one host.
        (
            4,
            [host(spread_group="x"), host("lab-api2", spread_group="x"), host("lab-api3", spread_group="y")],
            {"lab-api": (1, 1), "lab-api2": (1, 1), "lab-api3": (2, 2)},
        ),
        (9, [host(), host("lab-api2")], None),  # it does not fit
        (2, [host(), host("lab-api2", cpus=None)], None),
    ],
)
def test_shares_are_planned_where_there_are_several_hosts(replicas, hosts, shares):
    assert planned_shares(Cell(replicas, 1, GIB, 1), hosts) == shares
