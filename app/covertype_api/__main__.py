"""Start the service: ``python -m covertype_api``. Settings come from the environment, see ``settings.py``."""

import os
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Check what can be checked before any worker starts, then serve."""
    # Before numpy is imported anywhere, and inherited by the workers.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

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
        choose_variant(settings.api_variant)
    except SettingsError as error:
        sys.exit(f"covertype_api: {error}")

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


if __name__ == "__main__":
    main()
