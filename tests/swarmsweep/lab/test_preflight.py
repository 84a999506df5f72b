"""Every problem names host, cause and the command that fixes it; a sound lab has none."""

import pytest

from swarmsweep.lab.preflight import clock_offset, clock_problem, find_problems
from swarmsweep.lab.provisioned import Provisioned

GIB = 1024**3
SIDES = {"api": ["lab-api"], "load": ["lab-load"]}
REACHED = {"rc": 0, "stdout": "/usr/bin/python3\n", "changed": False}
CAPACITY = {
    "cpus": 2,
    "memory_bytes": 8 * GIB,
    "disk_free_bytes": 40 * GIB,
    "os_id": "debian",
    "os_version": "12",
    "provisioned": False,
}


def facts(address="10.0.0.5", reach=REACHED, **capacity):
    """The facts of one host, which is sound by default."""
    return {"address": address, "reach": reach, "capacity": CAPACITY | capacity}


def problems(api=None, load=None):
    """Problems of a lab of two hosts."""
    return find_problems({"lab-api": api or facts(), "lab-load": load or facts("10.0.0.6")}, SIDES)


SOUND = {"lab-api": facts(), "lab-load": facts("10.0.0.6")}


@pytest.mark.parametrize(
    "host",
    [
        facts(),
        facts(os_version="13"),
        facts(os_id="ubuntu", os_version="24.04"),
        facts(os_id="ubuntu", os_version="25.10"),
        facts(disk_free_bytes=8 * GIB, memory_bytes=2 * GIB),
        facts(disk_free_bytes=2 * GIB, provisioned=True),  # an earlier run filled the disk
    ],
)
def test_sound_hosts_have_no_problem(host):
    assert problems(api=host, load=host) == []


def test_hosts_of_another_version_are_named_unless_this_command_provisions_them():
    needed = Provisioned(version="0.2.0", files="0123456789ab")
    noted = '{"version": "0.1.0", "files": "ba9876543210"}'
    lab = {"lab-api": facts(provisioned=True, provisioned_by=noted), "lab-load": facts("10.0.0.6")}
    assert find_problems(lab, SIDES) == []
    first, second = find_problems(lab, SIDES, needed)
    assert first.startswith("lab-api (10.0.0.5) was provisioned by swarmsweep 0.1.0 (files ba9876543210)")
    assert second == "lab-load (10.0.0.6) has no lab yet. Fix: ./lab site"


API_PROBLEMS = [
    (facts(os_version="11"), ("debian 11;",)),
    (facts(os_id="ubuntu", os_version="22.04"), ("ubuntu 22.04;",)),
    (facts(os_id="fedora", os_version="41"), ("fedora 41;",)),
    (facts(os_id="debian", os_version=""), ("debian;",)),  # Debian unstable has no version
    (facts(os_id="", os_version=""), ()),
    (facts(disk_free_bytes=7.5 * GIB), ("7.5 GiB", "8 GiB", "docker system prune")),
    (facts(disk_free_bytes=1.9 * GIB, provisioned=True), ("1.9 GiB", "8 GiB")),
    (facts(memory_bytes=1.5 * GIB), ("1.5 GiB", "2 GiB")),
    (facts(cpu_flags_missing=["popcnt", "sse4_2"]), ("popcnt, sse4_2", "x86-64-v2")),
    (facts(reach={"rc": 127, "stdout": ""}), ("python3", "ssh 10.0.0.5 sudo apt-get install")),
]


@pytest.mark.parametrize(("api", "words"), API_PROBLEMS)
def test_a_problem_of_the_api_host(api, words):
    [problem] = problems(api=api)
    assert problem.startswith("lab-api (10.0.0.5) ")
    for word in words:
        assert word in problem


UNREACHED = {"unreachable": True, "msg": "Could not resolve hostname"}


# The load would be refused in every cell; what else is wrong with a host is said when it has an address.
@pytest.mark.parametrize("address", ["root@10.0.0.5", "10.0.5"])
@pytest.mark.parametrize("reach", [REACHED, UNREACHED])
def test_an_api_host_needs_an_address_that_can_be_loaded(address, reach):
    [problem] = problems(api=facts(address, reach=reach))
    assert problem.startswith(f"ansible_host of 'lab-api' is '{address}'; ")
    # The host gets no load.
    assert problems(load=facts("root@10.0.0.6")) == []


