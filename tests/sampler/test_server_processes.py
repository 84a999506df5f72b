"""Processes that serve a port, by what /proc showed of real servers under load."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sampler import server_processes
from sampler.cgroups import ContainerCgroup
from sampler.server_processes import Counted, ServerCount, pids_of

RECORDED = json.loads((Path(__file__).parent / "data/servers/servers.json").read_text())
# Serving processes by server, and all processes of its container.
SERVING = {
    "uvicorn": (1, 1),
    "uvicorn_web_concurrency_1": (1, 1),
    "uvicorn_workers_2": (2, 4),
    "uvicorn_workers_4": (4, 6),
    "uvicorn_in_a_shell": (2, 5),
    "uvicorn_workers_with_pools": (2, 8),
    "uvicorn_workers_with_late_pools": (2, 8),
    "gunicorn_1_behind_nginx": (2, 5),
    "gunicorn_3_behind_nginx": (2, 7),
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
    count = ServerCount(tmp_path, RECORDED[name]["port"])
    assert count.count(pids) == (expected[0], None)
    assert count.count(pids) == expected


def test_every_recorded_server_is_tested():
    assert set(RECORDED) == set(SERVING)


def test_what_cannot_be_seen_is_unknown_and_not_zero(tmp_path):
    record = RECORDED["uvicorn_workers_2"]
    pids = write_proc(tmp_path, record)
    assert ServerCount(tmp_path, record["port"] + 1).count(pids).servers is None
    assert ServerCount(tmp_path, record["port"]).count([]).servers is None
    assert ServerCount(tmp_path / "none", record["port"]).count([1, 2]) == Counted(None, None)
    # A process that ended meanwhile is not counted.
    assert ServerCount(tmp_path, record["port"]).count([*pids, 999_999]).servers == 2


def test_a_process_that_may_not_be_read_makes_the_count_unknown(tmp_path, monkeypatch):
    record = RECORDED["uvicorn_workers_2"]
    pids = write_proc(tmp_path, record)
    count, iterdir = ServerCount(tmp_path, record["port"]), Path.iterdir

    def refuse(path):
        if path == tmp_path / f"{pids[-1]}/fd":
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    assert count.count(pids).servers == 2
    monkeypatch.setattr(Path, "iterdir", refuse)
    assert count.count(pids) == Counted(None, len(pids))
    monkeypatch.undo()
    assert count.count(pids).servers == 2


def test_a_process_may_have_any_name(tmp_path):
    record = RECORDED["uvicorn_workers_2"]
    pids = write_proc(tmp_path, record)
    for pid in pids:
        stat = tmp_path / str(pid) / "stat"
        stat.write_bytes(stat.read_bytes().replace(b"(python)", b"(a) S 1 (\xff\n)"))
    assert ServerCount(tmp_path, record["port"]).count(pids).servers == 2


def test_an_id_that_is_used_again_is_another_process(tmp_path):
    record = RECORDED["uvicorn"]
    pids = write_proc(tmp_path, record)
    count = ServerCount(tmp_path, record["port"])
    assert count.count(pids) == (1, None)
    stat = tmp_path / str(pids[0]) / "stat"
    before, name, after = stat.read_text().partition(")")
    fields = after.split()
    fields[19] = str(int(fields[19]) + 1)
    stat.write_text(" ".join([f"{before}{name}", *fields]))
    assert count.count(pids) == (1, 0)
    stat.write_text(stat.read_text().replace(") S ", ") Z "))
    assert count.count(pids) == (None, 0)


def test_without_connections_those_that_listen_are_counted(tmp_path):
    record = RECORDED["uvicorn_workers_4"]
    idle = {name: [line for line in record[name] if " 0A " in line] for name in ("tcp", "tcp6")}
    assert ServerCount(tmp_path, record["port"]).count(write_proc(tmp_path, record | idle)).servers == 4


@pytest.mark.parametrize(("name", "expected"), [("node_cluster_3", 3), ("uvicorn_workers_with_pools", 2)])
def test_a_server_without_a_connection_counts_if_it_had_one(tmp_path, name, expected):
    record = RECORDED[name]
    pids = write_proc(tmp_path, record)
    count = ServerCount(tmp_path, record["port"])
    assert count.count(pids).servers == expected
    for pid in pids:
        for table in ("tcp", "tcp6"):
            path = tmp_path / str(pid) / "net" / table
            path.write_text("".join(line for line in path.read_text().splitlines(True) if " 01 " not in line))
    assert count.count(pids).servers == expected


def test_a_worker_that_was_never_seen_with_a_connection_is_like_its_siblings(tmp_path):
    """It has forked helpers, which hold the listening socket too, so it could be a supervisor."""
    record = RECORDED["uvicorn_workers_with_pools"]
    pids = write_proc(tmp_path, record)
    held = {pid: server_processes.held_sockets(tmp_path / f"{pid}/fd") for pid in pids}
    (idle, *_) = [pid for pid in pids if sum(f" {inode} " in line for inode in held[pid] for line in record["tcp"]) > 2]
    for link in (tmp_path / f"{idle}/fd").iterdir():
        if any(f" {str(link.readlink())[8:-1]} " in line for line in record["tcp"] if " 01 " in line):
            link.unlink()
    assert ServerCount(tmp_path, record["port"]).count(pids).servers == 2


def test_the_primary_of_a_node_cluster_counts_only_while_it_holds_a_connection(tmp_path):
    """It accepts each connection and passes it on."""
    record = RECORDED["node_cluster_3"]
    pids = write_proc(tmp_path, record)
    connected = server_processes.sockets_of(tmp_path, pids, record["port"])[1]
    link = tmp_path / f"{pids[0]}/fd/99"
    link.symlink_to(f"socket:[{min(connected)}]")
    count = ServerCount(tmp_path, record["port"])
    assert count.count(pids).servers == 4
    link.unlink()
    assert count.count(pids).servers == 3


@pytest.mark.parametrize("when", ["ends", "begins"])
def test_a_connection_shorter_than_the_reading_of_the_table_is_seen(tmp_path, monkeypatch, when):
    record = RECORDED["node_cluster_3"]
    pids = write_proc(tmp_path, record)
    worker = tmp_path / f"{pids[-1]}/fd"
    read_start, away = server_processes.read_start, tmp_path / "away"
    if when == "begins":
        worker.rename(away)

    def read_while_it_changes(path):
        if path.name == "tcp":
            (away if when == "begins" else worker).rename(worker if when == "begins" else away)
        return read_start(path)

    monkeypatch.setattr(server_processes, "read_start", read_while_it_changes)
    assert ServerCount(tmp_path, record["port"]).count(pids).servers == 3


def test_of_a_long_table_the_start_is_read(tmp_path):
    """A server that closes its connections leaves a line for each of the last minute."""
    record = RECORDED["gunicorn_sync_3"]
    closed = next(line for line in record["tcp"] if " 06 " in line).partition(":")[2]
    lines = [line for line in record["tcp"] if " 0A " in line]
    lines += [f"{number:4}:{closed}" for number in range(1, 50_000)]
    pids = write_proc(tmp_path, record | {"tcp": lines})
    assert ServerCount(tmp_path, record["port"]).count(pids).servers == 3
    read = server_processes.read_start(tmp_path / str(pids[0]) / "net/tcp")
    assert len(read) == server_processes.TABLE_BYTES


# A server that forks, in steps. A line of standard input begins the next one; standard output has what a step made.
PROGRAM = """
import os, socket, sys

