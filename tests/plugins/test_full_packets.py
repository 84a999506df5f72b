"""Packets of full size between two network namespaces, of which one lets only shorter ones in."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from ansible.module_utils import full_packets

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="this machine: no root, so it cannot make network namespaces")
# 198.18.0.0/15 is for benchmarks. These addresses are in namespaces of this test alone.
NEAR, FAR, NOBODY = "198.19.255.1", "198.19.255.2", "198.19.255.3"
# As Swarm's overlay has it.
FULL_BYTES = 1450


@pytest.fixture
def pair() -> Iterator[tuple[int, int]]:
    """Two processes, each with a network of its own, joined by a cable."""
    command = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && read line"]
    first, second = (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    with first, second:
        try:
            assert [side.stdout.readline() for side in (first, second)] == ["ready\n"] * 2
            ip(first.pid, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(second.pid))
            for side, address in ((first, NEAR), (second, FAR)):
                ip(side.pid, "address", "add", f"{address}/24", "dev", "cable")
                ip(side.pid, "link", "set", "cable", "mtu", str(FULL_BYTES), "up")
            yield first.pid, second.pid
        finally:
            first.kill()
            second.kill()


def ip(pid: int, *arguments: str) -> None:
    subprocess.run(["nsenter", f"--target={pid}", "--net", "--", "ip", *arguments], check=True)


def test_packets_of_full_size_pass(pair):
    near, _ = pair
    assert full_packets.lost(near, {FAR: "lab-api2"}) is None


def test_lost_packets_of_full_size_are_named_with_host_and_fix(pair):
    near, far = pair
    # A device drops what is longer than its own limit, without any message.
    ip(far, "link", "set", "cable", "mtu", "1300")
    problem = full_packets.lost(near, {FAR: "lab-api2"})
    assert problem.startswith(
        f"Packets of 1450 bytes are lost between HAProxy and the replica on API host lab-api2 ({FAR}), and packets of "
        "100 bytes pass."
    )
    assert "carry packets of 1500 bytes" in problem


def test_a_network_with_a_smaller_limit_of_its_own_is_no_problem(pair):
    for side in pair:
        ip(side, "link", "set", "cable", "mtu", "1300")
    assert full_packets.lost(pair[0], {FAR: "lab-api2"}) is None


def test_nothing_is_said_of_an_address_that_never_answers(pair):
    assert full_packets.lost(pair[0], {NOBODY: "lab-api2"}) is None


def test_many_replicas_on_a_host_do_not_hide_the_lost_packets(pair):
    near, far = pair
    ip(far, "link", "set", "cable", "mtu", "1300")
    # No host has these addresses. Each takes three seconds, and all of them take more than the limit.
    others = {f"198.19.255.{number}": "lab-api3" for number in range(10, 20)}
    assert "on API host lab-api2" in full_packets.lost(near, {FAR: "lab-api2"} | others)
