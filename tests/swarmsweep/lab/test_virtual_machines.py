"""How machines share cores and memory, and what is taken for one of them."""

import re

import pytest

from swarmsweep.errors import LabError
from swarmsweep.lab import virtual_machines

GIB = 1024**3
TWO = {"lab-api": "198.18.0.11", "lab-load": "198.18.0.12"}
TWO_SIDES = {"lab-api": "api", "lab-load": "load"}


@pytest.mark.parametrize(
    ("address", "virtual"),
    [
        ("198.18.0.0", True),
        ("198.18.0.11", True),
        ("198.19.255.255", True),
        ("198.17.255.255", False),
        ("198.20.0.0", False),
        ("192.168.1.5", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:198.18.0.11", False),
        ("198.18.0", False),
        ("198.18.0.11:22", False),
        ("198.18.example.org", False),
        ("lab-api", False),
        ("", False),
    ],
)
def test_virtual_are_only_addresses_of_the_benchmark_range(address, virtual):
    assert virtual_machines.is_virtual(address) is virtual


@pytest.mark.parametrize(
    ("cores", "text"),
    [([], ""), ([0], "0"), ([0, 1], "0-1"), ([2, 0, 1, 5], "0-2,5"), ([0, 2, 4], "0,2,4"), ([9, 10, 11, 1], "1,9-11")],
)
def test_cpuset_is_written_as_the_kernel_does(cores, text):
    assert virtual_machines.cpuset_text(cores) == text


@pytest.mark.parametrize(
    ("cores", "parts", "divided"),
    [
        (1, 2, [[0], [0]]),  # one core: shared, the report says so
        (2, 2, [[0], [1]]),
        (2, 3, [[0], [1], [0]]),
        (3, 2, [[0, 1], [2]]),
        (4, 1, [[0, 1, 2, 3]]),
        (8, 3, [[0, 1, 2], [3, 4, 5], [6, 7]]),
    ],
)
def test_cores_are_divided_evenly(cores, parts, divided):
    assert virtual_machines.split_evenly(list(range(cores)), parts) == divided


@pytest.mark.parametrize("parts", range(1, 9))
@pytest.mark.parametrize("cores", range(8, 20))
def test_no_core_is_lost_or_given_twice(cores, parts):
    divided = virtual_machines.split_evenly(list(range(cores)), parts)
    assert [core for part in divided for core in part] == list(range(cores))
    assert len(divided) == parts
    assert max(map(len, divided)) - min(map(len, divided)) <= 1


@pytest.mark.parametrize(
    ("addresses", "sides", "cores", "memory_gib", "expected"),
    [
        (TWO, TWO_SIDES, 2, 24, {"lab-api": ("0", 8), "lab-load": ("1", 8)}),
        # a container that may not use the first cores
        (TWO, TWO_SIDES, [7, 4, 5, 6], 24, {"lab-api": ("4-5", 8), "lab-load": ("6-7", 8)}),
        (TWO, TWO_SIDES, [3], 24, {"lab-api": ("3", 8), "lab-load": ("3", 8)}),
        (TWO, TWO_SIDES, 16, 10, {"lab-api": ("0-7", 4), "lab-load": ("8-15", 4)}),
        (TWO, TWO_SIDES, 1, 64, {"lab-api": ("0", 8), "lab-load": ("0", 8)}),
        # a real host gets no cores of this machine
        (TWO | {"lab-load": "10.0.0.7"}, TWO_SIDES, 4, 24, {"lab-api": ("0-1", 8)}),
        ({"a": "10.0.0.7", "b": "host.example"}, {"a": "api", "b": "load"}, 4, 1, {}),
        (
            {"a1": "198.18.0.1", "a2": "198.18.0.2", "a3": "198.18.0.3", "l1": "198.18.0.4"},
            {"a1": "api", "a2": "api", "a3": "api", "l1": "load"},
            8,
            20,
            {"a1": ("0-1", 4), "a2": ("2", 4), "a3": ("3", 4), "l1": ("4-7", 4)},
        ),
    ],
)
def test_share(addresses, sides, cores, memory_gib, expected):
    cores = cores if isinstance(cores, list) else list(range(cores))
    shared = virtual_machines.allocate(addresses, sides, cores, memory_gib * GIB)
    assert [machine["name"] for machine in shared] == list(expected)
    for machine in shared:
        assert machine["cores"] == expected[machine["name"]][0]
        assert machine["address"] == addresses[machine["name"]]
        assert machine["memory_bytes"] == pytest.approx(expected[machine["name"]][1] * GIB, abs=16)


def test_machines_leave_memory_to_the_machine_itself():
    memory = 12 * GIB
    assert (
        sum(machine["memory_bytes"] for machine in virtual_machines.allocate(TWO, TWO_SIDES, [0, 1, 2, 3], memory))
        <= memory * 0.8
    )


def test_too_little_memory_names_it_and_the_way_out(golden):
    with pytest.raises(LabError, match=r"7\.0 GiB .*3 GiB .*hosts\.yml") as refused:
        virtual_machines.allocate(TWO, TWO_SIDES, [0, 1], 7 * GIB)
    golden("machines_memory.txt", f"{refused.value}\n")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("198.18.0.11", "198.18.0.11"),
        ("api.example.org", "api.example.org"),
        ("fd00::11", "[fd00::11]"),
        ("::ffff:10.0.0.5", "[::ffff:10.0.0.5]"),
    ],
)
def test_an_address_as_a_url_has_it(address, host):
    assert virtual_machines.url_host(address) == host


