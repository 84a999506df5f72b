"""The time of a connection from the network of a process: real sockets in a network namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from ansible.module_utils import hop

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="this machine: no root, so no network namespace can be entered"
)
PORT = 8000
# It listens on one of the two addresses of its loopback interface. It never accepts: the kernel does.
LISTEN = """
import socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.create_server(("127.0.0.2", 8000), backlog=1000)
print("listens", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process() -> Iterator[int]:
    up = ("unshare", "--net", sys.executable, "-c", LISTEN)
    with subprocess.Popen(up, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout.readline() == "listens\n"
            yield running.pid
        finally:
            running.kill()


def test_each_address_has_a_time_and_one_that_refuses_has_none(process):
    found, problem = hop.connect_times(process, PORT, ["127.0.0.2", "127.0.0.3"])
    assert found["127.0.0.2"] > 0
    assert found["127.0.0.3"] is None
    assert problem == "no connection to 127.0.0.3"
    assert hop.connect_times(process, PORT, ["127.0.0.2"])[1] is None


def test_a_process_that_is_gone_is_reported():
    gone = subprocess.Popen(["true"])
    gone.wait()
    found, problem = hop.connect_times(gone.pid, PORT, ["127.0.0.2"])
    assert found == {}
    assert problem.startswith("the connections to the replicas failed: ")


def test_nothing_is_measured_where_all_replicas_are_on_this_host():
    rows = [{"id": "a", "task_id": "t", "inspected": True}]
    assert hop.measure_hops(None, "lab_platform_proxy", rows, [], PORT) is None
    assert rows == [{"id": "a", "task_id": "t", "inspected": True}]