def step(*made):
    print(*made, flush=True)
    return sys.stdin.readline()

server = socket.create_server(("127.0.0.1", 0))
step(server.getsockname()[1])
accepted = [server.accept()[0] for _ in range(2)]
step()
children = []
for _ in range(2):
    children.append(os.fork())
    if not children[-1]:
        # A worker of a pool: it has inherited the socket that listens and both connections, and keeps them.
        os.read(int(sys.argv[1]), 1)
        os._exit(0)
step(*children)
[connection.close() for connection in accepted]
step()
"""


def test_processes_of_this_machine():
    """A real server before and after it has connections, forks, and closes the connections; also seen late."""
    read_end, write_end = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(read_end)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[read_end],
    ) as process:

        def made() -> list[int]:
            return list(map(int, process.stdout.readline().split()))

        def go_on() -> list[int]:
            process.stdin.write("\n")
            process.stdin.flush()
            return made()

        (port,) = made()
        pids, count = [process.pid], ServerCount(Path("/proc"), port)
        assert count.count(pids) == (1, None)
        assert ServerCount(Path("/proc"), port).count([os.getpid()]).servers is None
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            # The connections wait to be accepted, so no process holds them yet.
            assert count.count(pids) == (1, 1)
            go_on()
            assert count.count(pids) == (1, 1)
            pids += go_on()
            assert count.count(pids) == (1, 1)
            assert count.count(pids) == (1, 3)
            assert ServerCount(Path("/proc"), port).count(pids).servers == 1
            go_on()
            # The children alone hold both connections now.
            assert count.count(pids) == (1, 3)
        # And they keep them, although the other side has closed them.
        assert count.count(pids) == (1, 3)
        os.close(write_end)
        process.stdin.close()
    os.close(read_end)


@pytest.mark.parametrize("kind", ["unified", "memory", "cpuacct", "cpu"])
def test_the_processes_of_a_container_are_those_of_its_cgroup(tmp_path, kind):
    (tmp_path / "cgroup.procs").write_text("12\n0\n13\n")
    assert pids_of(ContainerCgroup(**{kind: tmp_path})) == [12, 13]
    assert pids_of(ContainerCgroup(**{kind: tmp_path / "gone"})) == []
    assert pids_of(ContainerCgroup(unified=tmp_path / "empty", **({} if kind == "unified" else {kind: tmp_path}))) == (
        [] if kind == "unified" else [12, 13]
    )
