"""One row of the summary: all attempts of a cell merged, or a cell that was never measured."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from swarmsweep.judge.capacity import across
from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.plan.row import blank_cell
from swarmsweep.raw.api_metrics import ApiMetrics, pool, request_parts
from swarmsweep.raw.latency import describe, lower_bounds
from swarmsweep.raw.tasks import add_counts
from swarmsweep.results import slo as slo_of
from swarmsweep.results.attempt_result import AttemptResult
from swarmsweep.sweep.load import is_capacity


def merge(
    plan: Plan, cell: PlannedCell, trials: list[AttemptResult], retries: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """All trials of one cell as one row.

    rps and CPU are means over trials; counts are sums; latencies are described over all requests of all trials;
    throttling is pooled over all periods, what the API says of its requests over all requests; peaks are maxima. One
    failed trial makes the cell failed, one invalid trial invalid: a configuration that dies in one of three
    deployments is not one to run. ``retries`` are attempts that were invalid and made again: ``{"attempt", "reason"}``.

    In capacity mode the figures of a trial are those at its verified rate, and the cell's capacity is what all
    deployments together prove (see `swarmsweep.judge.capacity.across`).
    """

    status, reason = _merged_status(trials)
    requests, failures = (_combine(sum, (getattr(t, key) for t in trials)) for key in ("requests", "failures"))
    loaded = requests is not None
    word = next((t for t in trials if t.status == status and t.bottleneck), None)
    capacity = _capacity(trials)
    row = blank_cell(cell, status, reason, trials=len(trials)) | {
        "users": plan.load_of(cell).get("users") if loaded else None,
        "requests": requests,
        "failures": failures,
        "failure_percent": 100 * failures / requests if requests else None,
        "rps": _combine(_mean, (t.rps for t in trials)),
        **_tasks(trials),
        "latency_ms": describe([t.latency_ms for t in trials]),
        "lower_bounds": lower_bounds([t.latency_ms for t in trials], [t.waited_ms for t in trials]),
        "capacity_rps": capacity["verified_rps"] if capacity else None,
        "capacity": capacity,
        "api": _api(trials),
        "load": {
            "cpu_percent_max": _combine(max, (t.load_cpu_percent_max for t in trials)),
            "workers": _combine(max, (t.load_workers for t in trials)),
        },
        "bottleneck": word.bottleneck if word else None,
        **_api_metrics_fields(trials),
        "bottleneck_evidence": word.bottleneck_evidence if word else None,
        "target": next((t.target for t in trials if t.target), None),
        "retries": [{"attempt": retry["attempt"], "reason": retry["reason"]} for retry in retries],
        "rps_range": _rps_range(trials),
        "checks": [{"attempt": t.attempt, **check.as_json()} for t in trials for check in t.checks],
        "attempts": [_attempt(t) for t in trials],
        "log_tail": list(next((t.log_tail for t in trials if t.status == status and t.log_tail), ())),
        "run_id": plan.run_id,
    }
    # The SLO is judged on the figures as measured; only then are they rounded for the file.
    if status == "valid":
        load = plan.load_of(cell)
        row["meets_slo"] = (
            slo_of.sustains(capacity, load.get("target_rps")) if is_capacity(load) else slo_of.meets(row, plan.slo)
        )
    rounded: dict[str, Any] = _rounded(row)
    return rounded


def _merged_status(trials: list[AttemptResult]) -> tuple[str, str | None]:
    for status in ("failed", "infeasible", "invalid"):
        for trial in trials:
            if trial.status == status:
                prefix = f"attempt {trial.attempt}: " if len(trials) > 1 else ""
                return status, f"{prefix}{trial.reason}"
    return "valid", None


def _tasks(trials: list[AttemptResult]) -> dict[str, Any]:
    """The share of tasks that failed, or of users that could not start, and the exceptions in words."""
    counts = [trial.tasks for trial in trials if trial.tasks is not None]
    if not counts or len(counts) < len(trials):
        return {}
    whole = add_counts(counts)
    return {
        "task_exceptions": whole.raised,
        "failed_task_percent": whole.failed_percent,
        "exceptions": dict(whole.exceptions),
    }


def _api(trials: list[AttemptResult]) -> dict[str, Any]:
    periods = _combine(sum, (t.usage.periods for t in trials))
    throttled = _combine(sum, (t.usage.throttled_periods for t in trials))
    return {
        "cpu_cores": _combine(_mean, (t.usage.cpu_cores for t in trials)),
        "throttled_percent": 100 * throttled / periods if periods and throttled is not None else None,
        "memory_peak_bytes": _combine(max, (t.usage.memory_peak_bytes for t in trials)),
        "oom_kills": _combine(sum, (t.oom_kills for t in trials)),
        "restarts": _combine(sum, (t.restarts for t in trials)),
    }


def _capacity(trials: list[AttemptResult]) -> dict[str, Any] | None:
    """What the deployments together prove; None in fixed mode, and as soon as one deployment had no search."""
    capacities = [trial.capacity for trial in trials if trial.capacity is not None]
    if not capacities or len(capacities) < len(trials):
        return None
    whole = across(capacities)
    return {
        "verified_rps": whole.verified_rps,
        "at_least": whole.at_least,
        "estimate_rps": whole.estimate_rps,
        "interval_rps": _pair(whole.interval_rps),
        "lower_bound_rps": whole.lower_bound_rps,
        "deployments": whole.deployments,
        "between_deployments": whole.between,
        "limited_by": next((capacity.limited_by for capacity in capacities if capacity.limited_by), None),
    }


def _pair(interval: Iterable[float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _api_metrics_fields(trials: list[AttemptResult]) -> dict[str, Any]:
    metrics: ApiMetrics | None = _combine(pool, (t.metrics for t in trials))
    return {
        "request_parts": request_parts(metrics) if metrics else None,
        "choices": metrics.choices if metrics else None,
        "metrics_problem": next((t.metrics_problem for t in trials if t.metrics_problem), None),
    }


def _rps_range(trials: list[AttemptResult]) -> list[float] | None:
    values = [t.rps for t in trials if t.rps is not None]
    return [min(values), max(values)] if len(values) > 1 else None


def _attempt(trial: AttemptResult) -> dict[str, Any]:
    start, end = trial.window or (None, None)
    capacity = trial.capacity
    return {
        "attempt": trial.attempt,
        "status": trial.status,
        "reason": trial.reason,
        "rps": trial.rps,
        "window_start": start,
        "window_end": end,
        "requests_by_replica": trial.requests_by_replica,
        # An attempt is a block, and configurations are compared block by block: by these, not by the cell's.
        "capacity_rps": capacity.estimate_rps if capacity else None,
        "verified_rps": capacity.verified_rps if capacity else None,
        "interval_rps": _pair(capacity.interval_rps) if capacity else None,
        "at_least": capacity.at_least if capacity else None,
        "limited_by": capacity.limited_by if capacity else None,
        "capacity_sentence": capacity.sentence if capacity else None,
        "load_trials": [dict(entry) for entry in trial.load_trials],
    }


def _combine(function: Callable[[list[Any]], Any], values: Iterable[Any]) -> Any:
    """``function`` over the values; None as soon as one was not measured."""
    known = list(values)
    return None if not known or any(value is None for value in known) else function(known)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _rounded(value: Any) -> Any:
    """Floats to 6 decimals: a microsecond of epoch time, a nanosecond of latency; the rest is noise."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return value
