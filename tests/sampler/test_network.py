"""Segments and bytes, from texts of /proc/net as kernels write them."""

from __future__ import annotations

import shutil

import pytest

from sampler.network import Links, TcpCounters, parse_interfaces
from tests.sampler.trees import CONTAINER

SNMP = """\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs
Tcp: 1 200 120000 -1 186 10 3 0 35 202271 {sent} {again}
"""  # noqa: E501
NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  839914    1725    0    0    0     0          0         0   839914    1725    0    0    0     0       0          0
 host0: 98157201  200636    0    0    0     0          0         0 73024391  150983    0    0    0     0       0          0
veth1a: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
"""  # noqa: E501


def test_interfaces_that_lead_out_of_the_machine():
    assert parse_interfaces(NET_DEV) == {"host0": {"rx_bytes": 98157201, "tx_bytes": 73024391}}
    assert parse_interfaces(None) == {}


@pytest.mark.parametrize(
    ("speed", "has_device", "speed_mbit"),
    [
        ("1000\n", True, 1000),
        # A virtual device, or no link: -1, 0, or an error of the read.
        ("-1\n", True, None),
        ("0\n", True, None),
        (None, True, None),
        # The kernel invents a speed for interfaces without a device, as 10000 for a veth.
        ("10000\n", False, None),
    ],
)
def test_the_speed_of_a_link_is_that_of_a_device(tmp_path, speed, has_device, speed_mbit):
    (tmp_path / "proc/self/net").mkdir(parents=True)
    (tmp_path / "proc/self/net/dev").write_text(NET_DEV)
    net = tmp_path / "sys/class/net/host0"
    net.mkdir(parents=True)
    if has_device:
        (net / "device").mkdir()
    if speed is not None:
        (net / "speed").write_text(speed)
    found = Links(tmp_path / "proc").read()
    assert found == {"host0": {"rx_bytes": 98157201, "tx_bytes": 73024391, "speed_mbit": speed_mbit}}


def test_segments_of_the_machine_and_of_its_containers_are_added_and_never_taken_back(tmp_path):
    def write(pid: str, sent: int, again: int) -> None:
        (tmp_path / pid / "net").mkdir(parents=True, exist_ok=True)
        (tmp_path / pid / "net/snmp").write_text(SNMP.format(sent=sent, again=again))

    write("self", 1000, 2)
    write("42", 500, 1)
    tcp = TcpCounters(tmp_path)
    assert tcp.read({CONTAINER: 42}) == {"segments_out": 1500, "retransmitted": 3}
    write("self", 1100, 2)
    shutil.rmtree(tmp_path / "42")
    assert tcp.read({CONTAINER: 42}) == {"segments_out": 1600, "retransmitted": 3}
    shutil.rmtree(tmp_path / "self")
    assert tcp.read({}) == {"segments_out": None, "retransmitted": None}
