"""The output of a playbook: a terminal with a moving line, or a file with a sign of life; and the log."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from swarmsweep.report.phase_text import heartbeat_due

REFRESH_SECONDS = 1.0
# The number of logs that are kept, the newest ones: some days of work, some megabytes.
KEPT_LOGS = 30

# Of a log: verb or playbook, UTC time, process. Other files of the folder are not the lab's.
_LOG_NAME = re.compile(r".+-\d{8}T\d{6}Z-\d+\.log")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def own_logs(folder: Path) -> list[Path]:
    """The logs of the lab in a folder that the user may have chosen."""
    return [path for path in folder.glob("*.log") if _LOG_NAME.fullmatch(path.name)]


class LogFile:
    """All output of Ansible, in a file that only its owner can read. Without a folder there is no log."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self._file: int | None = None

    def open(self, folder: Path, name: str, now: datetime | None = None) -> None:
        """Open ``<name>-<UTC time>.log``, and remove the oldest logs beyond the limit."""
        stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / f"{name}-{stamp}-{os.getpid()}.log"
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self.path = path
            logs = sorted(own_logs(folder), key=lambda log: log.stat().st_mtime, reverse=True)
            for log in logs[KEPT_LOGS:]:
                log.unlink()

    def write(self, text: str) -> None:
        """Append lines. The first of them gets the time."""
        if self._file is None:
            return
        lines = _COLOURS.sub("", text).strip("\n")
        with contextlib.suppress(OSError):
            # Unbuffered: a fork would write the content of a buffer a second time.
            os.write(self._file, f"{datetime.now():%H:%M:%S} {lines}\n".encode(errors="replace"))


class Screen:
    """Standard output, on which one line may move and gives way to all that is printed.

    Args:
        write: prints a text with the options of its caller; called for all that is to be seen.
        moves: a terminal is there, and a line may move on it. Without, the line is printed now and then.
    """

    def __init__(self, write: Callable[..., None], *, moves: bool) -> None:
        self._write = write
        self._moves = moves
        self._text: Callable[[], str] | None = None
        self._shown = False
        self._printed = time.monotonic()
        self._beats = 0
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._process = os.getpid()
        atexit.register(self.stop)
        threading.Thread(target=self._run, daemon=True).start()

    @property
    def is_mine(self) -> bool:
        """Tasks run in forks of this process. A fork does not own the line, and its copy of the lock may never be
        released.
        """
        return os.getpid() == self._process

    @contextlib.contextmanager
    def cleared(self) -> Iterator[None]:
        """Remove the moving line while other text is printed."""
        with self._lock:
            self._wipe()
            yield
            # A fork would print the rest of the buffer a second time.
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            self._printed = time.monotonic()
            self._beats = 0

    def print(self, text: str, **options: object) -> None:
        """Print lines that stay."""
        with self.cleared():
            self._write(text, **options)

    def show(self, text: Callable[[], str] | None) -> None:
        """``text()`` is the moving line from now on; None for no line."""
        with self._lock:
            self._wipe()
            self._text = text

    def stop(self) -> None:
        """No line moves any more."""
        if self.is_mine:
            self._stopped.set()
            self.show(None)

    def _run(self) -> None:
        while not self._stopped.wait(REFRESH_SECONDS):
            with self._lock:
                if self._text is None or self._stopped.is_set():
                    continue
                if self._moves:
                    # A wrapped line could not be overwritten.
                    self._put(f"\r{self._text()[: shutil.get_terminal_size().columns - 1]}\x1b[K")
                    self._shown = True
                elif heartbeat_due(time.monotonic() - self._printed, self._beats):
                    self._put(f"{self._text()}\n")
                    self._beats += 1

    def _wipe(self) -> None:
        if self._shown:
            self._put("\r\x1b[K")
            self._shown = False

    def _put(self, text: str) -> None:
        # Not through sys.stdout, because a fork may happen meanwhile.
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.stdout.fileno(), text.encode(errors="replace"))
