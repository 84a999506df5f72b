"""Trees of real processes: those that children leave behind are members too, and none survives the end."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.lib import processes
from bench.lib.processes import Tree
from swarmsweep.errors import LabError

# A server that starts a worker in a session of its own, as some supervisors do, and goes on or ends.
SUPERVISOR = """
import subprocess, sys, time
command = [sys.executable, "-c", sys.argv[1]]
worker = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
print(worker.pid, flush=True)
if sys.argv[2] == "stay":
    worker.wait()
"""
SLEEP = "import time; time.sleep(600)"
SPIN = "while True: pass"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


@pytest.fixture(autouse=True, scope="module")
def orphans():
    processes.adopt_orphans()
    yield
    # Other tests expect that init adopts their orphans.
    ctypes.CDLL(None).prctl(processes.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def start(tmp_path):
    trees = []

    def run(*arguments: str) -> Tree:
        tree = Tree("server", [sys.executable, "-c", *arguments], dict(os.environ), tmp_path / str(len(trees)))
        trees.append(tree)
        return tree

    yield run
    for tree in trees:
        tree.end()


def first_word(tree: Tree) -> str:
    deadline = time.monotonic() + 30
    while not (words := tree.log.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return words[0]


def worker_of(tree: Tree) -> int:
    return int(first_word(tree))


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def wait_for_state(pid: int, wanted: str) -> None:
    deadline = time.monotonic() + 30
    while state(pid) != wanted:
        assert time.monotonic() < deadline, state(pid)
        time.sleep(0.01)


def test_members_are_all_below(start):
    tree = start(SUPERVISOR, SLEEP, "stay")
    worker_of(tree)
    assert {process.pid for process in tree.members()} == {tree.root.pid, worker_of(tree)}
    assert tree.resident_bytes() > 4e6


# A process that outlives the root is found if it was seen once before.
@pytest.mark.parametrize("worker", [SLEEP, STUBBORN], ids=["sleep", "stubborn"])
def test_worker_of_a_killed_root_is_ended(start, worker, monkeypatch):
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.2)
    tree = start(SUPERVISOR, worker, "stay")
    pid = worker_of(tree)
    tree.members()
    tree.root.kill()
    tree.root.wait()
    assert [process.pid for process in tree.members()] == [pid]
    with pytest.raises(LabError, match="server ended with code -9"):
        tree.require_running()
    tree.end()
    assert not Path(f"/proc/{pid}").exists()


def test_root_that_ignores_the_request_is_killed(start, monkeypatch):
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.2)
    tree = start(STUBBORN)
    first_word(tree)
    tree.end()
    assert tree.root.returncode == -signal.SIGKILL
    assert tree.members() == []


def test_parked_processes_use_nothing_and_go_on(start, monkeypatch):
    monkeypatch.setattr(processes, "IDLE_DEADLINE_SECONDS", 0.5)
    tree = start(SUPERVISOR, SPIN, "stay")
    pid = worker_of(tree)
    tree.park()
    wait_for_state(pid, "T")
    wait_for_state(tree.root.pid, "T")
    before = tree.cpu_seconds()
    time.sleep(0.2)
    assert tree.cpu_seconds() == before
    tree.resume()
    wait_for_state(pid, "R")
    deadline = time.monotonic() + 30
    while tree.cpu_seconds() <= before:
        assert time.monotonic() < deadline


def test_parked_tree_can_be_ended(start):
    tree = start(SUPERVISOR, SLEEP, "stay")
    pid = worker_of(tree)
    tree.park()
    tree.end()
    assert not Path(f"/proc/{pid}").exists()


def test_pinning_is_checked(start):
    core = min(os.sched_getaffinity(0))
    tree = start(SUPERVISOR, SLEEP, "stay")
    worker_of(tree)
    os.sched_setaffinity(tree.root.pid, {core})
    if len(os.sched_getaffinity(0)) > 1:
        with pytest.raises(LabError, match=f"not only on {core}"):
            tree.require_pinned(core)
    os.sched_setaffinity(worker_of(tree), {core})
    tree.require_pinned(core)


def test_everything_below_a_process_is_ended(start):
    tree = start(SUPERVISOR, STUBBORN, "stay")
    pid = worker_of(tree)
    processes.end_all_below(tree.root.pid)
    found = processes.all_processes()
    # A process without a wait is still a line of /proc.
    assert pid not in found or found[pid].zombie
    assert all(found[below].zombie for below in processes.descendants(tree.root.pid, found))


def test_process_with_spaces_in_its_name():
    script = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'a) b (c'); print(flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        found = processes.read_process(child.pid)
        child.kill()
    assert (found.pid, found.parent, found.zombie) == (child.pid, os.getpid(), False)


def test_absent_process():
    assert processes.read_process(2**30) is None
    assert processes.proportional_bytes(2**30) is None
    assert processes.status_kib(2**30, "VmRSS") == 0
    assert processes.threads(2**30) == 0


def test_figures_of_this_process():
    assert processes.status_kib(os.getpid(), "VmRSS") > 1000
    assert processes.threads(os.getpid()) >= 1
    assert processes.proportional_bytes(os.getpid()) > 1e6
