"""Every problem names host, cause and the command that mends it; a sound lab has none."""

import pytest

from swarmsweep.lab.preflight import clock_offset, clock_problem, find_problems

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


def answer(address="10.0.0.5", reach=REACHED, **capacity):
    """What one host said; a sound one unless told otherwise."""
    return {"address": address, "reach": reach, "capacity": CAPACITY | capacity}


def problems(api=None, load=None):
    """Problems of a lab of two hosts."""
    return find_problems({"lab-api": api or answer(), "lab-load": load or answer("10.0.0.6")}, SIDES)


@pytest.mark.parametrize(
    "host",
    [
        answer(),
        answer(os_version="13"),
        answer(os_id="ubuntu", os_version="24.04"),
        answer(os_id="ubuntu", os_version="25.10"),
        answer(disk_free_bytes=8 * GIB, memory_bytes=2 * GIB),
        answer(disk_free_bytes=2 * GIB, provisioned=True),  # spent on purpose by an earlier run
    ],
)
def test_sound_hosts_have_no_problem(host):
    assert problems(api=host, load=host) == []


@pytest.mark.parametrize(
    ("api", "words"),
    [
        (answer(os_version="11"), ("runs debian 11; allowed: Debian 12 or newer, Ubuntu 24 or newer",)),
        (answer(os_id="ubuntu", os_version="22.04"), ("runs ubuntu 22.04; allowed: Debian 12",)),
        (answer(os_id="fedora", os_version="41"), ("runs fedora 41; allowed: Debian 12",)),
        (answer(os_id="debian", os_version=""), ("runs debian ; allowed: Debian 12",)),  # unstable says no version
        (answer(os_id="", os_version=""), ("runs an unknown system",)),
        (answer(disk_free_bytes=7.5 * GIB), ("7.5 GiB free below /var; needed: 8 GiB", "docker system prune")),
        (answer(disk_free_bytes=1.9 * GIB, provisioned=True), ("1.9 GiB free below /var; needed: 8 GiB",)),
        (answer(memory_bytes=1.5 * GIB), ("1.5 GiB of memory; needed: 2 GiB", "a larger machine")),
        (
            answer(cpu_flags_missing=["popcnt", "sse4_2"]),
            ("without popcnt, sse4_2; needed: the level x86-64-v2", "host"),
        ),
        (answer(reach={"rc": 127, "stdout": ""}), ("has no python3", "ssh 10.0.0.5 sudo apt-get install")),
    ],
)
def test_a_problem_of_the_api_host(api, words):
    [problem] = problems(api=api)
    assert problem.startswith("lab-api (10.0.0.5) ")
    assert "Mend it: " in problem
    for word in words:
        assert word in problem


UNREACHED = {"unreachable": True, "msg": "Could not resolve hostname"}


# The load would be refused in every cell; what else is wrong with a host is said when it has an address.
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("root@10.0.0.5", "ansible_host of 'lab-api' is 'root@10.0.0.5'; allowed: an address"),
        ("10.0.5", "ansible_host of 'lab-api' is '10.0.5'; allowed: an address"),
    ],
)
@pytest.mark.parametrize("reach", [REACHED, UNREACHED])
def test_an_api_host_needs_an_address_that_can_be_loaded(address, words, reach):
    [problem] = problems(api=answer(address, reach=reach))
    assert problem.startswith(words)
    # Nothing is loaded there.
    assert problems(load=answer("root@10.0.0.6")) == []


def test_an_api_host_may_have_no_ansible_host():
    assert find_problems({"lab_api": answer("lab_api")}, {"api": ["lab_api"], "load": ["lab_api"]}) == []
    [problem] = find_problems({"10.0.5": answer("10.0.5")}, {"api": ["10.0.5"], "load": ["10.0.5"]})
    assert problem.startswith("the host '10.0.5' has no ansible_host")


