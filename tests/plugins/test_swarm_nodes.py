"""Which API hosts Swarm has lost, from node documents of Docker 20.10."""

from __future__ import annotations

from ansible.module_utils import swarm_nodes

READY, DOWN, NEW = (
    {"ID": "r32no4di", "Description": {"Hostname": "ip-10-0-0-5"}, "Status": {"State": "ready", "Addr": "10.0.0.5"}},
    {
        "ID": "k7x2mfq1",
        "Description": {"Hostname": "ip-10-0-0-6"},
        "Status": {"State": "down", "Message": "heartbeat failure", "Addr": "10.0.0.6"},
    },
    {"ID": "p0w9vbz4", "Description": {"Hostname": "ip-10-0-0-7"}, "Status": {"State": "unknown"}},
)
NAMES = {"r32no4di": "lab-api", "k7x2mfq1": "lab-api2"}


def test_a_node_has_its_name_of_the_inventory():
    assert swarm_nodes.names_of([READY, DOWN, NEW], NAMES) == NAMES | {"p0w9vbz4": "ip-10-0-0-7"}


def test_nodes_that_are_not_ready_are_lost():
    assert swarm_nodes.lost_nodes([READY], NAMES) == {}
    lost = swarm_nodes.lost_nodes([READY, DOWN, NEW], NAMES)
    assert lost == {
        "lab-api2": "Swarm reports the host as down (heartbeat failure)",
        "ip-10-0-0-7": "Swarm reports the host as unknown (no reason given)",
    }
    assert swarm_nodes.explain_lost(lost) == (
        "API host ip-10-0-0-7: Swarm reports the host as unknown (no reason given); "
        "API host lab-api2: Swarm reports the host as down (heartbeat failure)"
    )
