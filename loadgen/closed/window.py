"""The requests of one probe of users: settling and measured window, summed up by second as they end."""

import math
from collections import defaultdict
from typing import Any

from loadgen.common.bins import Bin
from loadgen.common.histogram import encode_histogram
from loadgen.shared.request_record import COUNTS, OK


class Window:
    """Sums of requests that begin from ``settle_seconds`` before the window until its end.

    A response after the timeout counts as missing, whatever its status.

    Args:
        begin_seconds: epoch seconds when settling begins.
        settle_seconds: before the window.
        measure_seconds: length of the window.
        timeout_seconds: the latest response that counts.
    """

    def __init__(
        self, begin_seconds: float, settle_seconds: float, measure_seconds: float, timeout_seconds: float
    ) -> None:
        self.start_seconds = begin_seconds + settle_seconds
        self.end_seconds = self.start_seconds + measure_seconds
        self._begin_seconds, self._timeout_ms = begin_seconds, 1000 * timeout_seconds
        self._bins: dict[int, Bin] = defaultdict(Bin)
        self._seconds = range(-math.ceil(settle_seconds), math.ceil(measure_seconds))

    def __contains__(self, start_seconds: float) -> bool:
        return self._begin_seconds <= start_seconds < self.end_seconds

    def add(self, start_seconds: float, latency_ms: float, outcome: float) -> None:
        """Add a request that has ended."""
        if start_seconds not in self:
            return
        current = self._bins[math.floor(start_seconds - self.start_seconds)]
        current.offered += 1
        if not latency_ms <= self._timeout_ms:
            current.timed_out += 1
            latency_ms = self._timeout_ms
        elif outcome == OK:
            current.ok += 1
            # Rounded down from 2048 us on, as in common/histogram.py.
            value = int(latency_ms * 1000 + 0.5)
            low = value.bit_length() - 11
            current.latencies_us[value if low <= 0 else value >> low << low] += 1
        else:
            current.failed += 1
        current.latency_ms_sum += latency_ms
        self._add_in_flight(start_seconds, start_seconds + latency_ms / 1000)

    def add_waiting(self, start_seconds: float, now_seconds: float) -> None:
        """Add a request that has no response yet."""
        self.add(start_seconds, max(1000 * (now_seconds - start_seconds), self._timeout_ms * 1.000001), OK)

    @property
    def offered(self) -> int:
        """The number of requests so far."""
        return sum(part.offered for part in self._bins.values())

    def note_cpu(self, second: int, percent: float) -> None:
        """The CPU use of this process in one second of the window."""
        self._bins[second].cpu_percent = percent

    def summarize(self) -> dict[str, Any]:
        """The part of a worker's summary that `merge` adds up."""
        bins = []
        for second in self._seconds:
            current = self._bins[second]
            current.in_flight_seconds = min(1.0, self.end_seconds - self.start_seconds - second)
            bins.append(current.as_json(second))
        return {
            "window_start": self.start_seconds,
            "window_end": self.end_seconds,
            **{name: sum(part[name] for part in bins) for name in COUNTS},
            "in_flight_end": 0,
            "bins": bins,
            # A user sends its request at once.
            "lag_histogram": encode_histogram({}),
            "errors": {},
            "connections": {"opened": 0, "closed_idle": 0, "resent": 0},
        }

    def _add_in_flight(self, start_seconds: float, end_seconds: float) -> None:
        begin, end = start_seconds - self.start_seconds, min(end_seconds, self.end_seconds) - self.start_seconds
        for second in range(math.floor(begin), math.ceil(end)):
            self._bins[second].in_flight_area += min(end, second + 1) - max(begin, second)
