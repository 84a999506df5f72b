"""The limits of an SLO: of all requests together, and of single endpoints."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from swarmsweep.record_file import Number

# Upper limits by name, as p95_ms.
Limits = Mapping[str, Number]


@dataclass(frozen=True)
class SloLimits:
    """``total`` are the limits of all requests together. ``endpoints`` are those of the requests of one name."""

    total: Limits
    endpoints: Mapping[str, Limits] = field(default_factory=dict)

    @property
    def greatest_latency_ms(self) -> float:
        """The greatest limit of a latency, 0 without one."""
        sets = (self.total, *self.endpoints.values())
        return max((value for limits in sets for name, value in limits.items() if name.endswith("_ms")), default=0)

    def with_latencies(self, factor: float) -> "SloLimits":
        """The same limits, with those of latencies times ``factor``."""
        endpoints = {name: _with_latencies(limits, factor) for name, limits in self.endpoints.items()}
        return SloLimits(_with_latencies(self.total, factor), endpoints)


def _with_latencies(limits: Limits, factor: float) -> dict[str, Number]:
    return {key: value * factor if key.endswith("_ms") else value for key, value in limits.items()}
