"""The ladder: cells that differ in their variant or scenario as stages, each compared with the one before.

Stages stand in the order of the sweep file, whatever order they were measured in.
"""

from collections import Counter
from dataclasses import dataclass

from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import RequestParts, Row
from swarmsweep.raw.api_metrics import REST

VARIANT_AXIS = "variant"
FIRST = "first stage"
# The parts of a request in the order of a request, with their names for a reader.
PART_NAMES = {
    "database": "database",
    "mlflow": "MLflow",
    "preparing": "preparing",
    "inference": "inference",
    REST: "rest",
}


@dataclass(frozen=True)
class Stage:
    """One row of the ladder; figures are None where they were not measured or the cell is not valid.

    ``factor`` is RPS over that of the first valid stage. ``shares_percent`` are the parts of ``mean_ms``, the mean time
    of a request inside the API.
    """

    cell_id: str
    name: str
    changed: str | None
    status: str | None
    reason: str | None
    rps: float | None
    p95_ms: float | None
    factor: float | None
    mean_ms: float | None
    shares_percent: dict[str, float | None]


def stages(plan: Plan, cells: list[Row]) -> list[Stage]:
    """The rows of the ladder; empty when the cells differ neither in their variant nor in their scenario.

    It is also empty when a stage was measured in several sizes: rules of thumb compare sizes.
    ``cells`` are the rows of the plan's cells, in its order. A twin is not a stage, because its anchor already is.
    """
    pairs = [pair for pair in zip(plan.cells, cells, strict=True) if not pair[1].twin_of]
    cells = [cell for _, cell in pairs]
    scenarios = [plan.load_of(planned)["locustfile"] for planned, _ in pairs]
    kinds = {(cell.config.get(VARIANT_AXIS), scenario) for cell, scenario in zip(cells, scenarios, strict=True)}
    if len(kinds) < max(2, len(cells)):
        return []
    usual = plan.load["locustfile"]
    names = [_name(cell, scenario, usual) for cell, scenario in zip(cells, scenarios, strict=True)]
    times = Counter(names)
    names = [name if times[name] == 1 else f"{name} ({cell.id})" for name, cell in zip(names, cells, strict=True)]
    changes = _changes(cells, names, [scenario if scenario != usual else None for scenario in scenarios], usual)
    first_rps = next((rps for cell in cells if cell.status == "valid" and (rps := _rps(cell))), None)
    return [_stage(*row, first_rps) for row in zip(cells, names, changes, strict=True)]


def _name(cell: Row, scenario: str, usual: str) -> str:
    """The name of a stage: the variant. If the cell's scenario is not the sweep's, its request, once known."""
    variant = cell.config.get(VARIANT_AXIS, (cell.choices or {}).get(VARIANT_AXIS))
    if scenario == usual:
        return "the API's own variant" if variant is None else str(variant)
    asked = cell.target or scenario
    return asked if variant is None else f"{asked} of {variant}"


def _changes(cells: list[Row], names: list[str], others: list[str | None], usual: str) -> list[str | None]:
    """What each stage changes against the last known stage before it; None where that is unknown.

    ``others`` are the scenarios of cells that do not have the sweep's. They are not steps of the ladder, but references
    beside it.
    """
    asked = next((cell.target for cell, other in zip(cells, others, strict=True) if not other and cell.target), usual)
    changes: list[str | None] = []
    last: int | None = None
    last_choices: dict[str, str] | None = None
    for i, (cell, other) in enumerate(zip(cells, others, strict=True)):
        if i == 0:
            changes.append(FIRST)
        elif other:
            changes.append(f"loads {cell.target or other} instead of {asked}")
        elif cell.choices is None or last is None or last_choices is None:
            changes.append(None)
        else:
            skipped = any(not between for between in others[last + 1 : i])
            since = f" (since {names[last]})" if skipped else ""
            changes.append(_differences(last_choices, cell.choices) + since)
        if not other and cell.choices is not None:
            last, last_choices = i, cell.choices
    return changes


def _differences(before: dict[str, str], now: dict[str, str]) -> str:
    changed = [
        f"{choice}: {_words(before.get(choice))} → {_words(now.get(choice))}"
        for choice in (*now, *(name for name in before if name not in now))
        if choice != VARIANT_AXIS and before.get(choice) != now.get(choice)
    ]
    return ", ".join(changed) or "no difference that the API reports"


def _words(value: str | None) -> str:
    return "not named" if value is None else value.replace("_", " ")


def _stage(cell: Row, name: str, changed: str | None, first_rps: float | None) -> Stage:
    valid = cell.status == "valid"
    parts = cell.request_parts if valid else None
    rps = _rps(cell) if valid else None
    return Stage(
        cell_id=cell.id,
        name=name,
        changed=changed,
        status=cell.status,
        reason=cell.reason,
        rps=rps,
        p95_ms=cell.latency_ms.p95 if valid else None,
        factor=rps / first_rps if rps is not None and first_rps else None,
        mean_ms=parts.mean_ms if parts else None,
        shares_percent=_shares_percent(parts),
    )


def _rps(cell: Row) -> float | None:
    """The figure by which a stage is compared: its capacity if one was searched for, else its successful requests."""
    return cell.capacity_rps if cell.capacity else cell.rps


def _shares_percent(parts: RequestParts | None) -> dict[str, float | None]:
    """Each part in percent of the mean. If parts that run in parallel add up to more, it is in percent of their sum."""
    times = parts.parts_ms if parts else {}
    whole = max(parts.mean_ms, sum(value or 0 for value in times.values())) if parts else 0
    return {
        part: 100 * part_ms / whole if whole and (part_ms := times.get(part)) is not None else None
        for part in PART_NAMES
    }