def test_a_load_host_needs_less():
    assert problems(load=answer("10.0.0.6", memory_bytes=GIB, disk_free_bytes=2 * GIB)) == []
    assert problems(load=answer("10.0.0.6", cpu_flags_missing=["sse4_2"])) == []
    [problem] = problems(load=answer("10.0.0.6", disk_free_bytes=1 * GIB))
    assert problem.startswith("lab-load (10.0.0.6) has 1.0 GiB free below /var; needed: 2 GiB")


REFUSED = "Task failed: Failed to connect to the host via ssh: ssh: connect to host {} port 22: Connection refused"
CHANGED_KEY = (
    "Failed to connect: @@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@\nHost key verification failed."
)


@pytest.mark.parametrize(
    ("address", "message", "mend"),
    [
        ("198.18.0.11", REFUSED.format("198.18.0.11"), "Mend it: ./lab up"),
        ("10.0.0.5", REFUSED.format("10.0.0.5"), "ssh 10.0.0.5 true (the user is lab_remote_user in"),
        ("10.0.0.5", CHANGED_KEY, "compare its host key with the one you expect, then: ssh-keyscan 10.0.0.5"),
        ("198.18.0.11", "Host key verification failed.", "Mend it: ./lab down && ./lab up"),
        ("10.0.0.5", "", "ssh 10.0.0.5 true"),
        ("10.0.0.5", None, "ssh 10.0.0.5 true"),
    ],
)
def test_an_unreachable_host_is_told_with_its_cause(address, message, mend):
    reach = {"unreachable": True, "msg": message} if message is not None else {"unreachable": True}
    [problem] = problems(api={"address": address, "reach": reach, "capacity": {}})
    assert problem.startswith(f"lab-api ({address}) cannot be reached: ")
    assert " ".join((message or "no answer").split()) in problem
    assert mend in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("capacity", "cause"),
    [
        ({"failed": True, "msg": "Task failed: Missing sudo password"}, "Missing sudo password"),
        ({"module_stderr": "Oh\nsudo: a password is required\n", "msg": "FAILURE"}, "sudo: a password is required"),
        ({"skipped": True}, "no answer"),
        ({}, "no answer"),
        ({"module_stderr": "\n"}, "no answer"),
    ],
)
def test_a_host_that_refuses_root_is_told_with_its_cause(capacity, cause):
    [problem] = problems(api={"address": "10.0.0.5", "reach": REACHED, "capacity": capacity})
    assert problem.startswith("lab-api (10.0.0.5) could not be asked as root: ")
    assert cause in problem
    assert "Mend it: give its user sudo, or add -K" in problem


def test_every_problem_of_every_host_is_told_at_once_in_order():
    api = answer(os_version="11", disk_free_bytes=0, memory_bytes=0)
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
    hosts = {name: answer() for names in sides.values() for name in names}
    told = find_problems(hosts, sides)
    assert [line.split("'")[1] for line in told] == empty
    assert all("at least one; edit inventory/lab/hosts.yml" in line for line in told)


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
        ({"api": (3600.0, 0.01)}, None),  # one hour from the controller, but with nobody else
        ({"api": (3600.0, 0.01), "load": (3600.4, 0.01)}, None),
        ({"api": (0.0, 0.25), "load": (1.0, 0.25)}, None),  # at the limit: the bounds may explain it
        (
            {"api": (0.0, 0.125), "load": (1.0, 0.25)},
            ("api and load", "1.00 s (give or take 0.38 s)", "allowed: 0.5 s"),
        ),
        ({"api": (2.0, 0.0), "load": (-2.0, 0.0)}, ("api and load differ by 4.00 s", "timedatectl set-ntp true")),
        ({"api": (0.0, 0.0), "l1": (0.6, 0.0), "l2": (9.0, 0.0)}, ("api and l2 differ by 9.00 s",)),
        ({"api": (0.0, 9.0), "l1": (9.0, 0.0), "l2": (0.0, 0.0)}, ("l1 and l2 differ by 9.00 s",)),
    ],
)
def test_clocks_that_certainly_differ_are_named(offsets, words):
    problem = clock_problem(offsets)
    assert (problem is None) == (words is None)
    for word in words or ():
        assert word in problem
