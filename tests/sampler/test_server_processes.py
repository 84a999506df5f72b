"""Processes that serve a port, by what /proc showed of real servers under load."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sampler.cgroups import ContainerCgroup
from sampler.server_processes import count_servers, pids_of

RECORDED = json.loads((Path(__file__).parent / "data/servers/servers.json").read_text())
# Serving processes by server, and all processes of its container.
SERVING = {
    "uvicorn": (1, 1),
    "uvicorn_web_concurrency_1": (1, 1),
    "uvicorn_workers_2": (2, 4),
    "uvicorn_workers_4": (4, 6),
    "uvicorn_in_a_shell": (2, 5),
    "uvicorn_workers_with_pools": (2, 8),
    "gunicorn_1": (1, 2),
    "gunicorn_sync_3": (3, 4),
    "gunicorn_threads_3": (3, 4),
    "node": (1, 1),
    "node_cluster_3": (3, 4),
    "http_server": (1, 1),
}


def write_proc(proc: Path, record: dict) -> list[int]:
    """The files of /proc that were recorded; returns the processes."""
    for pid, process in record["processes"].items():
        (proc / pid / "fd").mkdir(parents=True)
        (proc / pid / "net").mkdir()
        (proc / pid / "stat").write_text(process["stat"])
        for number, target in enumerate([*process["sockets"], "/dev/null"]):
            (proc / pid / "fd" / str(number)).symlink_to(target)
        for name in ("tcp", "tcp6"):
            (proc / pid / "net" / name).write_text("\n".join(["  sl  local_address rem_address", *record[name], ""]))
    return [int(pid) for pid in record["processes"]]


@pytest.mark.parametrize(("name", "expected"), SERVING.items())
def test_supervisors_helpers_and_shells_do_not_serve(tmp_path, name, expected):
    pids = write_proc(tmp_path, RECORDED[name])
    assert (count_servers(pids, tmp_path, RECORDED[name]["port"]), len(pids)) == expected


def test_every_recorded_server_is_tested():
    assert set(RECORDED) == set(SERVING)


def test_what_cannot_be_seen_is_unknown_and_not_zero(tmp_path):
    record = RECORDED["uvicorn_workers_2"]
    pids = write_proc(tmp_path, record)
    assert count_servers(pids, tmp_path, record["port"] + 1) is None
    assert count_servers([], tmp_path, record["port"]) is None
    assert count_servers([1, 2], tmp_path / "none", record["port"]) is None
    # A process that ended meanwhile is not counted.
    assert count_servers([*pids, 999_999], tmp_path, record["port"]) == 2


def test_without_connections_those_that_listen_are_counted(tmp_path):
    record = RECORDED["uvicorn_workers_4"]
    idle = {name: [line for line in record[name] if " 0A " in line] for name in ("tcp", "tcp6")}
    assert count_servers(write_proc(tmp_path, record | idle), tmp_path, record["port"]) == 4


def test_processes_of_this_machine():
    """A process that listens, and its child, which inherits the socket."""
    program = """
import os, socket, sys
server = socket.create_server(("127.0.0.1", 0))
child = os.fork()
if child:
    print(server.getsockname()[1], child, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        port, child = map(int, process.stdout.readline().split())
        assert count_servers([process.pid, child], Path("/proc"), port) == 1
        assert count_servers([os.getpid()], Path("/proc"), port) is None
        with socket.create_connection(("127.0.0.1", port)):
            # The connection waits to be accepted, so no process holds it yet.
            assert count_servers([process.pid, child], Path("/proc"), port) == 1
        process.stdin.close()


@pytest.mark.parametrize("kind", ["unified", "memory", "cpuacct", "cpu"])
def test_the_processes_of_a_container_are_those_of_its_cgroup(tmp_path, kind):
    (tmp_path / "cgroup.procs").write_text("12\n0\n13\n")
    assert pids_of(ContainerCgroup(**{kind: tmp_path})) == [12, 13]
    assert pids_of(ContainerCgroup(**{kind: tmp_path / "gone"})) == []
    assert pids_of(ContainerCgroup(unified=tmp_path / "empty", **({} if kind == "unified" else {kind: tmp_path}))) == (
        [] if kind == "unified" else [12, 13]
    )
