"""Follows a file on a host from a thread, while an Ansible action waits for the end of a load."""

from __future__ import annotations

import contextlib
import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostlink.live_program
from hostlink.channel import Channel
from swarmsweep.errors import LabError

# Seconds before a connection that was lost is opened again.
AGAIN_SECONDS = 2.0
# Seconds for the thread to end. Without an end, its ssh is ended.
END_SECONDS = 5.0
# Of the last line of errors. It names the cause.
ERROR_CHARACTERS = 200


class LiveReader:
    """Calls ``keep`` with each new content of a file. Use it in ``with``. Nothing that fails here fails the action.

    Args:
        connection: of the action.
        path: of the file on the host.
        max_seconds: after which the program on the host ends in any case.
        keep: gets one line of text, from a thread.
        lost: gets the reason each time that no further line can come for now, from the same thread.
    """

    def __init__(
        self,
        connection: Any,
        path: str,
        max_seconds: float,
        keep: Callable[[str], None],
        lost: Callable[[str], None] = lambda _: None,
    ) -> None:
        program = Path(hostlink.live_program.__file__).read_text(encoding="utf-8")
        # -I and -S: a shorter start, and no code of the host's.
        words = ["python3", "-I", "-S", "-u", "-c", program, path, f"{max_seconds:g}"]
        self._command = f"exec {shlex.join(words)}"
        self._connection, self._keep, self._lost = connection, keep, lost
        self._channel: Channel | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> LiveReader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._close_input()
        self._thread.join(END_SECONDS)
        channel = self._channel
        if self._thread.is_alive() and channel is not None:
            with contextlib.suppress(OSError, AttributeError):
                channel.process.kill()
            self._thread.join(END_SECONDS)

    def _close_input(self) -> None:
        """The program on the host ends with its input."""
        channel = self._channel
        with contextlib.suppress(OSError, AttributeError, ValueError):
            if channel is not None and channel.process.stdin is not None:
                channel.process.stdin.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                reason = self._follow()
            except (OSError, ValueError, LabError) as error:
                reason = str(error)
            self._channel = None
            if not self._stopped.is_set():
                self._lost(reason)
            self._stopped.wait(AGAIN_SECONDS)

    def _follow(self) -> str:
        """Keep each line until the program ends, and return why it ended."""
        channel = Channel(self._connection, self._command)
        with channel:
            self._channel = channel
            if self._stopped.is_set():
                return ""
            for line in channel.lines():
                if self._stopped.is_set():
                    break
                self._keep(line)
            if self._stopped.is_set():
                return ""
            code, errors = channel.ended()
        last = (errors.splitlines() or [""])[-1][:ERROR_CHARACTERS]
        return f"the connection to the load host ended with exit code {code}" + (f": {last}" if last else "")
