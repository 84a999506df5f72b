"""The SLO: which limits a cell's figures miss, and by how much."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swarmsweep.units import format_figure, format_plain

# A search loads with rates of four digits, so a rate may lie that much below the one that is wanted.
ROUNDED_SHARE = 5e-4
_LATENCIES = ("mean", "p50", "p95", "p99")


@dataclass(frozen=True)
class Miss:
    """A limit that was missed; ``value`` is None when the figure could not be measured."""

    name: str
    value: float | None
    limit: float
    unit: str

    @property
    def factor(self) -> float:
        """How many times the limit the figure is; infinite where that cannot be said."""
        return self.value / self.limit if self.value is not None and self.limit else float("inf")

    def describe(self) -> str:
        """As 'p95 312.0 ms (limit 100 ms)'."""
        seen = f"{format_figure(self.value)} {self.unit}" if self.value is not None else "not measured"
        return f"{self.name} {seen} (limit {format_plain(self.limit)} {self.unit})"


def judge(cell: dict[str, Any], slo: dict[str, float]) -> list[Miss]:
    """All limits of ``slo`` with the cell's figure, those met and those missed, in the order p50 to failures."""
    latency = cell["latency_ms"]
    rows = [Miss(name, latency[name], slo[f"{name}_ms"], "ms") for name in _LATENCIES if f"{name}_ms" in slo]
    if "max_failure_percent" in slo:
        rows.append(Miss("failures", cell["failure_percent"], slo["max_failure_percent"], "%"))
    return rows


def misses(cell: dict[str, Any], slo: dict[str, float]) -> list[Miss]:
    """The limits that the cell does not hold."""
    return [row for row in judge(cell, slo) if row.value is None or row.value > row.limit]


def meets(cell: dict[str, Any], slo: dict[str, float]) -> bool | None:
    """Whether the cell holds every limit: False when one is exceeded, None when that is not known."""
    missed = misses(cell, slo)
    if any(row.value is not None for row in missed):
        return False
    return None if missed else True


def sustains(capacity: Mapping[str, Any] | None, target_rps: float | None) -> bool | None:
    """Capacity mode: whether a rate was verified to hold the SLO in every deployment, and is at least the target.

    ``capacity`` is that of a row. It is not known where no search was made (None), or where a rate high enough held, by
    the estimate or because none failed, but not for as long as proves it.
    """
    if capacity is None:
        return None
    verified, estimate = capacity["verified_rps"], capacity["estimate_rps"]
    wanted = (target_rps or 0) * (1 - ROUNDED_SHARE)
    if verified is None:
        held = capacity["at_least"] or (estimate is not None and estimate >= wanted)
        return None if held else False
    return verified >= wanted


def describe(slo: dict[str, float]) -> str:
    """The SLO in words: 'p95 at most 500 ms, failures at most 1 %'."""
    parts = [f"{name} at most {format_plain(slo[f'{name}_ms'])} ms" for name in _LATENCIES if f"{name}_ms" in slo]
    if "max_failure_percent" in slo:
        parts.append(f"failures at most {format_plain(slo['max_failure_percent'])} %")
    return ", ".join(parts)
