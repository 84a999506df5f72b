"""Counters of containers, from cgroup trees with contents as kernels write them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sampler.cgroups import locate_container, parse_mounts
from sampler.containers import Container, read_containers
from sampler.counters import COUNTERS, read_container
from tests.sampler.trees import (
    CONTAINER,
    HYBRID,
    OTHER,
    V1_JOINED,
    V1_SPLIT,
    V1_VALUES,
    V2_FILES,
    V2_ONLY,
    V2_VALUES,
    v1_membership,
    v1_tree,
    write_tree,
)


def read_back(root: Path, mountinfo: str, membership: str):
    mounts = parse_mounts(mountinfo, root)
    cgroup = locate_container(CONTAINER, membership, mounts)
    return None if cgroup is None else read_container(cgroup)


def test_v1_every_controller_mounted_alone(tmp_path):
    v1_tree(tmp_path, f"/docker/{CONTAINER}")
    assert read_back(tmp_path, V1_SPLIT.format(root="/"), v1_membership(f"/docker/{CONTAINER}")) == V1_VALUES


def test_v1_cpu_and_cpuacct_mounted_together(tmp_path):
    v1_tree(tmp_path, f"/docker/{CONTAINER}", "cpu,cpuacct", "cpu,cpuacct")
    path = f"/docker/{CONTAINER}"
    assert read_back(tmp_path, V1_JOINED, f"5:memory:{path}\n3:cpu,cpuacct:{path}\n") == V1_VALUES


@pytest.mark.parametrize(
    ("root", "seen"),
    [
        pytest.param("/machine/lab-api", "/machine/lab-api/docker/{id}", id="bind mount of the machine's subtree"),
        pytest.param("/..", "/docker/{id}", id="mount root above our cgroup namespace"),
        pytest.param("/", "/../lab-api/docker/{id}", id="process outside our cgroup namespace: found by name"),
    ],
)
def test_v1_in_a_machine_that_is_a_container(tmp_path, root, seen):
    v1_tree(tmp_path, f"/docker/{CONTAINER}")
    membership = v1_membership(seen.format(id=CONTAINER))
    assert read_back(tmp_path, V1_SPLIT.format(root=root), membership) == V1_VALUES


def test_v2_systemd_driver(tmp_path):
    scope = f"system.slice/docker-{CONTAINER}.scope"
    write_tree(tmp_path, V2_FILES, lambda name: f"{scope}/{name}")
    assert read_back(tmp_path, V2_ONLY, f"0::/{scope}\n") == V2_VALUES


def test_v2_container_in_its_own_namespace_is_found_by_name(tmp_path):
    write_tree(tmp_path, V2_FILES, lambda name: f"system.slice/docker-{CONTAINER}.scope/{name}")
    assert read_back(tmp_path, V2_ONLY, f"0::/../docker-{CONTAINER}.scope\n") == V2_VALUES


def test_v2_counters_of_an_old_kernel_or_a_missing_controller_are_null(tmp_path):
    # Linux 5.10 has no memory.peak; without the cpu controller cpu.stat has no periods.
    files = {"cpu.stat": "usage_usec 5\nuser_usec 5\nsystem_usec 0\n", "memory.current": "4096\n"}
    write_tree(tmp_path, files, lambda name: f"docker/{CONTAINER}/{name}")
    values = read_back(tmp_path, V2_ONLY, f"0::/docker/{CONTAINER}\n")
    assert values == {**dict.fromkeys(COUNTERS), "cpu_seconds": 5e-06, "memory_bytes": 4096}


def test_hybrid_reads_v1_and_ignores_the_empty_v2_tree(tmp_path):
    v1_tree(tmp_path, f"/docker/{CONTAINER}")
    empty = {"cpu.stat": "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnice_usec 0\n", "cgroup.procs": ""}
    write_tree(tmp_path, empty, lambda name: f"unified/{name}")
    assert read_back(tmp_path, HYBRID, v1_membership(f"/docker/{CONTAINER}")) == V1_VALUES


def test_hybrid_takes_from_v2_what_no_v1_controller_holds(tmp_path):
    v1_tree(tmp_path, f"/docker/{CONTAINER}")
    shutil.rmtree(tmp_path / "sys/fs/cgroup/memory")
    mountinfo = "\n".join(line for line in HYBRID.splitlines() if "rw,memory" not in line)
    files = {name: text for name, text in V2_FILES.items() if name.startswith("memory.")}
    write_tree(tmp_path, files, lambda name: f"unified/docker/{CONTAINER}/{name}")
    membership = f"2:cpuacct:/docker/{CONTAINER}\n1:cpu:/docker/{CONTAINER}\n0::/docker/{CONTAINER}\n"
    names = ("memory_bytes", "memory_peak_bytes", "shared_memory_bytes", "oom_kills")
    memory = {name: V2_VALUES[name] for name in names}
    assert read_back(tmp_path, mountinfo, membership) == {**V1_VALUES, **memory}


def test_a_container_without_a_cgroup_of_its_own_is_not_the_machine(tmp_path):
    write_tree(tmp_path, V2_FILES, lambda name: name)
    assert read_back(tmp_path, V2_ONLY, "0::/\n") is None


def test_a_vanished_container_is_absent_and_the_others_stay(tmp_path):
    for name in (CONTAINER, OTHER):
        write_tree(tmp_path, V2_FILES, lambda file, name=name: f"docker/{name}/{file}")
    mounts = parse_mounts(V2_ONLY, tmp_path)
    containers = {
        name: Container(locate_container(name, f"0::/docker/{name}\n", mounts), "bench_api_api")
        for name in (CONTAINER, OTHER)
    }
    assert set(read_containers(containers)) == {CONTAINER, OTHER}
    shutil.rmtree(tmp_path / "sys/fs/cgroup/docker" / CONTAINER)
    not_counted = {"server_processes": None, "processes": None}
    assert read_containers(containers) == {OTHER: {"service": "bench_api_api", **V2_VALUES, **not_counted}}


@pytest.mark.parametrize("version", [1, 2])
def test_memory_is_left_out_where_only_cpu_is_requested(tmp_path, version):
    if version == 1:
        v1_tree(tmp_path, f"/docker/{CONTAINER}")
        mountinfo, membership, expected = V1_SPLIT.format(root="/"), v1_membership(f"/docker/{CONTAINER}"), V1_VALUES
    else:
        write_tree(tmp_path, V2_FILES, lambda name: f"docker/{CONTAINER}/{name}")
        mountinfo, membership, expected = V2_ONLY, f"0::/docker/{CONTAINER}\n", V2_VALUES
    cgroup = locate_container(CONTAINER, membership, parse_mounts(mountinfo, tmp_path))
    memory = dict.fromkeys(("memory_bytes", "memory_peak_bytes", "shared_memory_bytes", "oom_kills"))
    assert read_container(cgroup, memory=False) == {**expected, **memory}
