"""The SLO: which limits a cell's figures miss, and by how much."""

from collections.abc import Mapping
from dataclasses import dataclass

from swarmsweep.plan.row import CellCapacity, Row
from swarmsweep.record_file import Number
from swarmsweep.units import format_figure, format_plain

# The rates of a search have four digits, so a rate may be this much below the target.
ROUNDED_SHARE = 5e-4
_LATENCIES = ("mean", "p50", "p95", "p99")


@dataclass(frozen=True)
class Miss:
    """A limit that was missed; ``value`` is None when the figure could not be measured.

    ``is_lower_bound``: the figure is at least ``value``, because requests had no response when the load ended.
    """

    name: str
    value: float | None
    limit: float
    unit: str
    is_lower_bound: bool = False

    @property
    def exceeds(self) -> bool:
        """Whether the figure is certainly above the limit."""
        return self.value is not None and self.value > self.limit

    @property
    def is_open(self) -> bool:
        """Whether it is unknown if the figure is above the limit."""
        return self.value is None or (self.is_lower_bound and not self.exceeds)

    @property
    def factor(self) -> float:
        """The figure divided by the limit; infinite where that is unknown."""
        return self.value / self.limit if self.value is not None and not self.is_open and self.limit else float("inf")

    def describe(self) -> str:
        """As 'p95 312.0 ms (limit 100 ms)'; of a lower bound 'p95 >= 312.0 ms (limit 100 ms)'."""
        least = ">= " if self.is_lower_bound else ""
        seen = f"{least}{format_figure(self.value)} {self.unit}" if self.value is not None else "not measured"
        return f"{self.name} {seen} (limit {format_plain(self.limit)} {self.unit})"


def compare_with_limits(row: Row, slo: Mapping[str, Number]) -> list[Miss]:
    """All limits of ``slo`` with the cell's figure, those met and those missed, in the order p50 to failures."""
    latency_ms = row.latency_ms.by_name()
    figures = [
        Miss(name, latency_ms[name], slo[f"{name}_ms"], "ms", name in row.lower_bounds)
        for name in _LATENCIES
        if f"{name}_ms" in slo
    ]
    if "max_failure_percent" in slo:
        figures.append(Miss(*_failures(row), slo["max_failure_percent"], "%"))
    return figures


def _failures(row: Row) -> tuple[str, float | None]:
    """The larger share of failed requests and failed tasks, in percent: a task may fail without a failed request."""
    requests, tasks = row.failure_percent, row.failed_task_percent
    if tasks is not None and (requests is None or tasks > requests):
        return "failed tasks", tasks
    return "failures", requests


def misses(row: Row, slo: Mapping[str, Number]) -> list[Miss]:
    """The limits that the cell does not hold."""
    return [figure for figure in compare_with_limits(row, slo) if figure.exceeds or figure.is_open]


def meets(row: Row, slo: Mapping[str, Number]) -> bool | None:
    """Whether the cell holds every limit: False when one is exceeded, None when that is unknown."""
    missed = misses(row, slo)
    if any(figure.exceeds for figure in missed):
        return False
    return None if missed else True


def sustains(capacity: CellCapacity | None, target_rps: float | None) -> bool | None:
    """Capacity mode: whether a rate was verified in every deployment that is at least the target.

    ``capacity`` is that of a row. The result is None if no search was made. It is also None if a rate that is high
    enough held (by the estimate, or because none failed), but for too short a time to prove it.
    """
    if capacity is None:
        return None
    verified, estimate = capacity.verified_rps, capacity.estimate_rps
    wanted = (target_rps or 0) * (1 - ROUNDED_SHARE)
    if verified is None:
        held = capacity.is_lower_bound or (estimate is not None and estimate >= wanted)
        return None if held else False
    return bool(verified >= wanted)


def describe(slo: Mapping[str, Number]) -> str:
    """The SLO in words: 'p95 at most 500 ms, failures at most 1 %'."""
    parts = [f"{name} at most {format_plain(slo[f'{name}_ms'])} ms" for name in _LATENCIES if f"{name}_ms" in slo]
    if "max_failure_percent" in slo:
        parts.append(f"failures at most {format_plain(slo['max_failure_percent'])} %")
    return ", ".join(parts)
