"""The lock of a lab, with processes that really live and end."""

import os
import subprocess
import sys

import pytest

from swarmsweep import lock
from swarmsweep.errors import LabError


@pytest.fixture
def other():
    """A process that lives until the test ends it."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_a_living_process_keeps_it(tmp_path, other):
    lock.take(tmp_path / "sweep.lock", other.pid)
    with pytest.raises(LabError, match=rf"process {other.pid}.*lab stop"):
        lock.take(tmp_path / "sweep.lock", os.getpid())
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.lock"]


def test_a_process_that_ended_loses_it(tmp_path, other):
    lock.take(tmp_path / "sweep.lock", other.pid)
    other.kill()
    other.wait()
    lock.take(tmp_path / "sweep.lock", os.getpid())
    assert (tmp_path / "sweep.lock").read_text().startswith(f"{os.getpid()} ")


def test_a_later_process_of_the_same_number_does_not_count(tmp_path):
    (tmp_path / "sweep.lock").write_text(f"{os.getppid()} 1\n")
    lock.take(tmp_path / "sweep.lock", os.getpid())
    assert (tmp_path / "sweep.lock").read_text().startswith(f"{os.getpid()} ")


def test_it_may_be_taken_again_by_its_holder(tmp_path):
    for _ in range(2):
        lock.take(tmp_path / "deep/sweep.lock", os.getpid())


@pytest.mark.parametrize("content", ["", "garbage\n", "12 34 56\n", "999999999 1\n"])
def test_a_damaged_lock_is_replaced(tmp_path, content):
    (tmp_path / "sweep.lock").write_text(content)
    lock.take(tmp_path / "sweep.lock", os.getpid())
    assert (tmp_path / "sweep.lock").read_text().startswith(f"{os.getpid()} ")


def test_a_process_that_is_not_there_has_no_start():
    assert lock.started_at(999999999) is None
    assert lock.started_at(os.getpid()).isdigit()
