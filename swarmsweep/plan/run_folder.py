"""The folder of a run: the plan, the attempts, and the steps that are not measured yet."""

import re
import time
from pathlib import Path

from swarmsweep.errors import InputError, LabError
from swarmsweep.files import read_json, write_json, write_many_json
from swarmsweep.plan.damaged_plan import refuse_damaged
from swarmsweep.plan.planned import SCHEMA, Plan, PlannedCell, Step, as_json
from swarmsweep.plan.row import infeasible_row
from swarmsweep.plan.row_file import row_json
from swarmsweep.record_file import as_record
from swarmsweep.units import quoted

# Beside a cell.json: the row of a cell of which some attempts are measured, and the others were left out.
PARTIAL_FILE = "partial.json"
SHOWN_RUNS = 10  # runs that a message lists; a longer list would hide the rest of the message
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[a-z0-9][a-z0-9-]{0,31}")


def write_plan(plan: Plan, reports_dir: Path | str) -> Path:
    """Create the run folder with plan.json and the cell.json of every infeasible cell; return the folder.

    Writing the same plan again is safe; a different plan in the folder is refused.
    """
    run_dir = Path(reports_dir) / plan.run_id
    path = run_dir / "plan.json"
    stored = as_json(plan)
    if path.exists() and read_json(path) != stored:
        raise LabError(
            f"{path}: already holds another plan. Start a new run, or delete the folder {run_dir} if you do not need it"
        )
    write_infeasible(plan, run_dir)
    # Written last: a folder without plan.json is not a run folder.
    write_json(path, stored)
    return run_dir


def write_infeasible(plan: Plan, run_dir: Path) -> None:
    """Write the cell.json of every infeasible cell."""
    infeasible = [cell for cell in plan.cells if cell.infeasible_reason]
    rows = {cell.id: row_json(infeasible_row(plan, cell)) for cell in infeasible}
    write_many_json({run_dir / "cells" / cell_id / "cell.json": row for cell_id, row in rows.items()})


def read_plan(run_dir: Path | str) -> Plan:
    """plan.json of a run folder. Raises `LabError` when it is missing, damaged or of another schema."""
    path = Path(run_dir) / "plan.json"
    if not path.exists():
        raise LabError(
            f"{path}: is missing, so {run_dir} is not a run folder. To start a run: ./lab sweep",
            next_command="./lab sweep",
        )
    stored = read_json(path)
    if stored.get("schema") != SCHEMA:
        raise LabError(
            f"{path}: the schema is {stored.get('schema')!r}; allowed: {SCHEMA}. "
            "Another version of swarmsweep wrote this run. Use that version for it"
        )
    plan = as_record(stored, Plan, str(path))
    refuse_damaged(plan, str(path))
    return plan


def planned_cell(plan: Plan, cell_id: str) -> PlannedCell:
    """The plan's cell with that id. Raises `LabError` when there is none."""
    for cell in plan.cells:
        if cell.id == cell_id:
            return cell
    raise LabError(f"cell {cell_id!r} is not in the plan of {plan.run_id}")


def remaining_steps(run_dir: Path | str) -> list[Step]:
    """The steps of the plan that have no trial.json yet, in order: the remaining work of a resumed run."""
    run_dir = Path(run_dir)
    return [step for step in read_plan(run_dir).steps if not attempt_dir(run_dir, *step.key, "trial.json").exists()]


def incomplete_cells(run_dir: Path | str) -> list[PlannedCell]:
    """Cells whose attempts are all measured but that have no cell.json: writing it was interrupted."""
    run_dir, plan = Path(run_dir), read_plan(run_dir)
    return [
        cell
        for cell in plan.cells
        if not (run_dir / "cells" / cell.id / "cell.json").exists() and _is_complete(run_dir, plan, cell)
    ]


def _is_complete(run_dir: Path, plan: Plan, cell: PlannedCell) -> bool:
    trials = [attempt_dir(run_dir, *step.key, "trial.json") for step in plan.steps if step.cell_id == cell.id]
    return bool(cell.infeasible_reason) or (bool(trials) and all(path.exists() for path in trials))


def retry_broken(run_dir: Path | str) -> int:
    """Set aside attempts that were interrupted, or in which the test bench failed; return how many they were.

    Their folders stay as ``attempt-<n>.broken-<time_ns>``, and no program reads them. So files of two executions are
    never mixed.
    """
    run_dir = Path(run_dir)
    folders = [attempt_dir(run_dir, *step.key) for step in read_plan(run_dir).steps]
    broken = [folder for folder in folders if folder.is_dir() and not _is_measured(folder)]
    for folder in broken:
        # Removed first: a cell.json without its attempt would look like a result.
        (folder.parent / "cell.json").unlink(missing_ok=True)
        folder.rename(folder.with_name(f"{folder.name}.broken-{time.time_ns()}"))
    return len(broken)


def attempt_dir(run_dir: Path | str, cell_id: str, attempt: int, file: str = "") -> Path:
    """Folder of the raw files of one attempt, or one file in it."""
    return Path(run_dir) / "cells" / cell_id / f"attempt-{attempt}" / file


def newest_runs(reports_dir: Path | str, limit: int | None = None) -> list[Path]:
    """Run folders with a plan, the newest first, at most ``limit``."""
    runs = (path.parent for path in Path(reports_dir).glob("*/plan.json") if RUN_ID.fullmatch(path.parent.name))
    return sorted(runs, key=lambda run: run.name, reverse=True)[:limit]


def run_to_resume(reports_dir: Path | str, run_id: object) -> Path:
    """The folder of the run that ``-e resume=RUN`` names.

    Raises:
        InputError: there is no such run; with those that there are, and the command that resumes the newest.
    """
    run_dir = Path(reports_dir) / str(run_id)
    if isinstance(run_id, str) and RUN_ID.fullmatch(run_id) and (run_dir / "plan.json").exists():
        return run_dir
    runs = [run.name for run in newest_runs(reports_dir, SHOWN_RUNS + 1)]
    if not runs:
        raise InputError(
            f"resume is {quoted(str(run_id))}, but {reports_dir} holds no run yet. To start one, run: ./lab sweep",
            next_command="./lab sweep",
        )
    more = ", and older ones" if len(runs) > SHOWN_RUNS else ""
    raise InputError(
        f"resume is {quoted(str(run_id))}; allowed: a run in {reports_dir}: {', '.join(runs[:SHOWN_RUNS])}{more}. "
        f"To resume the newest, run: ./lab sweep -e resume={runs[0]}",
        next_command=f"./lab sweep -e resume={runs[0]}",
    )


def newest_run(reports_dir: Path | str, default: Path | None = None) -> Path:
    """The run folder with the latest run id that has a plan. Raises `InputError` when there is none and no default."""
    run = next(iter(newest_runs(reports_dir, 1)), default)
    if run is None:
        raise InputError(
            f"{Path(reports_dir)}: holds no run yet. To start one: ./lab sweep", next_command="./lab sweep"
        )
    return run


def _is_measured(folder: Path) -> bool:
    return (folder / "trial.json").exists() and not (folder / "harness.json").exists()
