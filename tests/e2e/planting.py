"""Runs plant.py where something is to be planted, while a block of a test runs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.e2e.machines import NAME, Lab, ssh_command

SCRIPT = Path(__file__).with_name("plant.py")
TRIAL_FOLDER = f"/opt/swarmsweep/trial-{NAME}"


@contextlib.contextmanager
def planting(lab: Lab, side: str) -> Iterator[list[str]]:
    """Plants on one machine while the block runs; the list gets what was planted. ``side``: 'api' or 'load'."""
    script = "/root/plant.py"
    copied = lab.ssh(side, f"cat > {script}", text=SCRIPT.read_text())
    assert copied.returncode == 0, copied.stderr
    with _running(ssh_command(side, "python3", script, side, NAME, TRIAL_FOLDER)) as planted:
        yield planted


@contextlib.contextmanager
def planting_beside(core: str) -> Iterator[list[str]]:
    """The same on the computer that both machines share, on one of its cores."""
    with _running([sys.executable, str(SCRIPT), "beside", core]) as planted:
        yield planted


@contextlib.contextmanager
def _running(command: Sequence[str]) -> Iterator[list[str]]:
    planted: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield planted
        finally:
            # The end of its standard input ends it; so does the end of this process, whatever ended that.
            out, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    planted += out.split()
