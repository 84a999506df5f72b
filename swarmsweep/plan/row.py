"""The row of a cell before it is measured: every key, and null for what is not measured."""

from typing import Any

from swarmsweep.plan.planned import Plan, PlannedCell

SCHEMA = 1
NOT_MEASURED = "not measured"

# The keys of a cell in summary.json, in order; cell.json has more, for summary.md.
SUMMARY_KEYS = (
    "id",
    "config",
    "status",
    "reason",
    "trials",
    "users",
    "requests",
    "failures",
    "failure_percent",
    "task_exceptions",
    "failed_task_percent",
    "rps",
    "latency_ms",
    "lower_bounds",
    "meets_slo",
    "capacity_rps",
    "capacity",
    "api",
    "load",
    "bottleneck",
    "request_parts",
    "choices",
    "twin_of",
    "retries",
)
# What cells that were measured by an earlier version lack: then they are as in a cell that was not measured.
NEWER_KEYS = (
    *("request_parts", "choices", "metrics_problem", "target", "capacity", "twin_of", "retries"),
    *("task_exceptions", "failed_task_percent", "lower_bounds", "exceptions"),
)


def blank_cell(cell: PlannedCell, status: str | None, reason: str | None, trials: int = 0) -> dict[str, Any]:
    """A cell without figures: everything that was not measured is None. ``cell`` is one of the plan's."""
    return {
        "schema": SCHEMA,
        "id": cell.id,
        "config": cell.config,
        "status": status,
        "reason": reason,
        "trials": trials,
        "users": None,
        "requests": None,
        "failures": None,
        "failure_percent": None,
        "task_exceptions": None,
        "failed_task_percent": None,
        "rps": None,
        "latency_ms": {"mean": None, "p50": None, "p95": None, "p99": None},
        "lower_bounds": [],
        "meets_slo": None,
        "capacity_rps": None,
        "capacity": None,
        "api": {
            "cpu_cores": None,
            "throttled_percent": None,
            "memory_peak_bytes": None,
            "oom_kills": None,
            "restarts": None,
        },
        "load": {"cpu_percent_max": None, "workers": None},
        "bottleneck": None,
        "request_parts": None,
        "choices": None,
        "bottleneck_evidence": None,
        "metrics_problem": None,
        "target": None,
        "twin_of": cell.twin_of,
        "retries": [],
        "exceptions": {},
        "rps_range": None,
        "memory": cell.memory,
        "checks": [],
        "doubts": list(cell.doubts),
        "attempts": [],
        "log_tail": [],
    }


def infeasible_cell(plan: Plan, cell: PlannedCell) -> dict[str, Any]:
    """cell.json of a cell that cannot be deployed on the hosts of the plan."""
    return blank_cell(cell, "infeasible", cell.infeasible_reason) | {"run_id": plan.run_id}


def unmeasured_cell(cell: PlannedCell) -> dict[str, Any]:
    """A planned cell that has no cell.json yet."""
    return blank_cell(cell, None, NOT_MEASURED)
