"""Start the service: ``python -m covertype_api``. Settings come from the environment, see ``settings.py``."""

import os
import signal
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Check what can be checked before any worker starts, then serve."""
    # uvicorn ends in good order and then raises the signal again; a signal to end is not a failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Before numpy or the event loop is imported anywhere, and inherited by the workers. Their own defaults are fixed or
    # sized by the host's cores; a request takes microseconds on the thread that it arrives on.
    for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "UV_THREADPOOL_SIZE"):
        os.environ.setdefault(pool, "1")
    # A lost registry must be noticed within a request's patience, not after minutes of attempts.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

    import uvicorn

    from covertype_api.metrics import prepare_directory
    from covertype_api.settings import Settings, SettingsError
    from covertype_api.variants import choose_variant

    # Without them uvicorn falls back silently to loops and parsers that are several times slower.
    for module in ("uvloop", "httptools"):
        try:
            __import__(module)
        except ImportError:
            sys.exit(f"covertype_api: {module} is missing: install requirements.txt")
    try:
        settings = Settings.from_env()
        choose_variant(settings)
    except SettingsError as error:
        sys.exit(f"covertype_api: {error}")

    notice_dead_workers()
    default = f"{tempfile.gettempdir()}/covertype_api-{os.getpid()}"
    prepare_directory(Path(os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", default)))

    uvicorn.run(
        "covertype_api.application:create_app",
        factory=True,
        host="0.0.0.0",
        port=settings.port,
        workers=settings.web_concurrency,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        # Longer than any client or proxy keeps an idle connection, so that it is never the server that hangs up.
        timeout_keep_alive=75,
        # A worker on a small share of a CPU needs long to import; the default of 5 s kills it again and again.
        timeout_worker_healthcheck=120,
        timeout_graceful_shutdown=10,
        backlog=2048,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_level="info",
    )


def notice_dead_workers() -> None:
    """Let the supervisor see at once that a worker has died during a health check of the supervisor.

    uvicorn's parent keeps the child's end of their pipe open, so it waits for a reply until its timeout. This timeout
    is long here, because a worker with little CPU replies late.
    """
    from uvicorn.supervisors.multiprocess import Process

    start = Process.start

    def start_and_let_go(self: Process) -> None:
        start(self)
        self.child_conn.close()

    Process.start = start_and_let_go


if __name__ == "__main__":
    main()
