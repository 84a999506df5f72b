"""Runs ansible-playbook on this machine with the settings of the repository, and returns what a terminal shows."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def command(folder: Path, *arguments: str) -> list[str]:
    """The line for ``play.yml`` and ``hosts.json`` of a folder."""
    given = ["-i", str(folder / "hosts.json"), str(folder / "play.yml")]
    return [sys.executable, "-m", "ansible", "playbook", *given, *arguments]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of this process, without variables that would change the output."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "LAB_"))}
    own = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp")}
    own |= {"ANSIBLE_REMOTE_TEMP": str(folder / "tmp"), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "160"}
    own |= {"ANSIBLE_SSH_RETRIES": "0", "LAB_LOG_DIRECTORY": str(folder / "log")}
    return kept | own | more


def play(folder: Path, *arguments: str, **more: str) -> tuple[int, str, str]:
    """Exit code, output and errors, without a terminal."""
    line, env = command(folder, *arguments), environment(folder, **more)
    done = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def play_in_terminal(
    folder: Path, *arguments: str, interrupt_at: Callable[[str], bool] | None = None, **more: str
) -> str:
    """Return the raw bytes that a terminal gets.

    Args:
        folder: with play.yml and hosts.json.
        arguments: of ansible-playbook.
        interrupt_at: Ctrl-C is pressed once, when this is true of what has been printed.
        more: environment variables.
    """
    terminal, end = pty.openpty()
    with subprocess.Popen(
        command(folder, *arguments),
        cwd=ROOT,
        env=environment(folder, **more),
        stdin=subprocess.DEVNULL,
        stdout=end,
        stderr=end,
        start_new_session=True,
    ) as process:
        os.close(end)
        seen = b""
        while True:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # EIO: the other side is closed
                break
            if not part:
                break
            seen += part
            if interrupt_at is not None and interrupt_at(seen.decode(errors="replace")):
                os.killpg(process.pid, signal.SIGINT)
                interrupt_at = None
    os.close(terminal)
    return seen.decode().replace("\r\n", "\n")


def screen(text: str) -> list[str]:
    """Return the lines that stay, without text that was overwritten or erased."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            column = 0
            for number, piece in enumerate(part.split("\x1b[K")):
                rest = "" if number else shown[column + len(piece) :]
                shown, column = shown[:column] + piece + rest, column + len(piece)
        lines.append(shown)
    return lines
