"""The steps of a plan with all that the role bench_cell and the line of progress need of them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarmsweep.plan.modes import mode_for
from swarmsweep.plan.planned import Plan, PlannedCell, Step, as_json
from swarmsweep.plan.run_folder import attempt_dir
from swarmsweep.sweep.load import drain_seconds, load_from_json

# Connections of the first probe of a search, at least: few would not reach the limit of a fast API.
MIN_CONNECTIONS = 8


def first_pass(run_dir: Path, plan: Plan, steps: list[Step]) -> list[dict[str, Any]]:
    """Steps of the main pass, by their positions in the plan."""
    cells = plan.cells_by_id()
    return [_role_step(run_dir, plan, cells[step.cell_id], step) | {"of": len(plan.steps)} for step in steps]


def second_pass(run_dir: Path, plan: Plan, steps: list[Step]) -> list[dict[str, Any]]:
    """Steps that are tried once more, by their positions in that pass."""
    cells = plan.cells_by_id()
    return [
        _role_step(run_dir, plan, cells[step.cell_id], step) | {"position": position, "of": len(steps), "again": True}
        for position, step in enumerate(steps, start=1)
    ]


def _role_step(run_dir: Path, plan: Plan, cell: PlannedCell, step: Step) -> dict[str, Any]:
    return {
        **as_json(step),
        "config": cell.config,
        "load": plan.load_of(cell),
        **load_limits(plan.load_of(cell), cell.config),
        "drain_seconds": drain_seconds(plan.slo),
        "folder": str(attempt_dir(run_dir, *step.key).resolve()),
    }


def load_limits(load: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, int]:
    """What bounds the load of a step.

    ``load_seconds`` is how long the load lasts at most, in whole seconds. ``longest_load_seconds`` includes the rests
    of a search. ``connections`` are those of the first probe of a search: enough to keep every worker of the API busy,
    and more for what is on its way.
    """
    asked = load_from_json(load)
    seconds = math.ceil(asked.seconds)
    return {
        "load_seconds": seconds,
        "longest_load_seconds": seconds * mode_for(load).longest_share,
        "connections": max(MIN_CONNECTIONS, 2 * config["replicas"] * config["workers"] + 2, asked.workers),
    }
