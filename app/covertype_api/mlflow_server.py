"""Run the MLflow server on PostgreSQL, in this process: ``python -m covertype_api.mlflow_server [options]``.

PostgreSQL's password is libpq's business: PGPASSFILE names its file. Further options go to ``mlflow server``.
"""

import os
import sys
import time
from typing import Any, NoReturn

from covertype_api.settings import Settings, SettingsError

ALLOWED_HOSTS = "mlflow,mlflow:5000,localhost,localhost:*,127.0.0.1,127.0.0.1:*"


def wait_for_postgres(settings: Settings, patience_seconds: float) -> None:
    """Return when PostgreSQL accepts connections. The server of MLflow would leave at once instead of waiting.

    Raises:
        TimeoutError: it did not within ``patience_seconds``; the message has the last error.
    """
    import psycopg2

    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            psycopg2.connect(
                host=settings.postgres_host,
                port=settings.postgres_port,
                dbname=settings.postgres_db,
                user=settings.postgres_user,
                connect_timeout=3,
            ).close()
            return
        except psycopg2.OperationalError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"PostgreSQL did not respond within {patience_seconds:g} s: {error}") from error
            time.sleep(0.5)


def become(command: list[str], extra_env: dict[str, str] | None = None, **_: Any) -> NoReturn:
    """Turn this process into a command."""
    os.execvpe(command[0], command, os.environ | (extra_env or {}))


def serve(settings: Settings, options: list[str]) -> None:
    """Never returns while the server runs."""
    env = os.environ
    env["MLFLOW_BACKEND_STORE_URI"] = (
        f"postgresql+psycopg2://{settings.postgres_user}@{settings.postgres_host}:{settings.postgres_port}"
        f"/{settings.postgres_db}"
    )
    # This address is for clients; the server itself would take it for its own store.
    env.pop("MLFLOW_TRACKING_URI", None)

    import mlflow.server
    from mlflow.cli import cli

    # MLflow starts uvicorn as a child and stays as an idle parent of 260 MB; becoming uvicorn halves the container.
    mlflow.server._exec_cmd = become
    arguments = ["server", "--host", env.get("MLFLOW_HOST", "0.0.0.0"), "--port", env.get("MLFLOW_PORT", "5000")]
    arguments += ["--workers", "1", "--uvicorn-opts", "--timeout-keep-alive 75 --log-level warning"]
    arguments += ["--artifacts-destination", env.get("MLFLOW_ARTIFACTS_DESTINATION", "/mlflow/artifacts")]
    arguments += ["--serve-artifacts", "--allowed-hosts", env.get("MLFLOW_SERVER_ALLOWED_HOSTS", ALLOWED_HOSTS)]
    cli([*arguments, *options])


def main() -> None:
    """Wait for PostgreSQL, then serve."""
    try:
        settings = Settings.from_env()
        wait_for_postgres(settings, float(os.environ.get("POSTGRES_WAIT_SECONDS", "180")))
    except (SettingsError, TimeoutError, ValueError) as error:
        sys.exit(f"covertype_api.mlflow_server: {error}")
    serve(settings, sys.argv[1:])


if __name__ == "__main__":
    main()
