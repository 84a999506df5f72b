"""Requests of an open-loop load in Locust's own statistics."""

import math
import time
from collections import Counter
from collections.abc import Sequence

import locust.stats
from locust.stats import RequestStats, StatsEntry


class LocustTally:
    """Requests for Locust's statistics, added once a second: Locust's event for each request would cost as much as
    sending it.
    """

    def __init__(self) -> None:
        self._per_second: Counter[int] = Counter()
        # In tenths of a millisecond, the finest resolution in use from Locust.
        self._tenths: Counter[int] = Counter()
        self._sum, self._least, self._greatest = 0.0, math.inf, 0.0
        self.bytes = 0
        self.errors: Counter[str] = Counter()

    def add(self, begun: Sequence[float], latency_ms: Sequence[float]) -> None:
        """Add requests that were sent and have ended; they are counted in the second of their end."""
        self._per_second.update([int(start + late * 1e-3) for start, late in zip(begun, latency_ms, strict=True)])
        self._tenths.update([int(latency * 10 + 0.5) for latency in latency_ms])
        self._sum += sum(latency_ms)
        self._least, self._greatest = min(self._least, *latency_ms), max(self._greatest, *latency_ms)

    def report(self, stats: RequestStats, method: str, name: str) -> None:
        """Add all of them to Locust's statistics."""
        for reason in self.errors.elements():
            stats.log_error(method, name, reason)
        if not self._per_second:
            return
        entry = StatsEntry(stats, name, method)
        for tenth, count in self._tenths.items():
            entry.response_times[locust.stats.bucket_response_time(tenth / 10)] += count
        entry.total_response_time = self._sum
        entry.min_response_time, entry.max_response_time = self._least, self._greatest
        entry.num_requests, entry.total_content_length = self._per_second.total(), self.bytes
        entry.num_reqs_per_sec.update(self._per_second)
        entry.last_request_timestamp = time.time()
        for total in (stats.total, stats.get(name, method)):
            total.extend(entry)
