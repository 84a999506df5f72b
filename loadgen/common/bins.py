"""A worker's counts for each second of a probe."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from loadgen.common.histogram import encode_histogram


@dataclass
class Bin:
    """Requests of one second, by their intended start. Sums are over all that were sent and have ended."""

    offered: int = 0
    ok: int = 0
    failed: int = 0
    timed_out: int = 0
    dropped: int = 0
    latency_ms_sum: float = 0.0
    lag_ms_sum: float = 0.0
    cpu_percent: float | None = None
    # The integral of the requests in flight: their number x seconds, over the seconds of this bin that the probe
    # covers.
    in_flight_area: float = 0.0
    in_flight_seconds: float = 0.0
    in_flight_max: int = 0
    # Number of the replica -> responses; -1 for those that name no replica.
    served_by: Counter = field(default_factory=Counter)
    # Latencies of requests that were ok: microseconds, quantized -> count.
    latencies_us: Counter = field(default_factory=Counter)

    def as_json(self, second: int) -> dict[str, Any]:
        """``second`` counts from the start of the measured window; before it, it is negative."""
        return {
            "second": second,
            "offered": self.offered,
            "ok": self.ok,
            "failed": self.failed,
            "timed_out": self.timed_out,
            "dropped": self.dropped,
            "latency_ms_sum": self.latency_ms_sum,
            "lag_ms_sum": self.lag_ms_sum,
            "cpu_percent": self.cpu_percent,
            "in_flight_mean": self.in_flight_area / self.in_flight_seconds if self.in_flight_seconds else None,
            "in_flight_max": self.in_flight_max if self.in_flight_seconds else None,
            "served_by": dict(self.served_by),
            "latency_histogram": encode_histogram(self.latencies_us),
        }
