"""The SLO: which limits a cell's figures miss, and by how much. All parts of the report use this decision."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmsweep.plan.row import UNKNOWN_ENDPOINT, CellCapacity, EndpointRow, Row
from swarmsweep.record_file import Number
from swarmsweep.sweep.slo_limits import Limits, SloLimits
from swarmsweep.units import format_figure, format_plain

# The rates of a search have four digits, so a rate may be this much below the target.
ROUNDED_SHARE = 5e-4
_LATENCIES = ("mean", "p50", "p95", "p99")
# The name of failures in the figures that are lower bounds.
FAILURES = "failures"
FAILED_TASKS = "failed tasks"


@dataclass(frozen=True)
class Miss:
    """A limit that was missed; ``value`` is None when the figure could not be measured.

    ``is_lower_bound``: the figure is at least ``value``, because requests had no response when the load ended.
    ``interval``: where the figure of another attempt would be, at 95 %; None where that is unknown.
    ``endpoint`` is the name of the requests that the limit is for; empty for all together. ``never_occurred``: no
    request had this name.
    """

    name: str
    value: float | None
    limit: float
    unit: str
    is_lower_bound: bool = False
    interval: tuple[Number, Number] | None = None
    endpoint: str = ""
    never_occurred: bool = False

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
        """As 'p95 312.0 ms (limit 100 ms)'; of a lower bound 'p95 >= 312.0 ms (limit 100 ms)'.

        Of an endpoint 'POST /predict p95 312.0 ms (limit 100 ms)'.
        """
        if self.never_occurred:
            return f"{self.endpoint} never occurred"
        least = ">= " if self.is_lower_bound else ""
        seen = f"{least}{format_figure(self.value)} {self.unit}" if self.value is not None else "not measured"
        within = ""
        if self.interval is not None and self.is_close:
            low, high = map(format_figure, self.interval)
            within = f"interval {low} to {high} {self.unit}, "
        name = f"{self.endpoint} {self.name}".lstrip()
        return f"{name} {seen} ({within}limit {format_plain(self.limit)} {self.unit})"


def compare_with_limits(row: Row, slo: SloLimits) -> list[Miss]:
    """All limits with the cell's figure, those met and those missed: of all requests together, then by endpoint.

    The limits of each are in the order mean to failures.
    """
    figures = _compare(row, _failures(row), slo.total)
    for name, limits in slo.endpoints.items():
        figures += compare_endpoint(name, _endpoint(row, name), limits)
    return figures


def compare_endpoint(name: str, endpoint: EndpointRow | None, limits: Limits) -> list[Miss]:
    """The limits of one endpoint with its figures; ``endpoint`` is None where no names were recorded."""
    if endpoint is None:
        return _compare(EndpointRow(name=name, requests=0, failures=0), (FAILURES, None), limits, name)
    if not endpoint.requests:
        return [Miss("requests", None, 0, "", endpoint=name, never_occurred=True)]
    return _compare(endpoint, (FAILURES, endpoint.failure_percent), limits, name)


def _compare(
    row: Row | EndpointRow, failures: tuple[str, float | None], limits: Limits, endpoint: str = ""
) -> list[Miss]:
    latency_ms, bounds = row.latency_ms.by_name(), row.lower_bounds
    figures = [
        Miss(
            *(name, latency_ms[name], limits[f"{name}_ms"], "ms", name in bounds),
            None if latency_ms[name] is None or name in bounds else row.latency_intervals_ms.get(name),
            endpoint,
        )
        for name in _LATENCIES
        if f"{name}_ms" in limits
    ]
    if "max_failure_percent" in limits:
        is_bound = FAILURES in bounds
        figures.append(Miss(*failures, limits["max_failure_percent"], "%", is_bound, endpoint=endpoint))
    return figures


def _endpoint(row: Row, name: str) -> EndpointRow | None:
    return next((endpoint for endpoint in row.endpoints or () if endpoint.name == name), None)


def _failures(row: Row) -> tuple[str, float | None]:
    """The larger share of failed requests and failed tasks, in percent: a task may fail without a failed request."""
    requests, tasks = row.failure_percent, row.failed_task_percent
    if tasks is not None and (requests is None or tasks > requests):
        return FAILED_TASKS, tasks
    return FAILURES, requests


def misses(row: Row, slo: SloLimits) -> list[Miss]:
    """The limits that the cell does not hold."""
    return _missed(compare_with_limits(row, slo))


def meets(row: Row, slo: SloLimits) -> bool | None:
    """Whether the cell holds every limit: False when one is exceeded, None when that is unknown."""
    return holds(compare_with_limits(row, slo))


def holds(figures: Sequence[Miss]) -> bool | None:
    """Whether all figures are within their limits: False when one is exceeded, None when that is unknown."""
    missed = _missed(figures)
    if any(figure.exceeds for figure in missed):
        return False
    return None if missed else True


def _missed(figures: Sequence[Miss]) -> list[Miss]:
    return [figure for figure in figures if figure.exceeds or figure.is_open]


def hidden(row: Row, slo: SloLimits) -> Miss | None:
    """The worst endpoint that misses a limit of all requests together, where all together meet it.

    Fast requests can hide slow ones. An endpoint with a limit of its own for this figure is left out.
    """
    total = _compare(row, _failures(row), slo.total)
    limits = {_key(figure): figure.limit for figure in total if figure.value is not None and not _is_above(figure)}
    figures = [
        figure
        for endpoint in row.endpoints or ()
        if endpoint.name != UNKNOWN_ENDPOINT
        for figure in compare_endpoint(endpoint.name, endpoint, limits)
        if _is_above(figure) and _key(figure) not in slo.endpoints.get(endpoint.name, {})
    ]
    return max(figures, key=lambda figure: figure.factor, default=None)


def _is_above(figure: Miss) -> bool:
    """Whether the figure is above the limit as measured, intervals aside."""
    return figure.value is not None and figure.value > figure.limit


def _key(figure: Miss) -> str:
    return f"{figure.name}_ms" if figure.unit == "ms" else "max_failure_percent"


def sustains(
    capacity: CellCapacity | None, target_rps: float | None, target_users: float | None = None, *, held: bool = False
) -> bool | None:
    """Capacity mode: whether a rate was verified in every deployment that is at least the target, or so many users.

    ``capacity`` is that of a row. The result is None if no search was made. It is also None if a rate that may be high
    enough held (by the interval of the estimate, or because none failed), but for too short a time to prove it.
    ``held``: a rate held in every deployment. It decides where no estimate is known.
    """
    if capacity is None:
        return None
    verified, wanted = capacity.verified_rps, (target_rps or 0) * (1 - ROUNDED_SHARE)
    highest = capacity.estimate_rps if capacity.interval_rps is None else capacity.interval_rps[1]
    if target_users:
        verified, highest, wanted = capacity.verified_users, capacity.estimate_users, target_users
    if verified is not None:
        return bool(verified >= wanted)
    may_hold = held if highest is None else highest >= wanted
    return None if capacity.is_lower_bound or may_hold else False


def is_close(row: Row, slo: SloLimits) -> bool:
    """Whether only intervals keep the verdict open: as measured, every limit is held or missed."""
    missed = misses(row, slo)
    return bool(missed) and all(figure.is_close and not figure.is_unknown for figure in missed)


def holds_as_measured(row: Row, slo: SloLimits) -> bool:
    """Whether every figure is known and within its limit, intervals aside."""
    return all(
        not figure.is_unknown and figure.value is not None and figure.value <= figure.limit
        for figure in compare_with_limits(row, slo)
    )


def describe(slo: SloLimits) -> str:
    """The SLO in words: 'p95 at most 500 ms, failures at most 1 %', with endpoints after semicolons."""
    endpoints = (f"{name}: {_in_words(limits)}" for name, limits in slo.endpoints.items())
    return "; ".join([_in_words(slo.total), *endpoints])


def _in_words(limits: Limits) -> str:
    parts = [f"{name} at most {format_plain(limits[f'{name}_ms'])} ms" for name in _LATENCIES if f"{name}_ms" in limits]
    if "max_failure_percent" in limits:
        parts.append(f"failures at most {format_plain(limits['max_failure_percent'])} %")
    return ", ".join(parts)
