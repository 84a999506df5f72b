"""Facts of the hosts, as plan.json keeps them."""

import pytest

from swarmsweep.plan import host_facts

GIB = 1024**3


CAPACITY = {
    "cpus": 2,
    "memory_bytes": 8 * GIB,
    "swap_bytes": 0,
    "os_id": "debian",
    "os_version": "12",
    "kernel": "6.1.0-40-amd64",
    "boot_time": 1_755_000_000,
    "cgroup_version": 2,
    "ipvs": False,
    "cpu_model": "Xeon",
    "open_files": 20_000,
}


@pytest.mark.parametrize(("is_api", "reserve"), [(True, {"reserve_memory_bytes": 1536 * 1024**2}), (False, {})])
def test_host_facts_keep_what_the_plan_shows(is_api, reserve):
    answer = CAPACITY | {"changed": False, "machine_id": "secret", "disk_free_bytes": 1}
    assert host_facts.host_facts("h", answer, is_api=is_api) == {"name": "h"} | CAPACITY | reserve


@pytest.mark.parametrize("used", [True, False])
def test_several_api_hosts_have_what_swarm_counts_with(used):
    api = [host_facts.host_facts(name, CAPACITY, is_api=True) for name in ("a", "b")]
    nodes = {"a": {"id": "x", "cpus": 4, "memory_bytes": 9}, "b": {"id": "y", "cpus": 2, "memory_bytes": 8}}
    first, second = host_facts.as_nodes(api, nodes, is_manager_used=used)
    assert first == api[0] | {"carries_replicas": used, "spread_group": "", "swarm_cpus": 4, "swarm_memory_bytes": 9}
    # It has no platform.
    less = {"carries_replicas": True, "spread_group": "", "reserve_memory_bytes": 512 * 1024**2}
    assert second == api[1] | less | {"swarm_cpus": 2, "swarm_memory_bytes": 8}


@pytest.mark.parametrize(
    ("used", "excluded", "carriers"),
    [
        (True, [], ["a", "b", "c"]),
        (True, ["b"], ["a", "c"]),
        (True, ["a", "c"], ["b"]),
        (False, ["b"], ["c"]),
        (False, ["a"], ["b", "c"]),
    ],
)
def test_hosts_without_a_wanted_label_carry_no_replicas(used, excluded, carriers):
    api = [host_facts.host_facts(name, CAPACITY, is_api=True) for name in ("a", "b", "c")]
    found = host_facts.as_nodes(api, {}, is_manager_used=used, excluded=excluded)
    assert [host["name"] for host in found if host["carries_replicas"]] == carriers


def test_hosts_have_the_groups_between_which_replicas_are_spread():
    api = [host_facts.host_facts(name, CAPACITY, is_api=True) for name in ("a", "b", "c")]
    found = host_facts.as_nodes(api, {}, is_manager_used=True, groups={"a": "x", "b": "y"})
    assert [host["spread_group"] for host in found] == ["x", "y", ""]


def test_a_single_api_host_stays_as_it_is():
    api = [host_facts.host_facts("a", CAPACITY, is_api=True)]
    assert host_facts.as_nodes(api, {"a": {"cpus": 4}}, is_manager_used=True) == api


@pytest.mark.parametrize(
    ("api", "load", "colocated"),
    [
        ([{}], [{}], True),  # virtual machines of one machine
        ([{}], [{"boot_time": 1_755_000_001}], False),
        ([{}], [{"kernel": "6.8.0-31-generic"}], False),
        ([{"boot_time": 1}, {}], [{"boot_time": 2}, {}], True),  # one pair is enough
        ([{}, {}], [{"boot_time": 2}], False),  # two API hosts on one machine do not matter
    ],
)
def test_colocated_means_the_same_start_of_the_same_kernel(api, load, colocated):
    hosts = {"api": [CAPACITY | host for host in api], "load": [CAPACITY | host for host in load]}
    assert host_facts.colocated(hosts) is colocated
