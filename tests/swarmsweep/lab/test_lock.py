"""The lock of a lab, with processes that really live and end."""

import os
import subprocess
import sys
import threading

import pytest

from swarmsweep.errors import LabError
from swarmsweep.lab import lock


@pytest.fixture
def other():
    """A process that lives until the test ends it."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_a_living_process_keeps_it(tmp_path, other):
    lock.acquire(tmp_path / "sweep.lock", other.pid)
    with pytest.raises(LabError, match=rf"process {other.pid}.*lab stop"):
        lock.acquire(tmp_path / "sweep.lock", os.getpid())
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.lock"]


def test_its_holder_is_a_process_that_lives(tmp_path, other):
    assert lock.holder(tmp_path / "sweep.lock") is None
    lock.acquire(tmp_path / "sweep.lock", other.pid)
    assert lock.holder(tmp_path / "sweep.lock") == other.pid
    other.kill()
    other.wait()
    assert lock.holder(tmp_path / "sweep.lock") is None


def test_a_process_that_ended_loses_it(tmp_path, other):
    lock.acquire(tmp_path / "sweep.lock", other.pid)
    other.kill()
    other.wait()
    lock.acquire(tmp_path / "sweep.lock", os.getpid())
    assert (tmp_path / "sweep.lock").read_text().startswith(f"{os.getpid()} ")


def test_a_later_process_of_the_same_number_does_not_count(tmp_path):
    (tmp_path / "sweep.lock").write_text(f"{os.getppid()} 1\n")
    lock.acquire(tmp_path / "sweep.lock", os.getpid())
    assert (tmp_path / "sweep.lock").read_text().startswith(f"{os.getpid()} ")


def test_it_may_be_taken_again_by_its_holder(tmp_path):
    for _ in range(2):
        lock.acquire(tmp_path / "deep/sweep.lock", os.getpid())
        assert (tmp_path / "deep/sweep.lock").read_text().startswith(f"{os.getpid()} ")


@pytest.mark.parametrize("content", ["", "garbage\n", "12 34 56\n", "999999999 1\n"])
def test_a_damaged_lock_is_replaced(tmp_path, content):
    (tmp_path / "sweep.lock").write_text(content)
    lock.acquire(tmp_path / "sweep.lock", os.getpid())
    assert (tmp_path / "sweep.lock").read_text().startswith(f"{os.getpid()} ")


def test_a_process_that_is_not_there_has_no_start():
    assert lock.started_at(999999999) is None
    assert lock.started_at(os.getpid()).isdigit()


@pytest.fixture
def others():
    """Processes that live until the test ends them."""
    command = [sys.executable, "-c", "input()"]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(6)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("content", [None, "", "garbage\n", "999999999 1\n"])
def test_of_several_that_start_at_once_one_gets_it(tmp_path, others, content):
    for number in range(40):
        path = tmp_path / f"{number}.lock"
        if content is not None:
            path.write_text(content)
        got, start = [], threading.Barrier(len(others))

        def ask(pid, path=path, got=got, start=start):
            start.wait()
            try:
                lock.acquire(path, pid)
            except LabError:
                return
            got.append(pid)

        threads = [threading.Thread(target=ask, args=(process.pid,)) for process in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [str(pid) for pid in got] == [path.read_text().split()[0]]
