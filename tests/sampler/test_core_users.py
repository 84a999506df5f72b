"""Which processes used the machine's cores, from cgroup trees with contents as kernels write them."""

from __future__ import annotations

import shutil
from pathlib import Path

from sampler.cgroups import parse_mounts
from sampler.core_users import CoreUsers
from tests.sampler.trees import CONTAINER, HYBRID, V1_SPLIT, V2_ONLY, v1_membership, write_tree


def v2_usage(root: Path, groups: dict[str, float]) -> None:
    """Make a v2 tree in which these cgroups used this many seconds of CPU."""
    for group, seconds in groups.items():
        write_tree(
            root,
            {"cpu.stat": f"usage_usec {round(seconds * 1e6)}\n", "cgroup.events": ""},
            lambda file, g=group: f"{g}/{file}",
        )


def core_users(root: Path, mountinfo: str, membership: str):
    return CoreUsers(parse_mounts(mountinfo, root), membership)


def test_a_machine_that_shares_its_computer_knows_what_it_used_itself(tmp_path):
    write_tree(tmp_path, {"cpuacct/cpuacct.usage": "12500000000\n"}, lambda name: name)
    users = core_users(tmp_path, V1_SPLIT.format(root="/machine/lab-api"), v1_membership("/machine/lab-api"))
    assert users.read({}) == {"own_cpu_seconds": 12.5, "lab_cpu_seconds": None}

    v2_usage(tmp_path / "v2", {".": 3.25})
    users = core_users(tmp_path / "v2", V2_ONLY, "0::/swarmsweep.slice/x.service\n")
    assert users.read({}) == {"own_cpu_seconds": 3.25, "lab_cpu_seconds": None}


def test_on_a_whole_computer_with_v1_no_cgroup_counts_cpu_time(tmp_path):
    files = {"cpuacct/cpuacct.usage": "12500000000\n", "cpuacct/cgroup.sane_behavior": "0\n"}
    write_tree(tmp_path, files, lambda name: name)
    users = core_users(tmp_path, HYBRID, v1_membership("/"))
    assert users.read({}) == {"own_cpu_seconds": None, "lab_cpu_seconds": None}


def test_on_a_whole_computer_with_v2_the_lab_is_separated_from_the_rest(tmp_path):
    write_tree(tmp_path, {"cpu.stat": "usage_usec 999000000\n"}, lambda name: name)
    scope = f"system.slice/docker-{CONTAINER}.scope"
    groups = {
        "system.slice": 50.0,  # holds the next five
        "system.slice/docker.service": 5.0,
        "system.slice/containerd.service": 1.0,
        "system.slice/ssh.service": 0.5,
        "system.slice/cron.service": 3.5,
        scope: 40.0,
        "init.scope": 2.0,
        "swarmsweep.slice": 4.0,
        "user.slice": 7.0,
    }
    v2_usage(tmp_path, groups)
    users = core_users(tmp_path, V2_ONLY, "0::/swarmsweep.slice/swarmsweep-lab.slice/service\n")
    found = users.read({CONTAINER: 40.0})
    assert found == {"own_cpu_seconds": 63.0, "lab_cpu_seconds": 5.0 + 1.0 + 0.5 + 40.0 + 2.0 + 4.0}
    # A removed container takes nothing back: its time stays in its slice.
    shutil.rmtree(tmp_path / "sys/fs/cgroup" / scope)
    assert users.read({}) == found


def test_a_sampler_started_by_hand_is_the_lab_s_and_its_neighbours_are_not(tmp_path):
    v2_usage(tmp_path, {"user.slice": 9.0, "user.slice/session-1.scope": 2.0})
    users = core_users(tmp_path, V2_ONLY, "0::/user.slice/session-1.scope\n")
    assert users.read({}) == {"own_cpu_seconds": 9.0, "lab_cpu_seconds": 2.0}
