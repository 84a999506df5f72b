"""The API itself, started as its image starts it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.dependencies.processes import free_port, returns, running, wait_until

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class Api:
    """A running service."""

    url: str
    client: "httpx.Client"
    process: subprocess.Popen
    log: Path

    def waiting_for(self) -> dict[str, str]:
        """What it waits for, and why; empty once it is ready."""
        return self.client.get("/ready").json().get("waiting_for", {})

    def wait_for_reason(self, source: str, text: str) -> None:
        """Return when the reason to wait for a source has a text in it."""
        wait_until(lambda: text in self.waiting_for().get(source, ""), self.process, self.log)

    def wait_until_ready(self) -> None:
        """Return when all workers are: each response may come from another one, so several in a row must agree."""
        ready = returns(f"{self.url}/ready")
        wait_until(lambda: all(ready() for _ in range(10)), self.process, self.log)


@contextmanager
def serving(env: dict[str, str], directory: Path, workers: int = 1) -> Iterator[Api]:
    """The service as its image starts it: alive, maybe not yet ready.

    Raises:
        NotStartedError.
    """
    import httpx

    port = free_port()
    log = directory / "api.log"
    extra = {
        "PORT": str(port),
        "WEB_CONCURRENCY": str(workers),
        "PYTHONUNBUFFERED": "1",
        "PROMETHEUS_MULTIPROC_DIR": str(directory / "prometheus"),
    }
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "covertype_api"]
    with (
        running(command, env | extra, log, cwd=directory) as process,
        httpx.Client(base_url=url, timeout=20) as client,
    ):
        wait_until(returns(f"{url}/health"), process, log)
        yield Api(url, client, process, log)
