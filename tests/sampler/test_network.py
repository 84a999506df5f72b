"""Segments and bytes, from texts of /proc/net as kernels write them."""

from __future__ import annotations

import shutil

from sampler.network import TcpCounters, parse_interfaces
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
