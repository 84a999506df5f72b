"""All servers that the API depends on, and the application's own commands beside them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.dependencies.mlflow_server import Mlflow, mlflow_server
from app.dependencies.postgres import Postgres, postgres_cluster
from app.dependencies.processes import base_env
from app.dependencies.redis_server import Redis


@dataclass(frozen=True)
class Lab:
    """PostgreSQL, Redis and an MLflow server; ``env`` leads to all three."""

    postgres: Postgres
    redis: Redis
    mlflow: Mlflow
    env: dict[str, str]

    def python(self, *arguments: str, **env: str) -> subprocess.CompletedProcess:
        """Run a module of the application to its end."""
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, env=self.env | env, capture_output=True, text=True, timeout=300)

    def train(self, *arguments: str, **env: str) -> dict:
        """The one line that training prints."""
        done = self.python("covertype_api.train", *arguments, **env)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("\n") == 1, done.stdout
        return json.loads(done.stdout)


@contextmanager
def dependencies(directory: Path) -> Iterator[Lab]:
    """All three servers, empty.

    Raises:
        NotInstalledError, NotStartedError.
    """
    for name in ("redis", "mlflow"):
        (directory / name).mkdir()
    redis = Redis(directory / "redis")
    with postgres_cluster() as postgres, postgres.serve(), redis.serve():
        env = base_env() | postgres.env | redis.env
        with mlflow_server(env, directory / "mlflow") as mlflow:
            yield Lab(postgres, redis, mlflow, env | {"MLFLOW_TRACKING_URI": mlflow.uri})
