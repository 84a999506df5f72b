"""The firewall unit of Swarm's ports, with real iptables in two network namespaces: who reaches which port."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
import yaml

ROLE = Path(__file__).parents[2] / "roles/swarm"
OWN, NODE, STRANGER = "198.18.255.11", "198.18.255.12", "198.18.255.99"
OWN_V6, OTHER_V6 = "fd00:18::11", "fd00:18::12"
ADDRESSES = {"api": OWN, "api2": NODE}
# Sends a packet to a port of this host. Nothing listens there, so a packet that the rules let through is refused.
SEND = """
import socket, sys
source, kind, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in source else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as probe:
    probe.settimeout(0.3)
    probe.bind((source, 0))
    probe.connect_ex((sys.argv[4], port))
    if kind == "udp":
        probe.send(b"x")
"""
PORTS = [("tcp", 2377), ("tcp", 7946), ("udp", 7946), ("udp", 4789)]


def run(*command, check=True):
    return subprocess.run(command, capture_output=True, text=True, check=check, timeout=60)


def commands(hosts: list[str], of: str, registry: int = 0) -> list[str]:
    """The commands of the unit, as the role writes it on the first host. systemd lets those after a "-" fail."""
    private = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    environment = jinja2.Environment(trim_blocks=True)
    text = environment.from_string((ROLE / "templates/swarmsweep-firewall.service.j2").read_text()).render(
        swarm_hosts=hosts,
        inventory_hostname="api",
        hostvars={host: {"__swarm_address": ADDRESSES[host]} for host in hosts},
        __swarm_forward_rule=private["__swarm_forward_rule"],
        __swarm_registry_rule=private["__swarm_registry_rule"],
        __swarm_registry_port=registry,
        __swarm_closed_ports=f"2377,7946,{registry}" if registry else "2377,7946",
    )
    found = [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{of}=")]
    return [f"{command[1:]} || true" if command[0] == "-" else command for command in found]


@pytest.fixture
def hosts():
    """An API host and another machine: (inside the first, inside the other), each runs a command."""
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, who makes network namespaces")
    if tools := [tool for tool in ("ip", "iptables", "ip6tables") if not shutil.which(tool)]:
        pytest.skip(f"not installed: {', '.join(tools)}")
    names = [f"sweep-sw{number}-{os.getpid()}" for number in (1, 2)]
    if run("ip", "netns", "add", names[0], check=False).returncode != 0:
        pytest.skip("this machine makes no network namespace")
    try:
        run("ip", "netns", "add", names[1])
        run("ip", "-n", names[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", names[1])
        for name, addresses in zip(names, ([OWN], [NODE, STRANGER]), strict=True):
            for address in addresses:
                run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            six = OWN_V6 if OWN in addresses else OTHER_V6
            run("ip", "-n", name, "address", "add", f"{six}/64", "dev", "eth0", "nodad")
            for link in ("lo", "eth0"):
                run("ip", "-n", name, "link", "set", link, "up")
        yield [lambda *command, name=name: run("ip", "netns", "exec", name, *command) for name in names]
    finally:
        for name in names:
            run("ip", "netns", "delete", name, check=False)


def dropped(api_host) -> int:
    lines = [
        line for tool in ("iptables", "ip6tables") for line in api_host(tool, "-nvxL", "SWARMSWEEP").stdout.splitlines()
    ]
    return sum(int(line.split()[0]) for line in lines if " DROP " in line)


@pytest.mark.parametrize(
    ("lab", "source", "is_dropped"),
    [
        (["api"], NODE, True),  # of a lab of one host, no other is a node
        (["api", "api2"], NODE, False),
        (["api", "api2"], STRANGER, True),
        (["api", "api2"], OTHER_V6, True),  # nodes use IPv4, and Docker listens on both
    ],
)
def test_only_nodes_reach_the_ports_of_swarm(hosts, lab, source, is_dropped):
    api_host, other = hosts
    for command in commands(lab, "ExecStart"):
        api_host("sh", "-c", command)
    found = {}
    for kind, port in PORTS:
        before = dropped(api_host)
        other(sys.executable, "-c", SEND, source, kind, str(port), OWN_V6 if ":" in source else OWN)
        found[kind, port] = dropped(api_host) > before
    assert found == dict.fromkeys(PORTS, is_dropped)


def test_other_ports_and_the_host_itself_are_not_touched(hosts):
    api_host, other = hosts
    for command in commands(["api"], "ExecStart"):
        api_host("sh", "-c", command)
    other(sys.executable, "-c", SEND, STRANGER, "tcp", "8080", OWN)
    api_host(sys.executable, "-c", SEND, OWN, "tcp", "2377", OWN)
    assert dropped(api_host) == 0


def test_docker_s_own_rules_do_not_let_others_to_a_container(hosts):
    api_host, other = hosts
    for command in commands(["api"], "ExecStart"):
        api_host("sh", "-c", command)
    # What Docker does when it starts after the unit, as on each boot, or makes its bridge after it.
    api_host("ip", "link", "add", "docker_gwbridge", "type", "bridge")
    api_host("ip", "address", "add", "172.31.255.1/24", "dev", "docker_gwbridge")
    api_host("ip", "link", "set", "docker_gwbridge", "up")
    api_host("sysctl", "-qw", "net.ipv4.ip_forward=1")
    api_host("iptables", "-I", "FORWARD", "-o", "docker_gwbridge", "-p", "tcp", "--dport", "8080", "-j", "ACCEPT")
    api_host("iptables", "-A", "DOCKER-USER", "-j", "RETURN")
    api_host("iptables", "-I", "FORWARD", "-j", "DOCKER-USER")
    other("ip", "route", "add", "172.31.255.6/32", "via", OWN)
    other(sys.executable, "-c", SEND, STRANGER, "tcp", "8080", "172.31.255.6")
    (drop,) = (line for line in api_host("iptables", "-nvxL", "DOCKER-USER").stdout.splitlines() if " DROP " in line)
    assert int(drop.split()[0]) > 0


def test_a_second_start_and_a_stop_leave_nothing_behind(hosts):
    api_host, _ = hosts
    # Docker's, which it keeps.
    api_host("iptables", "-N", "DOCKER-USER")
    before = [api_host(tool, "-S").stdout for tool in ("iptables", "ip6tables")]
    for _ in range(2):
        for command in commands(["api", "api2"], "ExecStart"):
            api_host("sh", "-c", command)
    for tool in ("iptables", "ip6tables"):
        assert api_host(tool, "-S", "INPUT").stdout.count("SWARMSWEEP") == 1
    for command in commands(["api", "api2"], "ExecStop"):
        api_host("sh", "-c", command)
    assert [api_host(tool, "-S").stdout for tool in ("iptables", "ip6tables")] == before


def forward_to(api_host, bridge: str, address: str) -> None:
    """Let this host forward packets to a bridge of its own, as Docker does."""
    api_host("ip", "link", "add", bridge, "type", "bridge")
    api_host("ip", "address", "add", address, "dev", bridge)
    api_host("ip", "link", "set", bridge, "up")
    api_host("sysctl", "-qw", "net.ipv4.ip_forward=1")
    api_host("iptables", "-I", "FORWARD", "-j", "DOCKER-USER")


@pytest.mark.parametrize(("lab", "source", "is_dropped"), [(["api"], NODE, True), (["api", "api2"], NODE, False),
                                                          (["api", "api2"], STRANGER, True)])  # fmt: skip
def test_only_nodes_reach_the_registry(hosts, lab, source, is_dropped):
    """By the container that Docker sends to, and by Docker's own listener on the host."""
    api_host, other = hosts
    for command in commands(lab, "ExecStart", registry=5000):
        api_host("sh", "-c", command)
    forward_to(api_host, "docker_gwbridge", "172.31.255.1/24")

    def drops() -> tuple[int, int]:
        chains = [api_host("iptables", "-nvxL", chain).stdout for chain in ("SWARMSWEEP-NODES", "SWARMSWEEP")]
        return tuple(sum(int(line.split()[0]) for line in chain.splitlines() if " DROP " in line) for chain in chains)

    before = drops()
    other(sys.executable, "-c", SEND, source, "tcp", "5000", OWN)
    listener = drops()
    assert (listener[1] > before[1]) is is_dropped
    # As Docker publishes it. The port of the container is another one.
    api_host(
        "iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "5000",
        "-j", "DNAT", "--to-destination", "172.31.255.6:5001",
    )  # fmt: skip
    other(sys.executable, "-c", SEND, source, "tcp", "5000", OWN)
    assert (drops()[0] > listener[0]) is is_dropped


