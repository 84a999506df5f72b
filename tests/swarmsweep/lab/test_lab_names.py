"""What is no name, bridge, network or address of a lab is refused, with the file to change."""

import pytest

from swarmsweep.lab import lab_names

# What breaks paths, options, shells and tables of known interfaces.
HOSTILE = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "x/y",
    "-rf",
    "-x",
    "a b",
    "x;id",
    "$(id)",
    "`id`",
    "x\n",
    "a\nb",
    "{{7*7}}",
    "läb",
]
TYPES = [None, 5, True, ["a"], {"a": 1}]


@pytest.mark.parametrize("name", ["lab", "a", "lab-2", "abcdefghij0123456789"])
def test_names_of_labs(name):
    assert lab_names.name_problems(name, []) == []


@pytest.mark.parametrize("name", [*HOSTILE, *TYPES, "Lab", "9lab", "lab_x", "abcdefghij0123456789x", "lab\n"])
def test_what_is_no_name_of_a_lab(name):
    (problem,) = lab_names.name_problems(name, [])
    assert problem.startswith(f"lab_name is {name!r}; ")
    assert "inventory/lab/group_vars/all/lab.yml" in problem


@pytest.mark.parametrize("host", ["lab-api", "my_host", "node1.example.org", "10.0.0.5", "fd00::5", "A", "3com"])
def test_names_of_hosts(host):
    assert lab_names.name_problems("lab", [host]) == []


@pytest.mark.parametrize(
    "host", [*HOSTILE, 5, None, "a.", ".a", "a..b", "a-", "a-.b", "x" * 64, "fe80::1%../x", "1:2", ("a." * 127) + "aa"]
)
def test_what_is_no_name_of_a_host(host):
    (problem,) = lab_names.name_problems("lab", [host])
    assert "inventory/lab/hosts.yml" in problem
    assert "\n" not in problem


def test_localhost_is_no_host_of_a_lab():
    (problem,) = lab_names.name_problems("lab", ["lab-api", "localhost"], "inventory/mine")
    assert "localhost" in problem
    assert "inventory/mine/hosts.yml" in problem


@pytest.mark.parametrize("bridge", ["sweep0", "br0", "docker0", "a", "br-lan.5", "x" * 15])
def test_names_of_bridges(bridge):
    assert lab_names.bridge_problems(bridge) == []


@pytest.mark.parametrize("bridge", [*HOSTILE, *TYPES, "x" * 16, "0br", "all", "default", "br:0", "br0\n"])
def test_what_is_no_name_of_a_bridge(bridge):
    (problem,) = lab_names.bridge_problems(bridge, "inventory/mine/hosts.yml")
    assert problem.startswith(f"lab_bridge is {bridge!r}; ")
    assert "inventory/mine/group_vars/all/lab.yml" in problem


@pytest.mark.parametrize(
    ("subnet", "gateway"), [("198.18.0.0/24", "198.18.0.1/24"), ("198.19.255.0/24", "198.19.255.1/24")]
)
def test_networks(subnet, gateway):
    assert lab_names.network_problems(subnet, []) == []
    assert lab_names.gateway(subnet) == gateway


@pytest.mark.parametrize(
    "subnet",
    [
        *HOSTILE, *TYPES, "198.18.0.0/24\n", " 198.18.0.0/24", "198.18.0.0/24; id", "198.18.300.0/24", "198.18.00.0/24",
        "198.18.0.0/024", "198.18.0.0/16", "198.18.0.0", "198.18.0.1/24", "198.18.0.0/255.255.255.0", "198.20.0.0/24",
        "10.0.0.0/24", "::/24", "\u0661\u0669\u0668.18.0.0/24",
    ],
)  # fmt: skip
def test_what_is_no_network_of_a_lab(subnet):
    (problem,) = lab_names.network_problems(subnet, [{"name": "a", "address": "198.18.0.11"}])
    assert problem.startswith(f"lab_subnet is {subnet!r}; ")


