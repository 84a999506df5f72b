"""All attempts at a cell -> its row."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from swarmsweep.judge.bootstrap import Timed, latency_intervals
from swarmsweep.judge.capacity import across
from swarmsweep.judge.checks import Check
from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.plan.row import (
    ApiUse,
    AttemptEntry,
    CellCapacity,
    CheckEntry,
    Interval,
    LoadUse,
    RequestCounts,
    Retry,
    Row,
    ServerProcesses,
    blank_row,
)
from swarmsweep.raw.api_metrics import pool, request_parts
from swarmsweep.raw.failures import add_kinds
from swarmsweep.raw.latency import describe, lower_bounds
from swarmsweep.raw.tasks import TaskCounts, add_counts
from swarmsweep.results.attempt_result import AttemptResult
from swarmsweep.results.endpoints import merge_endpoints, without_verdicts
from swarmsweep.results.hosts import merge_hosts
from swarmsweep.results.modes import meets_slo
from swarmsweep.sweep.slo_limits import SloLimits

# The SLO has no limits for a user class.
NO_LIMITS = SloLimits({})

T = TypeVar("T")
R = TypeVar("R")


def merge(plan: Plan, cell: PlannedCell, attempts: list[AttemptResult], retries: Iterable[Retry] = ()) -> Row:
    """All attempts at one cell as one row. ``retries`` are those that were invalid and have been retried.

    RPS, CPU and think time are means over attempts; counts are sums. Latencies are described over all requests of all
    attempts. Throttling is pooled over all periods, the API's own metrics over all requests. Peaks are maxima. One
    failed attempt makes the cell failed, one invalid attempt invalid: a configuration that dies in one of three
    deployments should not be used.

    In capacity mode, the figures of an attempt are those at its verified rate. The cell's capacity is that of all
    deployments together (see `swarmsweep.judge.capacity.across`).
    """
    status, reason = _merged_status(attempts)
    requests, failures = _combine(sum, (a.requests for a in attempts)), _combine(sum, (a.failures for a in attempts))
    limited = next((a for a in attempts if a.status == status and a.bottleneck), None)
    tasks = _tasks(attempts)
    capacity = _capacity(attempts)
    metrics = _combine(pool, (a.metrics for a in attempts))
    load = plan.load_of(cell)
    row = replace(
        blank_row(cell, status, reason, attempt_count=len(attempts)),
        users=load.get("users") if requests is not None else None,
        requests=requests,
        failures=failures,
        failure_percent=100 * failures / requests if requests and failures is not None else None,
        request_counts=_combine(_sum_counts, (a.request_counts for a in attempts)),
        endpoints=_combine(lambda known: merge_endpoints(known, plan.limits), (a.endpoints for a in attempts)),
        user_classes=_combine(lambda known: merge_endpoints(known, NO_LIMITS), (a.user_classes for a in attempts)),
        class_users=_combine(_most_by_name, (a.class_users for a in attempts)),
        failure_kinds=_combine(add_kinds, (a.failure_kinds for a in attempts)),
        task_exceptions=tasks.raised if tasks else None,
        failed_task_percent=tasks.failed_percent if tasks else None,
        exceptions=dict(tasks.exceptions) if tasks else {},
        rps=_combine(_mean, (a.rps for a in attempts)),
        rps_range=_rps_range(attempts),
        think_time_seconds=_combine(_mean, (a.think_time_seconds for a in attempts)),
        server_processes=_server_processes([a.usage.server_processes for a in attempts]),
        processes_range=_combine(_widest, (a.usage.processes_range for a in attempts)),
        latency_ms=describe([a.latency_ms for a in attempts]),
        latency_intervals_ms=_latency_intervals(attempts),
        hosts=merge_hosts([attempt.machines for attempt in attempts]),
        lower_bounds=lower_bounds([a.latency_ms for a in attempts], [a.waited_ms for a in attempts]),
        capacity_rps=capacity.verified_rps if capacity else None,
        capacity_users=capacity.verified_users if capacity else None,
        capacity_iterations_per_second=capacity.verified_iterations_per_second if capacity else None,
        capacity=capacity,
        api=_api(attempts),
        load=LoadUse(
            cpu_percent_max=_combine(max, (a.load_cpu_percent_max for a in attempts)),
            workers=_combine(max, (a.load_workers for a in attempts)),
        ),
        unloaded_latency_ms=_combine(_mean, (a.concurrency.unloaded_ms for a in attempts)),
        latency_growth=_combine(_mean, (a.concurrency.growth for a in attempts)),
        served_at_once=_combine(_mean, (a.concurrency.served_at_once for a in attempts)),
        bottleneck=limited.bottleneck if limited else None,
        bottleneck_evidence=limited.bottleneck_evidence if limited else None,
        request_parts=request_parts(metrics) if metrics else None,
        choices=metrics.choices if metrics else None,
        metrics_problem=next((a.metrics_problem for a in attempts if a.metrics_problem), None),
        target=next((a.target for a in attempts if a.target), None),
        retries=list(retries),
        checks=[_check(a.attempt, check) for a in attempts for check in a.checks],
        attempts=[_attempt(a) for a in attempts],
        log_tail=list(next((a.log_tail for a in attempts if a.status == status and a.log_tail), ())),
        run_id=plan.run_id,
    )
    # The SLO is judged on the unrounded figures; only then are they rounded for the file.
    is_valid = status == "valid"
    judged = replace(row, meets_slo=meets_slo(row, load, plan.limits)) if is_valid else without_verdicts(row)
    rounded: Row = _rounded(judged)
    return rounded


def _merged_status(attempts: list[AttemptResult]) -> tuple[str, str | None]:
    for status in ("failed", "infeasible", "invalid"):
        for attempt in attempts:
            if attempt.status == status:
                prefix = f"attempt {attempt.attempt}: " if len(attempts) > 1 else ""
                return status, f"{prefix}{attempt.reason}"
    return "valid", None


def _tasks(attempts: list[AttemptResult]) -> TaskCounts | None:
    """Executions of tasks in all attempts; None where one of them has no record of its tasks."""
    return _combine(add_counts, (attempt.tasks for attempt in attempts))


def _server_processes(attempts: list[tuple[int, ...] | None]) -> ServerProcesses:
    """The number in which all replicas of all attempts agree, else one for each; None unless each was counted."""
    counts = _combine(lambda known: [count for attempt in known for count in attempt], attempts)
    if not counts:
        return None
    # Sorted, because their order is that of container ids.
    return counts[0] if len(set(counts)) == 1 else sorted(counts)


def _widest(ranges: list[tuple[int, int]]) -> tuple[int, int]:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _most_by_name(parts: list[Mapping[str, int]]) -> dict[str, int]:
    return {name: max(part.get(name, 0) for part in parts) for part in parts for name in part}


def _sum_counts(parts: list[RequestCounts]) -> RequestCounts:
    # Rows of earlier versions lack some of them.
    unknown = ("haproxy", "user_events", "setup_requests", "setup_failures")
    names = [name for name in RequestCounts.__struct_fields__ if name not in (*unknown, "own_figures")]
    sums = {name: sum(getattr(part, name) for part in parts) for name in names}
    return RequestCounts(
        **sums,
        haproxy=_combine(sum, (part.haproxy for part in parts)),
        user_events=_combine(sum, (part.user_events for part in parts)),
        setup_requests=_combine(sum, (part.setup_requests for part in parts)),
        setup_failures=_combine(sum, (part.setup_failures for part in parts)),
        own_figures=_combine(any, (part.own_figures for part in parts)),
    )


def _api(attempts: list[AttemptResult]) -> ApiUse:
    periods = _combine(sum, (a.usage.periods for a in attempts))
    throttled = _combine(sum, (a.usage.throttled_periods for a in attempts))
    return ApiUse(
        cpu_cores=_combine(_mean, (a.usage.cpu_cores for a in attempts)),
        throttled_percent=100 * throttled / periods if periods and throttled is not None else None,
        memory_peak_bytes=_combine(max, (a.usage.memory_peak_bytes for a in attempts)),
        shared_memory_peak_bytes=_combine(max, (a.usage.shared_memory_peak_bytes for a in attempts)),
        oom_kills=_combine(sum, (a.oom_kills for a in attempts)),
        restarts=_combine(sum, (a.restarts for a in attempts)),
    )


def _capacity(attempts: list[AttemptResult]) -> CellCapacity | None:
    """The capacity of all deployments together; None in fixed mode, and if any deployment had no search."""
    capacities = [attempt.capacity for attempt in attempts if attempt.capacity is not None]
    if not capacities or len(capacities) < len(attempts):
        return None
    whole = across(capacities)
    return CellCapacity(
        verified_rps=whole.verified_rps,
        is_lower_bound=whole.is_lower_bound,
        estimate_rps=whole.estimate_rps,
        interval_rps=whole.interval_rps,
        lower_bound_rps=whole.lower_bound_rps,
        deployments=whole.deployments,
        between_deployments=whole.between,
        limited_by=next((capacity.limited_by for capacity in capacities if capacity.limited_by), None),
        next_step=next((capacity.next_step for capacity in capacities if capacity.next_step), None),
        verified_users=whole.verified_users,
        estimate_users=whole.estimate_users,
        verified_iterations_per_second=whole.verified_iterations_per_second,
    )


def _latency_intervals(attempts: list[AttemptResult]) -> dict[str, Interval]:
    """The 95 % interval of each latency of users; empty for a search, and where requests have no times."""
    if not all(len(attempt.start_seconds) == len(attempt.latency_ms) for attempt in attempts):
        return {}
    timed = [Timed(attempt.start_seconds, attempt.latency_ms) for attempt in attempts]
    return dict(latency_intervals(timed, describe([attempt.latency_ms for attempt in attempts]).by_name()))


def _rps_range(attempts: list[AttemptResult]) -> Interval | None:
    values = [attempt.rps for attempt in attempts if attempt.rps is not None]
    return (min(values), max(values)) if len(values) > 1 else None


def _check(attempt: int, check: Check) -> CheckEntry:
    return CheckEntry(attempt=attempt, **asdict(check))


def _attempt(result: AttemptResult) -> AttemptEntry:
    start, end = result.window or (None, None)
    capacity = result.capacity
    return AttemptEntry(
        attempt=result.attempt,
        status=result.status,
        reason=result.reason,
        rps=result.rps,
        unloaded_latency_ms=result.concurrency.unloaded_ms,
        latency_growth=result.concurrency.growth,
        served_at_once=result.concurrency.served_at_once,
        window_start=start,
        window_end=end,
        requests_by_replica=result.requests_by_replica,
        replica_hosts=dict(result.replica_hosts),
        think_time_seconds=result.think_time_seconds,
        server_processes=_server_processes([result.usage.server_processes]),
        # An attempt is a block, and configurations are compared block by block: so the comparison uses these capacities
        # and not the cell's.
        capacity_rps=capacity.estimate_rps if capacity else None,
        verified_rps=capacity.verified_rps if capacity else None,
        interval_rps=capacity.interval_rps if capacity else None,
        verified_users=capacity.verified_users if capacity else None,
        estimate_users=capacity.estimate_users if capacity else None,
        interval_users=capacity.interval_users if capacity else None,
        verified_iterations_per_second=capacity.verified_iterations_per_second if capacity else None,
        is_lower_bound=capacity.is_lower_bound if capacity else None,
        limited_by=capacity.limited_by if capacity else None,
        capacity_sentence=capacity.sentence if capacity else None,
        next_step=capacity.next_step if capacity else None,
        probes=list(result.probes),
    )


def _combine(function: Callable[[list[T]], R], values: Iterable[T | None]) -> R | None:
    """``function`` over the values; None if any of them was not measured."""
    every = list(values)
    known = [value for value in every if value is not None]
    return function(known) if known and len(known) == len(every) else None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _rounded(value: Any) -> Any:
    """Floats to 6 decimals (a microsecond of epoch time, a nanosecond of latency); further digits are noise."""
    if isinstance(value, float):
        # A figure of numpy also becomes a Python number, because no other can be written.
        return float(round(value, 6))
    if isinstance(value, Struct):
        return type(value)(**{name: _rounded(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_rounded(entry) for entry in value)
    return value
