"""The lock of a clone, with processes that really live and end."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from swarmsweep.errors import LabError
from swarmsweep.lab import lock
from swarmsweep.lab.lock_holder import Holder, holder_of
from swarmsweep.lab.processes import started_at

COMMAND = ["/usr/bin/ansible-playbook", "sweep.yml", "-e", "sweep=sweeps/quick.yml", "-e", "token=hunter2"]


def holder(pid: int, run: str | None = None) -> Holder:
    return holder_of(pid, COMMAND, Path("/srv/clone"), 1795000000.4, run)


@pytest.fixture
def other():
    """A process that lives until the test ends it."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_a_living_process_keeps_it_and_is_named_with_its_command_and_run(tmp_path, other):
    lock.acquire(tmp_path / "sweep.lock", holder(other.pid, "/srv/clone/reports/20261129T120000Z-quick"))
    for refused in (lock.acquire, lock.refuse):
        with pytest.raises(LabError) as error:
            refused(tmp_path / "sweep.lock", holder(os.getpid()))
        words = str(error.value)
        assert f"kill {other.pid} && ./lab stop" in words
        assert "ansible-playbook sweep.yml -e sweep=sweeps/quick.yml" in words
        assert "run 20261129T120000Z-quick, since 2026-11-18 " in words
        assert "hunter2" not in words
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.lock"]


def test_its_holder_is_a_process_that_lives(tmp_path, other):
    assert lock.holder(tmp_path / "sweep.lock") is None
    lock.acquire(tmp_path / "sweep.lock", holder(other.pid))
    assert lock.holder(tmp_path / "sweep.lock") == other.pid
    other.kill()
    other.wait()
    assert lock.holder(tmp_path / "sweep.lock") is None
    lock.refuse(tmp_path / "sweep.lock", holder(os.getpid()))


@pytest.mark.parametrize(
    ("command", "is_sweep"),
    [
        (COMMAND, True),
        (["ansible-playbook", "-i", "inventory/lab", "-e", "@***", "/srv/clone/sweep.yml"], True),
        (["ansible-playbook", "playbooks/check.yml", "-e", "sweep=sweeps/sweep.yml"], False),
        (["ansible-playbook", "site.yml", "-i", "inventory/lab"], False),
    ],
)
def test_a_sweep_that_holds_it_is_found(tmp_path, other, command, is_sweep):
    assert lock.running_sweep(tmp_path) is None
    mine = holder_of(other.pid, command, Path("/srv/clone"), 1795000000.4, "/srv/clone/reports/x")
    lock.acquire(tmp_path / "mine/sweep.lock", mine)
    # Of another lab, which began before.
    earlier = replace(holder(os.getpid()), since=1.0)
    lock.acquire(tmp_path / "others/sweep.lock", earlier)
    assert lock.running_sweep(tmp_path) == (mine if is_sweep else earlier)
    other.kill()
    other.wait()
    assert lock.running_sweep(tmp_path) == earlier


def test_a_process_that_ended_loses_it(tmp_path, other):
    lock.acquire(tmp_path / "sweep.lock", holder(other.pid))
    other.kill()
    other.wait()
    lock.acquire(tmp_path / "sweep.lock", holder(os.getpid()))
    assert lock.holder(tmp_path / "sweep.lock") == os.getpid()


def test_a_later_process_of_the_same_number_does_not_count(tmp_path):
    (tmp_path / "sweep.lock").write_text(f"{os.getppid()} 1\n")
    lock.acquire(tmp_path / "sweep.lock", holder(os.getpid()))
    assert lock.holder(tmp_path / "sweep.lock") == os.getpid()


def test_it_may_be_taken_again_by_its_holder_and_keeps_its_beginning(tmp_path, other):
    path = tmp_path / "deep/sweep.lock"
    lock.acquire(path, holder(other.pid))
    lock.acquire(path, replace(holder(other.pid, "/r/20261129T120000Z-quick"), since=1795009999))
    assert path.parent.stat().st_mode & 0o077 == 0
    assert lock.holder(path) == other.pid
    with pytest.raises(LabError, match="run 20261129T120000Z-quick, since 2026-11-18 "):
        lock.refuse(path, holder(os.getpid()))


# The last is that of an earlier version.
@pytest.mark.parametrize("content", ["{pid} {start}\n", "{pid} {start}\ndamaged\n"])
def test_a_lock_without_a_description_still_names_the_process(tmp_path, other, content):
    (tmp_path / "sweep.lock").write_text(content.format(pid=other.pid, start=started_at(other.pid)))
    with pytest.raises(LabError, match=rf"process {other.pid}\).*kill {other.pid} && ./lab stop"):
        lock.acquire(tmp_path / "sweep.lock", holder(os.getpid()))


@pytest.mark.parametrize("content", ["", "garbage\n", "12 34 56\n", "999999999 1\n", "999999999 1\n{}\n"])
def test_a_damaged_lock_is_replaced(tmp_path, content):
    (tmp_path / "sweep.lock").write_text(content)
    lock.acquire(tmp_path / "sweep.lock", holder(os.getpid()))
    assert lock.holder(tmp_path / "sweep.lock") == os.getpid()


def test_a_process_that_is_not_there_has_no_start():
    assert started_at(999999999) is None
    assert started_at(os.getpid()).isdigit()
    with pytest.raises(LabError, match="process 999999999 has ended"):
        holder_of(999999999, COMMAND, Path("/srv/clone"), time.time())


def test_a_process_that_ended_counts_as_such_before_its_parent_waits_for_it():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert started_at(process.pid) is None


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
    holders = [holder(process.pid) for process in others]
    for number in range(40):
        path = tmp_path / f"{number}.lock"
        if content is not None:
            path.write_text(content)
        got, start = [], threading.Barrier(len(others))

        def ask(mine, path=path, got=got, start=start):
            start.wait()
            try:
                lock.acquire(path, mine)
            except LabError:
                return
            got.append(mine.process)

        threads = [threading.Thread(target=ask, args=(mine,)) for mine in holders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [lock.holder(path)]
