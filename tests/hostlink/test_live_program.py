"""A small file on a host is printed again each time that it changes, and nothing else of the host is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import hostlink.live_program

PROGRAM = Path(hostlink.live_program.__file__).read_text(encoding="utf-8")


@contextmanager
def following(path: Path, seconds: float = 60) -> Iterator[subprocess.Popen]:
    """The program as the controller starts it."""
    command = [sys.executable, "-I", "-S", "-u", "-c", PROGRAM, str(path), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        yield process
        process.kill()


def replace(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def test_each_version_is_one_line_and_the_end_of_the_input_is_the_end(tmp_path):
    path = tmp_path / "live.json"
    with following(path) as process:
        for number in range(3):
            replace(path, f'{{"n":\n {number}}}\n')
            assert process.stdout.readline() == f'{{"n": {number}}}\n'.encode()
        process.stdin.close()
        assert process.stdout.read() == b""
        assert (process.wait(10), process.stderr.read()) == (0, b"")


def test_it_ends_by_itself(tmp_path):
    with following(tmp_path / "live.json", seconds=0.6) as process:
        assert process.wait(30) == 0


# The folder belongs to the user of a load, whose scenario may put anything there. The program is run by root.
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "long", "of another user"])
def test_what_a_scenario_may_put_there_is_not_read(tmp_path, kind):
    path, secret = tmp_path / "live.json", tmp_path / "secret"
    secret.write_text("hunter2")
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "long":
        path.write_text("x" * 5000)
    else:
        if os.geteuid() != 0:
            pytest.skip("only root can give a file to another user")
        path.write_text("hunter2")
        os.chown(path, 12345, -1)
    with following(path, seconds=1.2) as process:
        out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == (b"", b"", 0)
