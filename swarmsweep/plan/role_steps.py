"""The steps of a plan with all values for the role bench_cell and the line of progress."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, structs, to_builtins

from swarmsweep.plan.modes import mode_for
from swarmsweep.plan.part import WHOLE, Part, step_seconds
from swarmsweep.plan.planned import Plan, PlannedCell, Step, as_json
from swarmsweep.plan.run_folder import attempt_dir
from swarmsweep.sweep.load import StoredLoad, drain_seconds, load_from_json
from swarmsweep.sweep.scenario_env import sweep_env

# Minimum number of connections of the first probe of a search: fewer would not reach the limit of a fast API.
MIN_CONNECTIONS = 8


class LoadLimits(Struct, frozen=True):
    """The bounds of the load of a step.

    ``load_seconds`` is the maximum duration of the load, in whole seconds. ``longest_load_seconds`` includes the rests
    of a search. ``connections`` are those of the first probe of a search. They keep every worker of the API busy; the
    others are for requests that are on their way. ``processes`` are the server processes of all replicas.
    """

    load_seconds: int
    longest_load_seconds: int
    connections: int
    processes: int


class RoleStep(Struct, frozen=True, kw_only=True):
    """A step for the role bench_cell: ``step.position`` counts within the pass, which has ``of`` steps.

    ``drain_seconds``: how long after the window its responses are waited for. ``folder`` is absolute.
    ``expected_seconds`` is the estimate with which `time_limits.in_time` decides whether it may begin.
    ``most_per_host``: the most replicas that an API host gets by the plan; 0 with one API host.
    """

    step: Step
    of: int
    config: dict[str, Any]
    load: StoredLoad
    limits: LoadLimits
    drain_seconds: float
    expected_seconds: float
    folder: str
    most_per_host: int = 0
    again: bool = False

    def as_input(self) -> dict[str, Any]:
        """The step as input of the role."""
        return {
            **as_json(self.step),
            "config": self.config,
            "load": self.load,
            **to_builtins(self.limits),
            "scenario_env": sweep_env(self.load),
            "drain_seconds": self.drain_seconds,
            "expected_seconds": self.expected_seconds,
            "folder": self.folder,
            "of": self.of,
            "most_per_host": self.most_per_host,
            **({"again": True} if self.again else {}),
        }


def first_pass(run_dir: Path, plan: Plan, steps: list[Step], part: Part = WHOLE) -> list[RoleStep]:
    """Steps of the main pass, by their positions in the plan, or among those of the selected cells."""
    cells = plan.cells_by_id()
    chosen = [step.key for step in plan.steps if part.selects(step.cell_id)]
    places = {key: position for position, key in enumerate(chosen, start=1)}
    return [
        _role_step(
            run_dir,
            plan,
            cells[step.cell_id],
            structs.replace(step, position=places[step.key]),
            of=len(chosen),
        )
        for step in steps
    ]


def second_pass(run_dir: Path, plan: Plan, steps: list[Step]) -> list[RoleStep]:
    """Steps that are retried, by their positions in that pass."""
    cells = plan.cells_by_id()
    again = [structs.replace(step, position=position) for position, step in enumerate(steps, start=1)]
    return [_role_step(run_dir, plan, cells[step.cell_id], step, of=len(steps), again=True) for step in again]


def _role_step(run_dir: Path, plan: Plan, cell: PlannedCell, step: Step, of: int, again: bool = False) -> RoleStep:
    load = plan.load_of(cell)
    return RoleStep(
        step=step,
        of=of,
        config=cell.config,
        load=load,
        limits=load_limits(load, cell.config),
        drain_seconds=drain_seconds(plan.limits),
        expected_seconds=step_seconds(plan, step),
        folder=str(attempt_dir(run_dir, *step.key).resolve()),
        most_per_host=max((most for _, most in (cell.placement or {}).values()), default=0),
        again=again,
    )


def load_limits(load: StoredLoad, config: Mapping[str, Any]) -> LoadLimits:
    """The limits of a load on a cell with that configuration. Raises `LabError` for a load that is not valid."""
    planned = load_from_json(load)
    seconds = math.ceil(planned.seconds)
    return LoadLimits(
        load_seconds=seconds,
        longest_load_seconds=seconds * mode_for(load).longest_share,
        connections=max(MIN_CONNECTIONS, 2 * config["replicas"] * config["workers"] + 2, planned.workers),
        processes=config["replicas"] * config["workers"],
    )
