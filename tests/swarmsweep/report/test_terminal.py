"""The log, and the line that gives way: on files, as a pipe has no terminal. On a terminal: tests/plugins."""

import os
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from swarmsweep.report.terminal import KEPT_LOGS, LogFile

NOW = datetime(2026, 11, 22, 11, 45, 12, tzinfo=UTC)


def test_a_log_is_its_owners_and_has_the_time_and_no_colours(tmp_path):
    log = LogFile()
    log.write("before it is open")
    log.open(tmp_path / "deep/log", "site", NOW)
    log.write("\nTASK [x]\nmore\n")
    log.write("\x1b[0;32mok\x1b[0m")
    assert log.path is not None
    assert re.fullmatch(r"site-20261122T114512Z-\d+\.log", log.path.name)
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700
    first, second, third = log.path.read_text().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d TASK \[x\]", first)
    assert second == "more"
    assert re.fullmatch(r"\d\d:\d\d:\d\d ok", third)


def test_the_oldest_of_too_many_logs_go(tmp_path):
    for number in range(KEPT_LOGS + 5):
        path = tmp_path / f"site-20200101T000000Z-{number}.log"
        path.touch()
        moment = (NOW - timedelta(days=1000 - number)).timestamp()
        os.utime(path, (moment, moment))
    others = ("notes.txt", "mine.log", "site-notes.log", "-20200101T000000Z-1.log")
    for name in others:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1))
    log = LogFile()
    log.open(tmp_path, "site", NOW)
    left = sorted({path.name for path in tmp_path.iterdir()} - set(others))
    assert len(left) == KEPT_LOGS
    assert log.path is not None and log.path.name in left
    assert "site-20200101T000000Z-5.log" not in left and "site-20200101T000000Z-6.log" in left
    assert all((tmp_path / name).exists() for name in others)


def test_a_folder_that_cannot_be_made_has_no_log(tmp_path):
    (tmp_path / "log").write_text("")
    log = LogFile()
    log.open(tmp_path / "log", "site", NOW)
    log.write("lost")
    assert log.path is None


PROGRAM = """\
import sys, time
from swarmsweep.report import phase_text, terminal
terminal.REFRESH_SECONDS = 0.01
phase_text.HEARTBEAT_SECONDS = 0.3
screen = terminal.Screen(lambda text: print(text), moves=sys.argv[1] == "moves")
beats = iter(range(10**6))
screen.print("first")
screen.show(lambda: f"at work {next(beats)}")
time.sleep(2)
screen.print("second")
screen.show(None)
"""


@pytest.mark.parametrize("moves", [True, False])
def test_a_line_moves_or_is_a_sign_of_life(moves):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "moves" if moves else "still"],
        cwd=Path(__file__).parents[3], capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == b""
    if moves:
        assert re.fullmatch(rb"first\n(\rat work \d+\x1b\[K)+\r\x1b\[Ksecond\n", done.stdout)
    else:
        # Each after twice the time: two in the two seconds, and one less or more where the machine is busy.
        assert re.fullmatch(rb"first\n(at work \d\n){1,3}second\n", done.stdout)
