"""Raw files of a run -> trial.json of each attempt and cell.json of each complete cell."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec.structs import replace

from swarmsweep.errors import LabError
from swarmsweep.plan.part import WHOLE, read_part
from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.plan.row import Retry, Row
from swarmsweep.plan.row_file import read_outcome, write_row
from swarmsweep.plan.run_folder import (
    PARTIAL_FILE,
    attempt_dir,
    incomplete_cells,
    planned_cell,
    read_plan,
    write_infeasible,
)
from swarmsweep.results.attempt_result import AttemptResult, analyse
from swarmsweep.results.cell import merge
from swarmsweep.results.manifest import commands_of


def measure_attempt(run_dir: Path | str, cell_id: str, attempt: int) -> Row:
    """Measure one attempt from its raw files; write and return its trial.json.

    After the cell's last attempt without a trial.json, cell.json is written too. Damaged or missing raw files make the
    attempt invalid. `LabError` is raised only when the attempt is not in the plan or has no folder.
    """
    run_dir = Path(run_dir)
    plan = read_plan(run_dir)
    cell = planned_cell(plan, cell_id)
    if (cell_id, attempt) not in [step.key for step in plan.steps]:
        raise LabError(
            f"attempt {attempt} of cell {cell_id} is not in {run_dir / 'plan.json'}; it has {plan.repeat} per cell"
        )
    result = _analysed(run_dir, plan, cell, attempt)
    row = _write_trial(run_dir, plan, cell, result)
    _complete_cell(run_dir, plan, cell, {attempt: result})
    return row


def measure_started_cells(run_dir: Path | str) -> list[str]:
    """Write partial.json of each cell of which some attempts are measured, and not all; return their ids.

    The report uses it where the command left out the other attempts.
    """
    run_dir = Path(run_dir)
    plan = read_plan(run_dir)
    started: list[str] = []
    for cell in plan.cells:
        path = run_dir / "cells" / cell.id / PARTIAL_FILE
        path.unlink(missing_ok=True)
        attempts = range(1, plan.repeat + 1)
        measured = [number for number in attempts if attempt_dir(run_dir, cell.id, number, "trial.json").exists()]
        if 0 < len(measured) < plan.repeat:
            results = [_analysed(run_dir, plan, cell, attempt) for attempt in measured]
            write_row(path, merge(plan, cell, results, retries=_retries(run_dir, cell.id, measured)))
            started.append(cell.id)
    return started


def complete_cells(run_dir: Path | str) -> list[str]:
    """Write the cell.json of each cell whose attempts are all measured, where it is missing; return their ids.

    A sweep that ends between the last trial.json of a cell and its cell.json leaves such a cell. No load is needed.
    """
    run_dir = Path(run_dir)
    plan, cells = read_plan(run_dir), incomplete_cells(run_dir)
    if any(cell.infeasible_reason for cell in cells):
        write_infeasible(plan, run_dir)
    for cell in cells:
        if not cell.infeasible_reason:
            _complete_cell(run_dir, plan, cell, {})
    return [cell.id for cell in cells]


def measure_run(run_dir: Path | str) -> int:
    """Measure every measured attempt again, from its raw files; return their number.

    An attempt without trial.json was interrupted and stays unmeasured. The rows of infeasible cells, which have no
    attempt, are rebuilt from the plan.
    """
    run_dir = Path(run_dir)
    plan = read_plan(run_dir)
    write_infeasible(plan, run_dir)
    measured = [step for step in plan.steps if attempt_dir(run_dir, *step.key, "trial.json").exists()]
    for cell_id in dict.fromkeys(step.cell_id for step in measured):
        cell = planned_cell(plan, cell_id)
        attempts = [step.attempt for step in measured if step.cell_id == cell_id]
        results = {attempt: _analysed(run_dir, plan, cell, attempt) for attempt in attempts}
        for result in results.values():
            _write_trial(run_dir, plan, cell, result)
        _complete_cell(run_dir, plan, cell, results)
    if read_part(run_dir) != WHOLE:
        measure_started_cells(run_dir)
    return len(measured)


def _write_trial(run_dir: Path, plan: Plan, cell: PlannedCell, result: AttemptResult) -> Row:
    """Write and return the trial.json of one attempt."""
    number = result.attempt
    row = replace(merge(plan, cell, [result], retries=_retries(run_dir, cell.id, [number])), attempt=number)
    write_row(attempt_dir(run_dir, cell.id, number, "trial.json"), row)
    return row


def _complete_cell(run_dir: Path, plan: Plan, cell: PlannedCell, results: Mapping[int, AttemptResult]) -> None:
    """Write cell.json once all attempts of the cell are measured.

    ``results`` are those that are in memory. The others are read again: percentiles need the requests of all attempts.
    """
    attempts = range(1, plan.repeat + 1)
    if all(attempt_dir(run_dir, cell.id, attempt, "trial.json").exists() for attempt in attempts):
        whole = [results.get(attempt) or _analysed(run_dir, plan, cell, attempt) for attempt in attempts]
        row = merge(plan, cell, whole, retries=_retries(run_dir, cell.id, attempts))
        write_row(run_dir / "cells" / cell.id / "cell.json", row)


def _retries(run_dir: Path, cell_id: str, attempts: Iterable[int]) -> list[Retry]:
    """Attempts that were set aside as invalid and have been retried, the oldest first."""
    return [
        Retry(attempt=attempt, reason=_reason(older / "trial.json") or "no reason was recorded")
        for attempt in attempts
        for older in sorted((run_dir / "cells" / cell_id).glob(f"attempt-{attempt}.retried-*"))
    ]


def _reason(path: Path) -> str | None:
    try:
        return read_outcome(path).reason
    except LabError as error:
        return str(error)


def _analysed(run_dir: Path, plan: Plan, cell: PlannedCell, attempt: int) -> AttemptResult:
    folder = attempt_dir(run_dir, cell.id, attempt)
    if not folder.is_dir():
        subject, commands = f"-e resume={run_dir.name}", commands_of(run_dir)
        raise LabError(
            f"{folder}: is missing, so the attempt was not measured. Resume the run: {commands.noted_sweep(subject)}",
            next_command=commands.in_text(f"./lab sweep {subject}"),
        )
    return analyse(folder, plan, cell, attempt)