def machines(*pairs):
    return [{"name": name, "address": address} for name, address in pairs]


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("lab-api", "198.18.0.2"), ("lab-load", "198.18.0.254")],
        [("x" * 40, "198.18.0.11")],
    ],
)
def test_machines(pairs):
    assert lab_names.network_problems("198.18.0.0/24", machines(*pairs)) == []


@pytest.mark.parametrize(
    "address",
    [
        "198.18.0.0", "198.18.0.1", "198.18.0.255", "198.18.1.11", "198.19.0.11", "198.18.0.011", "198.18.0.11\n",
        "198.18.0.11/24", "198.18.0.11:22", "::ffff:198.18.0.11", "", None, 3323068427,
    ],
)  # fmt: skip
def test_addresses_that_no_machine_can_have(address):
    (problem,) = lab_names.network_problems("198.18.0.0/24", machines(("lab-api", address)))
    assert problem.startswith(f"ansible_host of 'lab-api' is {address!r}; ")
    assert "198.18.0.2 to 198.18.0.254" in problem
    assert "inventory/lab/hosts.yml" in problem


def test_two_machines_with_one_address():
    pairs = [("lab-api", "198.18.0.11"), ("lab-load", "198.18.0.11")]
    (problem,) = lab_names.network_problems("198.18.0.0/24", machines(*pairs))
    assert problem.startswith("ansible_host of 'lab-load' is 198.18.0.11, ") and "'lab-api'" in problem


@pytest.mark.parametrize("name", ["my_host", "lab.api", "x" * 41, "a-", "-a", "../x"])
def test_names_that_no_machine_can_have(name):
    (problem,) = lab_names.network_problems("198.18.0.0/24", machines((name, "198.18.0.11")))
    assert repr(name) in problem


def test_every_problem_is_named_at_once():
    pairs = [("a_b", "198.18.0.1"), ("c", "198.18.0.1")]
    assert len(lab_names.network_problems("198.18.0.0/24", machines(*pairs))) == 4
    assert len(lab_names.name_problems("Lab", ["a b", "localhost"])) == 3


def test_the_messages(golden):
    def network(*pairs, subnet="198.18.0.0/24"):
        return lab_names.network_problems(subnet, machines(*pairs))

    problems = {
        "lab_name": lab_names.name_problems("9lab", []),
        "name of a host": lab_names.name_problems("lab", ["a b"]),
        "a host that is not a text": lab_names.name_problems("lab", [5]),
        "localhost": lab_names.name_problems("lab", ["localhost"]),
        "lab_bridge": lab_names.bridge_problems("br:0"),
        "lab_subnet": network(subnet="10.0.0.0/24"),
        "lab_release": lab_names.release_problems("sid"),
        "address": network(("lab-api", "198.18.0.1")),
        "one address twice": network(("lab-api", "198.18.0.11"), ("lab-load", "198.18.0.11")),
        "name of a machine": network(("my_host", "198.18.0.11")),
    }
    golden("lab_names.yml", {name: "\n".join(messages) for name, messages in problems.items()})


def test_an_inventory_that_does_not_exist_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    hosts = {"api": ["a"], "load": []}
    given = ["mine/", str(tmp_path / "mine"), "a,b"]
    assert lab_names.inventory_problems(given, hosts) == []
    long = "x" * 256
    assert [one.split(" does")[0] for one in lab_names.inventory_problems([*given, "no such", long], hosts)] == [
        "the inventory 'no such'",
        f"the inventory {('x' * 256)!r}"[: len("the inventory ") + 255] + "...'",
    ]


def test_an_inventory_without_hosts_is_named():
    (api, load) = lab_names.inventory_problems(["inventory/lab"], {"all": [], "api": []})
    assert api == "the group 'api' of the inventory has no host. Allowed: at least one; edit inventory/lab/hosts.yml"
    assert load.startswith("the group 'load' of the inventory has no host. ")
    assert lab_names.inventory_problems(["inventory/lab"], None) == []
