"""Prometheus metrics, added up over all workers of a replica."""

import os
from pathlib import Path

ENDPOINTS = frozenset({"/empty", "/normalize", "/predict", "/health", "/ready", "/metrics"})
# Seconds. Dense below the 500 ms that users usually promise, with one border right there.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def prepare_directory(directory: Path) -> None:
    """Make the directory that workers share, without the files of an earlier start. Call before any worker runs."""
    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.glob("*.db"):
        leftover.unlink()


class Metrics:
    """Counts requests by endpoint and status: of all workers where PROMETHEUS_MULTIPROC_DIR is set, else its own."""

    def __init__(self) -> None:
        directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if directory:
            Path(directory).mkdir(parents=True, exist_ok=True)
        # The library decides at import, from that variable, where values live.
        from prometheus_client import CollectorRegistry, Histogram

        self._shared = bool(directory)
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "covertype_api_request_seconds",
            "Time from the request's head to the last byte of the answer.",
            ["endpoint", "status"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._children: dict[tuple[str, int], object] = {}

    def observe(self, path: str, status: int, seconds: float) -> None:
        """Count one request. Unknown paths share one label, so that a scanner cannot fill the memory."""
        try:
            child = self._children[path, status]
        except KeyError:
            endpoint = path if path in ENDPOINTS else "other"
            child = self._seconds.labels(endpoint, str(status))
            if path in ENDPOINTS:
                self._children[path, status] = child
        child.observe(seconds)

    def render(self) -> tuple[bytes, str]:
        """The text to scrape and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

        registry = self._registry
        if self._shared:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry), CONTENT_TYPE_LATEST
