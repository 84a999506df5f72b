"""A process with a log of its own, and how to wait for what it serves."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

APP = Path(__file__).parents[1]

# On a machine with seven times more work than cores, a start took more than 120 s.
START_SECONDS = 300
# Below what the kernel gives to outgoing connections: while a server is stopped, none may take its port.
PORTS = range(20_000, 32_000)


class NotInstalledError(RuntimeError):
    """A program that a server needs is absent; the message says how to get it."""


class NotStartedError(RuntimeError):
    """A server ended, or was not ready in time; the message has the end of its log."""


def free_port() -> int:
    """A free port of loopback."""
    while True:
        port = random.choice(PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def wait_until(condition: Callable[[], bool], process: subprocess.Popen | None = None, log: Path | None = None) -> None:
    """Return once the condition holds.

    Raises:
        NotStartedError: it did not within START_SECONDS, or the process has ended.
    """
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline or (process and process.poll() is not None):
            raise NotStartedError(f"did not come true: {log.read_text()[-3000:] if log else ''}")
        time.sleep(0.05)


def returns(url: str, status: int = 200) -> Callable[[], bool]:
    """A condition: the URL returns that status."""
    import httpx

    def is_returned() -> bool:
        try:
            return httpx.get(url, timeout=5).status_code == status
        except httpx.TransportError:
            return False

    return is_returned


@contextmanager
def running(command: list[str], env: dict[str, str], log: Path, **options) -> Iterator[subprocess.Popen]:
    """A process with its own log, ended with the block."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                # Workers outlive a supervisor that is killed.
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                process.kill()
                process.wait()
                for child in children:
                    with suppress(ProcessLookupError):
                        os.kill(int(child), signal.SIGKILL)


def base_env() -> dict[str, str]:
    """What every program of the application needs, and nothing else of this process's environment."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    keep["PATH"] = f"{Path(sys.executable).parent}:{keep.get('PATH', '/usr/bin:/bin')}"
    return keep | {"PYTHONPATH": str(APP), "OMP_NUM_THREADS": "1", "HOME": tempfile.gettempdir()}
