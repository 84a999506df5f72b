"""Deployments that fail for one reason in a row: the cells that share this reason are not measured.

The reason is the `cause` in deploy.json, which only a result that waiting does not change has: the ready check is
refused, or the API listens elsewhere. A death, a slow start and a lack of memory have none, so they end nothing.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.lab.inventory_files import settings_of
from swarmsweep.lab.repeated_arguments import note_on_hidden
from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.plan.run_folder import attempt_dir
from swarmsweep.raw.deployment import Deployment
from swarmsweep.record_file import read_record
from swarmsweep.results.manifest import commands_of
from swarmsweep.sweep.matrix import LOCUSTFILE_AXIS
from swarmsweep.units import counted

# Neither changes what a ready check gets. The other axes are the image, the stage and variables of the API.
_SIZES = ("replicas", "cpus", "memory_bytes", "workers", LOCUSTFILE_AXIS)
# One failure may be chance. A second cell with the same cause shows that the sizes do not matter.
_IN_A_ROW = 2


@dataclass(frozen=True)
class SharedFailure:
    """The cells that failed last, in the order of their deployments, with their cause.

    ``left_out``: the cells whose other attempts, ``attempts`` in all, are not measured.
    """

    failed: tuple[str, ...]
    cause: str
    left_out: tuple[str, ...]
    attempts: int

    @property
    def reason(self) -> str:
        """The reason why an attempt was not measured."""
        failed = " and ".join(self.failed)
        return (
            f"not measured, because {failed} failed in a row. "
            f"Replicas, CPU, memory, workers and scenario do not change the cause: {self.cause}"
        )


def shared_failures(run_dir: Path | str, plan: Plan) -> list[SharedFailure]:
    """The reasons that ended a part of the run, or the whole of it: one for each group of cells that share it.

    Cells share it if they differ in sizes and scenario alone. Only the last two deployments of a group count, so that
    a resumed run can go on.
    """
    run_dir = Path(run_dir)
    groups: dict[str, list[PlannedCell]] = {}
    for cell in plan.cells:
        groups.setdefault(_variables(cell), []).append(cell)
    return [found for cells in groups.values() if (found := _shared_failure(run_dir, plan, cells))]


def unmeasured_reasons(run_dir: Path | str, plan: Plan) -> dict[str, str]:
    """The cells that are not measured for such a reason, by id."""
    return {cell_id: found.reason for found in shared_failures(run_dir, plan) for cell_id in found.left_out}


def end_sentence(run_dir: Path | str, plan: Plan) -> str | None:
    """How many attempts are not measured, why, and what to do; None if no failure is shared."""
    found = shared_failures(run_dir, plan)
    if not found:
        return None
    command = again_command(run_dir, plan)
    lines = [
        f"{counted(failure.attempts, 'attempt')} {'was' if failure.attempts == 1 else 'were'} {failure.reason}"
        for failure in found
    ]
    return (
        f"{'. '.join(lines)}. Change the setting in {settings_of(commands_of(Path(run_dir)).inventory)}, or the API. "
        f"Then run again: {command}{note_on_hidden(command)}"
    )


def again_command(run_dir: Path | str, plan: Plan) -> str:
    """The command that measures the sweep again, as `end_sentence` has it."""
    return commands_of(Path(run_dir)).sweep(_subject(plan))


def new_run(run_dir: Path | str, plan: Plan) -> str:
    """The same, without the options of the command that began the run: a failure adds those of its own command."""
    return replace(commands_of(Path(run_dir)), options="").sweep(_subject(plan))


def _subject(plan: Plan) -> str:
    return quote(plan.sweep_file) if plan.sweep_file else ""


def _shared_failure(run_dir: Path, plan: Plan, cells: list[PlannedCell]) -> SharedFailure | None:
    ids = {cell.id for cell in cells}
    steps = [step for step in plan.steps if step.cell_id in ids]
    deployed = [step for step in steps if attempt_dir(run_dir, *step.key, "trial.json").exists()]
    last = deployed[-_IN_A_ROW:]
    failed = tuple(dict.fromkeys(step.cell_id for step in last))
    causes = {_cause(attempt_dir(run_dir, *step.key)) for step in last}
    others = [step.cell_id for step in steps if step not in deployed]
    cause = causes.pop() if len(causes) == 1 else None
    if cause is None or len(failed) < _IN_A_ROW or not others:
        return None
    return SharedFailure(failed, cause, tuple(dict.fromkeys(others)), len(others))


def _variables(cell: PlannedCell) -> str:
    """What decides what a ready check gets, as text."""
    variables: dict[str, Any] = {name: value for name, value in cell.config.items() if name not in _SIZES}
    return repr(sorted(variables.items()))


def _cause(folder: Path) -> str | None:
    try:
        return read_record(folder / "deploy.json", Deployment).cause
    except LabError:
        return None
