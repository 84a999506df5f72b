"""The bridge of a lab, made and removed by the role's script in a network namespace of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "roles/virtual_lab/files/network.sh"
MARK, BRIDGE, ADDRESS = "swarmsweep:lab", "sweep0", "198.18.0.1/24"
OTHER_MARK = "swarmsweep:lab-2"

Run = Callable[..., subprocess.CompletedProcess]


def missing() -> str | None:
    """Return why these tests cannot run here."""
    if os.geteuid() != 0:
        return "this machine gives no root, who makes network namespaces"
    tools = [tool for tool in ("ip", "iptables") if not shutil.which(tool)]
    return f"not installed: {', '.join(tools)}" if tools else None


@pytest.fixture
def inside() -> Iterator[Run]:
    """inside("ip", "link"): runs a command in a namespace that has no interface but lo."""
    if reason := missing():
        pytest.skip(reason)
    name = f"swarmsweep-test-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"this machine makes no network namespace: {made.stderr.strip()}")

    def run(*command: str, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(
            ["ip", "netns", "exec", name, *command], capture_output=True, text=True, check=False, timeout=60
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    try:
        yield run
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture
def network(inside: Run) -> Callable[..., str]:
    """network("up", mark=...) returns what the script prints."""

    def call(verb: str, bridge: str = BRIDGE, mark: str = MARK, address: str = ADDRESS) -> str:
        return inside("bash", str(SCRIPT), verb, bridge, mark, address).stdout.strip()

    return call


def interfaces(inside: Run) -> set[str]:
    return {line.split(": ")[1].split("@")[0] for line in inside("ip", "-o", "link").stdout.splitlines()}


def allow(inside: Run, bridge: str = BRIDGE, mark: str = MARK) -> None:
    """Make the rules of the role, as every version has made them."""
    for side in ("-i", "-o"):
        rule = [side, bridge, "-m", "comment", "--comment", mark, "-j", "ACCEPT"]
        inside("iptables", "-I", "FORWARD", *rule)
    subnet = ["-s", "198.18.0.0/24", "!", "-d", "198.18.0.0/24"]
    inside(
        "iptables", "-t", "nat", "-I", "POSTROUTING", *subnet, "-m", "comment", "--comment", mark, "-j", "MASQUERADE"
    )


def rules(inside: Run) -> list[str]:
    text = inside("iptables", "-S").stdout + inside("iptables", "-t", "nat", "-S").stdout
    return [line for line in text.splitlines() if line.startswith("-A")]


def test_a_bridge_is_made_marked_and_removed(inside, network):
    assert network("check") == "absent"
    assert network("up") == "changed"
    assert network("check") == "ours"
    assert network("up") == "unchanged"
    shown = inside("ip", "-o", "-4", "address", "show", "dev", BRIDGE).stdout
    assert ADDRESS in shown
    assert inside("cat", f"/sys/class/net/{BRIDGE}/ifalias").stdout.strip() == MARK
    allow(inside)
    allow(inside, "sweep2", OTHER_MARK)
    assert f"removed the bridge {BRIDGE}" in network("down")
    assert BRIDGE not in interfaces(inside)
    assert len(rules(inside)) == 3
    assert all(OTHER_MARK in rule for rule in rules(inside))
    assert network("down") == ""


@pytest.mark.parametrize(
    ("commands", "why"),
    [
        (["ip link add sweep0 type bridge"], "is not this lab's (alias: none, addresses: none, members: none;"),
        (["ip link add sweep0 type bridge", "ip address add 192.0.2.1/24 dev sweep0"], "addresses: 192.0.2.1/24"),
        (["ip link add sweep0 type bridge", "ip link set sweep0 alias swarmsweep:lab-2"], "(alias: swarmsweep:lab-2,"),
        (["ip link add sweep0 type bridge", "ip link set sweep0 alias swarmsweep:la"], "(alias: swarmsweep:la,"),
        # It has the lab's address, as an earlier version gave it to any bridge it found, and a member of its own.
        (
            [
                "ip link add sweep0 type bridge",
                "ip address add 198.18.0.1/24 dev sweep0",
                "ip link add cable type veth peer name far",
                "ip link set cable master sweep0",
                "iptables -I FORWARD -i sweep0 -m comment --comment swarmsweep:lab -j ACCEPT",
            ],
            "members: cable",
        ),
        # ... and an address of its own.
        (
            [
                "ip link add sweep0 type bridge",
                "ip address add 192.0.2.1/24 dev sweep0",
                "ip address add 198.18.0.1/24 dev sweep0",
                "iptables -I FORWARD -i sweep0 -m comment --comment swarmsweep:lab -j ACCEPT",
            ],
            "addresses: 192.0.2.1/24 198.18.0.1/24",
        ),
        # The rules belong to another lab.
        (
            [
                "ip link add sweep0 type bridge",
                "ip address add 198.18.0.1/24 dev sweep0",
                "iptables -I FORWARD -i sweep0 -m comment --comment swarmsweep:lab-2 -j ACCEPT",
            ],
            "alias: none",
        ),
        (["ip link add sweep0 type veth peer name far"], "the interface sweep0 is not a bridge"),
        # The mark alone does not make an interface a bridge.
        (
            ["ip link add sweep0 type veth peer name far", "ip link set sweep0 alias swarmsweep:lab"],
            "the interface sweep0 is not a bridge",
        ),
    ],
)
def test_an_interface_of_somebody_else_is_refused_and_left(inside, network, commands, why):
    for command in commands:
        inside(*command.split())
    before = inside("ip", "address").stdout
    assert network("check").startswith("foreign ")
    assert why in network("check")
    refused = inside("bash", str(SCRIPT), "up", BRIDGE, MARK, ADDRESS, check=False)
    assert refused.returncode != 0
    assert why in refused.stderr
    said = network("down")
    assert f"left the interface {BRIDGE}: it does not carry the mark {MARK}" in said
    assert "removed the bridge" not in said
    assert inside("ip", "address").stdout == before


def test_a_bridge_of_an_earlier_version_is_taken_over(inside, network):
    inside("ip", "link", "add", BRIDGE, "type", "bridge")
    inside("ip", "address", "add", ADDRESS, "dev", BRIDGE)
    inside("ip", "link", "add", "vb-lab-api", "type", "veth", "peer", "name", "far")
    inside("ip", "link", "set", "vb-lab-api", "master", BRIDGE)
    allow(inside)
    assert network("check") == "earlier"
    assert network("up") == "changed"
    assert network("check") == "ours"


def test_a_bridge_of_an_earlier_version_is_removed_without_an_up_in_between(inside, network):
    inside("ip", "link", "add", BRIDGE, "type", "bridge")
    inside("ip", "address", "add", ADDRESS, "dev", BRIDGE)
    allow(inside)
    assert f"removed the bridge {BRIDGE}" in network("down")
    assert BRIDGE not in interfaces(inside)
    assert rules(inside) == []


def test_a_lab_that_got_another_bridge_meanwhile_is_removed_whole(inside, network):
    network("up")
    assert "this lab has the bridge sweep0 already" in network("check", bridge="sweep1", address="198.18.1.1/24")
    assert network("down", bridge="sweep1", address="198.18.1.1/24") == f"removed the bridge {BRIDGE}"
    assert interfaces(inside) == {"lo"}


def test_the_address_of_another_interface_is_refused(network):
    network("up", bridge="sweep1", mark=OTHER_MARK)
    assert network("check") == "foreign the interface sweep1 has the address 198.18.0.1 already"
    # 198.18.0.1 is not a prefix of 198.18.0.100.
    assert network("check", address="198.18.0.100/24") == "absent"


def test_two_labs_run_side_by_side(inside, network):
    assert network("up") == network("up", bridge="sweep2", mark=OTHER_MARK, address="198.18.1.1/24") == "changed"
    assert network("down") == f"removed the bridge {BRIDGE}"
    assert interfaces(inside) == {"lo", "sweep2"}


# --- Forwarding -----------------------------------------------------------------------------------------------------


def forwards(inside: Run) -> str:
    return inside("cat", "/proc/sys/net/ipv4/ip_forward").stdout.strip()


@pytest.fixture
def forwarding(inside: Run, tmp_path: Path) -> Callable[[str], str]:
    """forwarding("unforward") returns what the script prints. At first, the namespace forwards nothing."""
    inside("bash", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")
    return lambda verb: inside("bash", str(SCRIPT), verb, str(tmp_path)).stdout.strip()


def test_forwarding_is_switched_off_when_that_was_our_doing(inside, forwarding, tmp_path):
    forwarding("forward")
    assert forwards(inside) == "1"
    (tmp_path / "lab").mkdir()
    assert (forwarding("unforward"), forwards(inside)) == ("", "1")
    (tmp_path / "lab").rmdir()
    assert (forwarding("unforward"), forwards(inside)) == ("removed IPv4 forwarding", "0")
    assert forwarding("unforward") == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "rule",
    [
        "iptables -A FORWARD -j DOCKER-USER-TEST",
        "iptables -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE",
        "iptables -P FORWARD DROP",
    ],
)
def test_forwarding_stays_on_for_somebody_who_came_later(inside, forwarding, rule):
    forwarding("forward")
    inside("iptables", "-N", "DOCKER-USER-TEST")
    inside(*rule.split())
    assert forwarding("unforward").startswith("left IPv4 forwarding on: other rules")
    assert forwards(inside) == "1"


# An earlier version wrote an empty note.
@pytest.mark.parametrize("boot", ["", "11111111-2222-3333-4444-555555555555\n"])
def test_forwarding_of_an_earlier_boot_is_not_touched(inside, forwarding, tmp_path, boot):
    inside("bash", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    (tmp_path / "ip_forward_was_off").write_text(boot)
    assert forwarding("unforward").startswith("left IPv4 forwarding as it is")
    assert forwards(inside) == "1"
    assert list(tmp_path.iterdir()) == []