def test_an_api_host_may_have_no_ansible_host():
    assert find_problems({"lab_api": facts("lab_api")}, {"api": ["lab_api"], "load": ["lab_api"]}) == []
    [problem] = find_problems({"10.0.5": facts("10.0.5")}, {"api": ["10.0.5"], "load": ["10.0.5"]})
    assert "'10.0.5'" in problem


def test_a_load_host_needs_less():
    assert problems(load=facts("10.0.0.6", memory_bytes=GIB, disk_free_bytes=2 * GIB)) == []
    assert problems(load=facts("10.0.0.6", cpu_flags_missing=["sse4_2"])) == []
    [problem] = problems(load=facts("10.0.0.6", disk_free_bytes=1 * GIB))
    assert problem.startswith("lab-load (10.0.0.6) ")
    assert "1.0 GiB" in problem and "2 GiB" in problem


REFUSED = "Task failed: Failed to connect to the host via ssh: ssh: connect to host {} port 22: Connection refused"
CHANGED_KEY = (
    "Failed to connect: @@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@\nHost key verification failed."
)


# Address, what Ansible says, and the command that helps.
UNREACHABLE = [
    ("198.18.0.11", REFUSED.format("198.18.0.11"), "./lab up"),
    ("10.0.0.5", REFUSED.format("10.0.0.5"), "ssh 10.0.0.5 true"),
    ("10.0.0.5", CHANGED_KEY, "ssh-keyscan 10.0.0.5"),
    ("198.18.0.11", "Host key verification failed.", "./lab down && ./lab up"),
    ("10.0.0.5", "", "ssh 10.0.0.5 true"),
    ("10.0.0.5", None, "ssh 10.0.0.5 true"),
]


def test_a_problem_names_the_inventory_that_is_read():
    lost = SOUND | {"lab-api": facts() | {"reach": {"unreachable": True, "msg": "refused"}}}
    told = find_problems({}, {"api": [], "load": []}, inventory="inventory/mine")
    told += find_problems(SOUND, SIDES, is_manager_used=False, inventory="inventory/mine")
    assert len(told) == 3 and all("inventory/mine/hosts.yml" in problem for problem in told)
    (problem,) = find_problems(lost, SIDES, inventory="inventory/mine")
    assert problem.endswith("(the user is lab_remote_user in inventory/mine/group_vars/all/lab.yml)")


def unreachable(address, message):
    """Problems of a lab whose API host cannot be reached."""
    reach = {"unreachable": True, "msg": message} if message is not None else {"unreachable": True}
    return problems(api={"address": address, "reach": reach, "capacity": {}})


@pytest.mark.parametrize(("address", "message", "command"), UNREACHABLE)
def test_an_unreachable_host_is_named_with_its_cause(address, message, command):
    [problem] = unreachable(address, message)
    assert problem.startswith(f"lab-api ({address}) ")
    assert " ".join((message or "").split()) in problem
    assert command in problem
    assert "\n" not in problem


# What the question as root came back with, and the cause in it.
NOT_ROOT = [
    ({"failed": True, "msg": "Task failed: Missing sudo password"}, "Missing sudo password"),
    ({"module_stderr": "Oh\nsudo: a password is required\n", "msg": "FAILURE"}, "sudo: a password is required"),
    ({"skipped": True}, ""),
    ({}, ""),
    ({"module_stderr": "\n"}, ""),
]


def not_root(capacity):
    """Problems of a lab whose API host refuses root."""
    return problems(api={"address": "10.0.0.5", "reach": REACHED, "capacity": capacity})


@pytest.mark.parametrize(("capacity", "cause"), NOT_ROOT)
def test_a_host_that_refuses_root_is_named_with_its_cause(capacity, cause):
    [problem] = not_root(capacity)
    assert problem.startswith("lab-api (10.0.0.5) ")
    assert cause in problem
    assert " -K" in problem