def test_containers_reach_the_same_port_of_other_machines(hosts):
    """5000 is also the port of MLflow. A packet that the host forwards to another machine is not changed by Docker."""
    api_host, container = hosts
    for command in commands(["api", "api2"], "ExecStart", registry=5000):
        api_host("sh", "-c", command)
    forward_to(api_host, "outside", "192.0.2.1/24")
    container("ip", "route", "add", "192.0.2.9/32", "via", OWN)
    container(sys.executable, "-c", SEND, STRANGER, "tcp", "5000", "192.0.2.9")
    rules = api_host("iptables", "-nvxL", "SWARMSWEEP-NODES").stdout
    (drop,) = (line for line in rules.splitlines() if " DROP " in line)
    assert int(drop.split()[0]) == 0
    seen = api_host("iptables", "-nvxL", "DOCKER-USER").stdout
    (passed,) = (line for line in seen.splitlines() if "SWARMSWEEP-NODES" in line)
    assert int(passed.split()[0]) > 0


def test_without_a_registry_its_rules_are_removed(hosts):
    api_host, _ = hosts
    api_host("iptables", "-N", "DOCKER-USER")
    before = api_host("iptables", "-S").stdout
    for command in commands(["api", "api2"], "ExecStart", registry=5000):
        api_host("sh", "-c", command)
    assert "SWARMSWEEP-NODES" in api_host("iptables", "-S", "DOCKER-USER").stdout
    # systemd stops the unit by the commands of the new file.
    for command in commands(["api"], "ExecStop"):
        api_host("sh", "-c", command)
    assert api_host("iptables", "-S").stdout == before
