"""Prometheus metrics, added up over all workers of a replica.

Observations are collected in memory and handed to the library a few times a second: a request pays for a list append
instead of for writing to shared files. What other workers have seen may therefore be FLUSH_SECONDS old.
"""

import asyncio
import bisect
import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Histogram

ENDPOINTS = frozenset({"/empty", "/normalize", "/predict", "/health", "/ready", "/metrics"})
# Seconds. From an empty request to a model that is loaded for each; one border at the 500 ms that users often promise.
BUCKETS = (
    *(0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
# Seconds.
FLUSH_SECONDS = 0.25

Labels = tuple[str, ...]


def prepare_directory(directory: Path) -> None:
    """Make the directory that workers share, without the files of an earlier start. Call before any worker runs."""
    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.glob("*.db"):
        leftover.unlink()


class Metrics:
    """Seconds of requests by endpoint and status, and of their parts: of all workers where PROMETHEUS_MULTIPROC_DIR is
    set, else its own."""

    def __init__(self, info: dict[str, str] | None = None) -> None:
        directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if directory:
            Path(directory).mkdir(parents=True, exist_ok=True)
        # The library decides at import, from that variable, where values live.
        from prometheus_client import CollectorRegistry, Gauge, Histogram

        self._shared = bool(directory)
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "covertype_api_request_seconds",
            "Time from the request's head to the last byte of the response.",
            ["endpoint", "status"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._parts = Histogram(
            "covertype_api_part_seconds",
            "Where the time of a request goes: database, mlflow, preparing, inference. The rest is HTTP.",
            ["endpoint", "part"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        if info:
            gauge = Gauge(
                "covertype_api_variant_info",
                "The variant of the service that runs.",
                list(info),
                registry=self._registry,
                multiprocess_mode="max",
            )
            gauge.labels(**info).set(1)
        self._pending: list[tuple[Histogram, Labels, list[float]]] = []
        self._request_lists: dict[tuple[str, int], list[float]] = {}
        self._flush_is_due = False

    def part(self, endpoint: str, part: str) -> Callable[[float], None]:
        """A function that notes the seconds of one part of one request. The request itself is noted by `request`."""
        return self._new_list(self._parts, (endpoint, part)).append

    def request(self, path: str, status: int, seconds: float) -> None:
        """Note one request. Unknown paths share one label, so that a scanner cannot fill the memory."""
        try:
            self._request_lists[path, status].append(seconds)
        except KeyError:
            endpoint = path if path in ENDPOINTS else "other"
            key = endpoint, status
            if key not in self._request_lists:
                self._request_lists[key] = self._new_list(self._requests, (endpoint, str(status)))
            self._request_lists[key].append(seconds)
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Hand over what was collected."""
        self._flush_is_due = False
        for histogram, labels, seconds in self._pending:
            if seconds:
                observe_many(histogram.labels(*labels), seconds)
                seconds.clear()

    def render(self) -> tuple[bytes, str]:
        """The text to scrape and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

        self.flush()
        registry = self._registry
        if self._shared:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def _new_list(self, histogram: "Histogram", labels: Labels) -> list[float]:
        seconds: list[float] = []
        self._pending.append((histogram, labels, seconds))
        return seconds


def observe_many(histogram: "Histogram", seconds: Iterable[float]) -> None:
    """``histogram.observe`` for each value, with one write for each bucket instead of two for each value.

    The library has no public way to do so; its lock file pins the version that this fits.
    """
    counts: dict[int, int] = {}
    total = 0.0
    for value in seconds:
        bucket = bisect.bisect_left(BUCKETS, value)
        counts[bucket] = counts.get(bucket, 0) + 1
        total += value
    histogram._sum.inc(total)
    for bucket, count in counts.items():
        histogram._buckets[bucket].inc(count)


@contextlib.contextmanager
def flushed(metrics: Metrics):
    """Hands over what is left when the block ends."""
    try:
        yield
    finally:
        metrics.flush()