# As `ip -json route get` (iproute2 6.1) answers.
DIRECT = [{"dst": "198.18.0.11", "dev": "sweep0", "prefsrc": "198.18.0.1", "flags": [], "uid": 0, "cache": []}]
BY_GATEWAY = [DIRECT[0] | {"gateway": "10.0.0.1", "prefsrc": "10.0.0.2"}]
LOCAL = [DIRECT[0] | {"type": "local", "dev": "lo", "prefsrc": "198.18.0.11", "cache": ["local"]}]


@pytest.mark.parametrize(
    ("routes", "bridge"),
    [
        (DIRECT, "sweep0"),
        (BY_GATEWAY, None),
        (LOCAL, None),  # the controller itself is no virtual machine of the lab
        ([DIRECT[0] | {"dev": "eth0"}], None),
        ([DIRECT[0] | {"dev": "gone0"}], None),
        ([DIRECT[0] | {"dst": "198.18.0.12"}], None),
        ([{"dst": "198.18.0.11"}], None),
        (DIRECT + DIRECT, None),
        ([], None),
    ],
)
def test_only_a_direct_route_over_a_bridge_stays_here(tmp_path, routes, bridge):
    for folder in ("sweep0/bridge", "eth0", "lo"):
        (tmp_path / folder).mkdir(parents=True)
    assert virtual_machines.bridge_of("198.18.0.11", routes, sys_class_net=tmp_path) == bridge


def refusal(address: str, host: str) -> str | None:
    """The message about an address; None where it is accepted."""
    try:
        virtual_machines.check_address(address, host)
    except LabError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "address",
    [
        "198.18.0.11",
        "10.0.0.5",
        "::1",
        "2001:db8::11",
        "localhost",
        "api.example.org",
        "API-1.example.",
        "3com.example",
        "lab_api",
        "_api.lab_1_.example",
        "a",
    ],
)
def test_an_address_or_a_host_name_may_be_loaded(address):
    assert refusal(address, "lab-api") is None


@pytest.mark.parametrize(
    "address",
    [
        "", " ", "a b", "198.18.5.5 ", "user@198.18.5.5", "198.18.5.5:22", "[::1]", "http://example.com",
        "example.com/x?",
        "example.com#", "198.18.5.5/24", "198.18.5", "198.18.5.05", "3323069701", "0xC6120505", "0xc6.0x12.5.5",
        "256.1.1.1",
        "fe80::1%eth0", "::ffff:198.18.5.5", 'x"y', "$(id)", "a\n", "-a", "a-", "a..b",
        "a" * 64, "a." * 127 + "ab",
    ],
)  # fmt: skip
def test_anything_else_is_refused_by_name(address):
    assert re.search(r"ansible_host of 'lab-api' is .*hosts\.yml", refusal(address, "lab-api"), re.DOTALL)


@pytest.mark.parametrize("name", ["3323069701", "198.18.5", "a b"])
def test_a_host_without_an_address_is_not_said_to_have_one(name):
    assert refusal(name, name).startswith(f"the host '{name}' ")


def test_the_messages_about_addresses(golden):
    cases = (("a b", "lab-api"), ("a b", "a b"))
    golden("machines_address.yml", {f"{address} of {host}": refusal(address, host) for address, host in cases})
