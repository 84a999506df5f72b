"""An MLflow server of its own, started as its image starts it."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.dependencies.processes import APP, free_port, returns, running, wait_until


@dataclass(frozen=True)
class Mlflow:
    """A running MLflow server, whose log has every request."""

    uri: str
    process: subprocess.Popen
    log: Path

    def requests(self, text: str) -> list[int]:
        """The client's port, which is the connection, of each request so far that has a text in its path."""
        pattern = re.compile(rf'127\.0\.0\.1:(\d+) - "GET [^"]*{re.escape(text)}')
        return [int(port) for port in pattern.findall(self.log.read_text())]


@contextmanager
def mlflow_server(env: dict[str, str], directory: Path) -> Iterator[Mlflow]:
    """MLflow as its image starts it, on the PostgreSQL that ``env`` leads to.

    Raises:
        NotStartedError.
    """
    port = free_port()
    server_env = {
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_ARTIFACTS_DESTINATION": str(directory / "artifacts"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    uri = f"http://127.0.0.1:{port}"
    log = directory / "log"
    # The last of repeated options wins: the log of requests, which the application switches off, is evidence here.
    options = ["--uvicorn-opts", "--timeout-keep-alive 75 --log-level info"]
    command = ["sh", str(APP / "mlflow-entrypoint.sh"), "server", *options]
    with running(command, env | server_env, log, cwd=directory) as process:
        wait_until(returns(f"{uri}/health"), process, log)
        yield Mlflow(uri, process, log)
