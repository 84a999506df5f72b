"""summary.csv: one line per cell, for a spreadsheet or pandas."""

from msgspec.structs import asdict

from swarmsweep.choose import fixed_load
from swarmsweep.choose.money import Money
from swarmsweep.markdown import one_line
from swarmsweep.plan.row import Row
from swarmsweep.report.ladder import PART_NAMES, Stage
from swarmsweep.sweep.matrix import cost

CORE = ("replicas", "cpus", "memory_bytes", "workers")
# The fields of a line, by their columns.
Field = str | int | float | bool | None
Fields = dict[str, Field]
_RUNG = ("ladder_stage", "ladder_changed", "ladder_factor")


def extra_axes(cells: list[Row]) -> list[str]:
    """Names of all axes beside the four that every cell has, sorted."""
    return sorted({axis for cell in cells for axis in cell.config if axis not in CORE})


def as_csv(cells: list[Row], stages: list[Stage], capacity: bool = False, money: Money | None = None) -> str:
    """One line per cell; an empty field was not measured. No spreadsheet takes a text for a formula.

    ``stages`` are the ladder of the cells, empty without a ladder. ``capacity``: the run searched for capacities, which
    have their own columns, as have costs in ``money``.
    """
    import pandas as pd  # here: its import takes 0.5 s or more, and only a report needs it

    axes, choices = extra_axes(cells), _choices(cells)
    rows = [_flat(cell, axes) | _inside(cell, choices) for cell in cells]
    if any(cell.retries for cell in cells):
        rows = [row | {"retries": len(cell.retries)} for row, cell in zip(rows, cells, strict=True)]
    if capacity:
        rows = [row | _capacity(cell) for row, cell in zip(rows, cells, strict=True)]
    if money is not None:
        rows = [row | _money(cell, money) for row, cell in zip(rows, cells, strict=True)]
    if stages:
        rungs = {stage.cell_id: _rung(stage) for stage in stages}
        rows = [row | rungs.get(str(row["id"]), dict.fromkeys(_RUNG)) for row in rows]
    # Columns of objects: a whole number stays one in a column with a missing value.
    fields = [{name: _field(value) for name, value in row.items()} for row in rows]
    return pd.DataFrame(fields, dtype=object).to_csv(index=False, lineterminator="\n")


def _choices(cells: list[Row]) -> list[str]:
    """Names of all choices in the API's metrics, in the order of the first cell that has them."""
    return list(dict.fromkeys(name for cell in cells for name in cell.choices or {}))


def _flat(cell: Row, axes: list[str]) -> Fields:
    return (
        {"id": cell.id, "status": cell.status, "reason": cell.reason}
        | {axis: cell.config.get(axis) for axis in (*CORE, *axes)}
        | {"cost": round(cost(cell.config), 6)}
        | {"users": cell.users, "trials": cell.attempt_count, "requests": cell.requests, "failures": cell.failures}
        | {"failure_percent": cell.failure_percent, "task_exceptions": cell.task_exceptions}
        | {"failed_task_percent": cell.failed_task_percent, "rps": cell.rps}
        | {"think_time_seconds": cell.think_time_seconds, "server_processes": _processes(cell)}
        | {f"{name}_ms": value for name, value in cell.latency_ms.by_name().items()}
        | {"lower_bounds": " ".join(cell.lower_bounds) or None}
        | {"meets_slo": cell.meets_slo, "capacity_rps": cell.capacity_rps, "capacity_users": cell.capacity_users}
        | {"capacity_iterations_per_second": cell.capacity_iterations_per_second}
        | {f"api_{name}": value for name, value in asdict(cell.api).items()}
        | {f"load_{name}": value for name, value in asdict(cell.load).items()}
        | {"unloaded_latency_ms": cell.unloaded_latency_ms, "latency_growth": cell.latency_growth}
        | {"served_at_once": cell.served_at_once, "bottleneck": cell.bottleneck}
    )


def _processes(cell: Row) -> Field:
    """The server processes of each replica: a number, or one for each with spaces between."""
    counts = cell.server_processes
    return " ".join(map(str, counts)) if isinstance(counts, list) else counts


def _inside(cell: Row, choices: list[str]) -> Fields:
    """The API's own metrics: its requests since the start, in ms each, and its choices."""
    parts = cell.request_parts
    times = parts.parts_ms if parts else {}
    chosen = cell.choices or {}
    return (
        {"request_endpoint": parts.endpoint if parts else None, "request_count": parts.requests if parts else None}
        | {"request_mean_ms": parts.mean_ms if parts else None}
        | {f"request_{part}_ms": times.get(part) for part in PART_NAMES}
        | {f"choice_{name}": chosen.get(name) for name in choices}
    )


def _capacity(cell: Row) -> Fields:
    """The capacity beside the verified rate, which is ``capacity_rps``; the interval belongs to the estimate."""
    capacity = cell.capacity
    low, high = (capacity.interval_rps if capacity else None) or (None, None)
    per_cost = fixed_load.rps_per_cost(cell)
    return {
        "capacity_estimate_rps": capacity.estimate_rps if capacity else None,
        "capacity_low_rps": low,
        "capacity_high_rps": high,
        "capacity_lower_bound_rps": capacity.lower_bound_rps if capacity else None,
        "capacity_estimate_users": capacity.estimate_users if capacity else None,
        "capacity_deployments": capacity.deployments if capacity else None,
        "capacity_between_deployments": capacity.between_deployments if capacity else None,
        "capacity_at_least": capacity.is_lower_bound if capacity else None,
        "capacity_limited_by": capacity.limited_by if capacity else None,
        "capacity_rps_per_cost": None if per_cost is None else round(per_cost, 6),
        "twin_of": cell.twin_of,
    }


def _money(cell: Row, money: Money) -> Fields:
    """The cost in money. A twin has none of its own."""
    own = next((one for one in money.cells if one.id == cell.id), None)
    million = own.million_requests if own else None
    return {
        "cost_month": round(own.month, 6) if own else None,
        "cost_million_requests": None if million is None else round(million, 6),
        "currency": money.prices.currency,
    }


def _rung(stage: Stage) -> Fields:
    factor = None if stage.factor is None else round(stage.factor, 6)
    return dict(zip(_RUNG, (stage.name, stage.changed, factor), strict=True))


def _field(value: Field) -> Field:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = one_line(value)
        return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
    return value
