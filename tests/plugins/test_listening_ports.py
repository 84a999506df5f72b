"""The listening ports of a process, from tables of the kernel and from this machine's own."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from ansible.module_utils.listening_ports import Listener, listeners_of, parse

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
# Lines of a container on x86: Docker's DNS server, a server on all addresses, a connection, a listener on loopback.
TCP = HEAD + (
    "   0: 0B00007F:A68F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 0 31337\n"
    "   1: 00000000:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001 0 31338\n"
    "   2: 0200A8C0:1388 0300A8C0:D431 01 00000000:00000000 00:00000000 00000000 10001 0 31339\n"
    "   3: 0100007F:15B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001 0 31340\n"
)
TCP6 = HEAD + (
    "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 10001 0 31341\n"
    "   1: 00000000000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A 0:0 00:0 0 10001 0 31342\n"
    "   2: 0000000000000000FFFF00000100007F:1F92 00000000000000000000000000000000:0000 0A 0:0 00:0 0 10001 0 31343\n"
)
LITTLE_ENDIAN = pytest.mark.skipif(sys.byteorder != "little", reason="not x86 or ARM: the tables were recorded there")


@LITTLE_ENDIAN
@pytest.mark.parametrize(
    ("table", "listeners"),
    [
        (HEAD, set()),
        (TCP, {Listener(5000, "0.0.0.0", False), Listener(5555, "127.0.0.1", True)}),
        (TCP6, {Listener(8080, "::", False), Listener(8081, "::1", True), Listener(8082, "127.0.0.1", True)}),
    ],
)
def test_parse(table, listeners):
    assert parse(table) == listeners


@LITTLE_ENDIAN
def test_both_tables_of_a_process_are_read(tmp_path):
    (tmp_path / "7/net").mkdir(parents=True)
    (tmp_path / "7/net/tcp").write_text(TCP)
    assert [str(found) for found in listeners_of(7, tmp_path)] == ["5000", "127.0.0.1:5555"]
    (tmp_path / "7/net/tcp6").write_text(TCP6)
    assert [found.port for found in listeners_of(7, tmp_path)] == [5000, 5555, 8080, 8081, 8082]


@pytest.mark.parametrize("table", [None, HEAD + "not a line\n", HEAD + " 0: 00000000:1388 00000000:0000\n"])
def test_what_cannot_be_read_is_unknown(tmp_path, table):
    if table is not None:
        (tmp_path / "7/net").mkdir(parents=True)
        (tmp_path / "7/net/tcp").write_text(table)
    assert listeners_of(7, tmp_path) is None


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no Linux")
@pytest.mark.parametrize(("address", "is_local"), [("127.0.0.1", True), ("0.0.0.0", False)])
def test_a_socket_of_this_process_is_found(address, is_local):
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        assert Listener(port, address, is_local) in listeners_of(os.getpid())
    assert port not in [found.port for found in listeners_of(os.getpid())]
