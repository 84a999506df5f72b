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
    ``interval``: where the figure of another attempt would be, at 95 %; None where that is unknown.
    """

    name: str
    value: float | None
    limit: float
    unit: str
    is_lower_bound: bool = False
    interval: tuple[Number, Number] | None = None

    @property
    def exceeds(self) -> bool:
        """Whether the figure is certainly above the limit."""
        if self.value is None:
            return False
        return (self.value if self.interval is None else self.interval[0]) > self.limit

    @property
    def is_open(self) -> bool:
        """Whether it is unknown if the figure is above the limit."""
        return self.is_unknown or self.is_close

    @property
    def is_unknown(self) -> bool:
        """Whether the figure was not measured, or is a lower bound that does not decide."""
        return self.value is None or (self.is_lower_bound and not self.exceeds)

    @property
    def is_close(self) -> bool:
        """Whether the limit lies in the interval of the figure."""
        return self.interval is not None and self.interval[0] <= self.limit < self.interval[1]

    @property
    def factor(self) -> float:
        """The figure divided by the limit; infinite where that is unknown."""
        return float("inf") if self.value is None or self.is_unknown or not self.limit else self.value / self.limit

    def describe(self) -> str:
        """As 'p95 312.0 ms (limit 100 ms)'; of a lower bound 'p95 >= 312.0 ms (limit 100 ms)'."""
        least = ">= " if self.is_lower_bound else ""
        seen = f"{least}{format_figure(self.value)} {self.unit}" if self.value is not None else "not measured"
        within = ""
        if self.interval is not None and self.is_close:
            low, high = map(format_figure, self.interval)
            within = f"interval {low} to {high} {self.unit}, "
        return f"{self.name} {seen} ({within}limit {format_plain(self.limit)} {self.unit})"


def compare_with_limits(row: Row, slo: Mapping[str, Number]) -> list[Miss]:
    """All limits of ``slo`` with the cell's figure, those met and those missed, in the order p50 to failures."""
    latency_ms = row.latency_ms.by_name()
    figures = [
        Miss(
            *(name, latency_ms[name], slo[f"{name}_ms"], "ms", name in row.lower_bounds),
            None if latency_ms[name] is None or name in row.lower_bounds else row.latency_intervals_ms.get(name),
        )
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


def is_close(row: Row, slo: Mapping[str, Number]) -> bool:
    """Whether only intervals keep the verdict open: as measured, every limit is held or missed."""
    missed = misses(row, slo)
    return bool(missed) and all(figure.is_close and not figure.is_unknown for figure in missed)


def holds_as_measured(row: Row, slo: Mapping[str, Number]) -> bool:
    """Whether every figure is known and within its limit, intervals aside."""
    return all(
        not figure.is_unknown and figure.value is not None and figure.value <= figure.limit
        for figure in compare_with_limits(row, slo)
    )


def describe(slo: Mapping[str, Number]) -> str:
    """The SLO in words: 'p95 at most 500 ms, failures at most 1 %'."""
    parts = [f"{name} at most {format_plain(slo[f'{name}_ms'])} ms" for name in _LATENCIES if f"{name}_ms" in slo]
    if "max_failure_percent" in slo:
        parts.append(f"failures at most {format_plain(slo['max_failure_percent'])} %")
    return ", ".join(parts)