def test_the_messages(golden):
    rows = {
        "API host": [problems(api=api)[0] for api, _ in API_PROBLEMS],
        "load host": problems(load=facts("10.0.0.6", disk_free_bytes=1 * GIB)),
        "address": problems(api=facts("root@10.0.0.5")),
        "no address": find_problems({"10.0.5": facts("10.0.5")}, {"api": ["10.0.5"], "load": ["10.0.5"]}),
        "unreachable": [unreachable(address, message)[0] for address, message, _ in UNREACHABLE],
        "not root": [not_root(capacity)[0] for capacity, _ in NOT_ROOT],
        "no hosts": find_problems({}, {"api": [], "load": []}),
        "no host for replicas": find_problems(SOUND, SIDES, is_manager_used=False),
        "clocks": clock_problem({"api": (0.0, 0.125), "load": (1.0, 0.25)}),
    }
    golden("preflight.yml", rows)


def test_a_single_api_host_carries_the_replicas():
    assert find_problems(SOUND, SIDES) == []
    (problem,) = find_problems(SOUND, SIDES, is_manager_used=False)
    assert "lab_api_on_manager" in problem and "hosts.yml" in problem
    two = SOUND | {"lab-api2": facts("10.0.0.7")}
    assert find_problems(two, SIDES | {"api": ["lab-api", "lab-api2"]}, is_manager_used=False) == []


def test_every_problem_of_every_host_is_reported_at_once_in_order():
    api = facts(os_version="11", disk_free_bytes=0, memory_bytes=0)
    load = {"address": "10.0.0.6", "reach": {"unreachable": True, "msg": "timed out"}, "capacity": {}}
    told = problems(api=api, load=load)
    assert [line.split()[0] for line in told] == ["lab-api"] * 3 + ["lab-load"]


@pytest.mark.parametrize(
    ("sides", "empty"),
    [
        ({"api": [], "load": ["b"]}, ["api"]),
        ({"api": ["b"], "load": []}, ["load"]),
        ({"api": [], "load": []}, ["api", "load"]),
    ],
)
def test_an_empty_group_is_named_with_the_file_to_edit(sides, empty):
    hosts = {name: facts() for names in sides.values() for name in names}
    told = find_problems(hosts, sides)
    assert [line.split("'")[1] for line in told] == empty
    assert all("inventory/lab/hosts.yml" in line for line in told)


@pytest.mark.parametrize(
    ("before", "there", "after", "offset", "bound"),
    [(100.0, 100.5, 101.0, 0.0, 0.5), (100.0, 107.25, 100.5, 7.0, 0.25), (100.0, 90.0, 100.0, -10.0, 0.0)],
)
def test_clock_offset_is_from_the_middle_of_the_round_trip(before, there, after, offset, bound):
    assert clock_offset(before, there, after) == (offset, bound)


@pytest.mark.parametrize(
    ("offsets", "words"),
    [
        ({}, None),
        ({"api": (3600.0, 0.01)}, None),  # one hour from the controller, but without another host
        ({"api": (3600.0, 0.01), "load": (3600.4, 0.01)}, None),
        ({"api": (0.0, 0.25), "load": (1.0, 0.25)}, None),  # at the limit: the bounds may explain it
        (
            {"api": (0.0, 0.125), "load": (1.0, 0.25)},
            ("api and load", "1.00 s", "0.38 s", "0.5 s"),
        ),
        ({"api": (2.0, 0.0), "load": (-2.0, 0.0)}, ("api and load", "4.00 s", "timedatectl set-ntp true")),
        ({"api": (0.0, 0.0), "l1": (0.6, 0.0), "l2": (9.0, 0.0)}, ("api and l2", "9.00 s")),
        ({"api": (0.0, 9.0), "l1": (9.0, 0.0), "l2": (0.0, 0.0)}, ("l1 and l2", "9.00 s")),
    ],
)
def test_clocks_that_certainly_differ_are_named(offsets, words):
    problem = clock_problem(offsets)
    assert (problem is None) == (words is None)
    for word in words or ():
        assert word in problem
