"""cell.json and trial.json: the row of a cell, and the row of one attempt at it."""

from pathlib import Path
from shlex import quote
from typing import Any

from msgspec import Struct, ValidationError, convert, to_builtins

from swarmsweep.errors import LabError
from swarmsweep.files import read_json, write_json
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import Row, unmeasured_row

# Fields that rows of an earlier version lack. They get the values of a cell that was not measured.
NEWER_KEYS = (
    *("request_parts", "choices", "metrics_problem", "target", "capacity", "twin_of", "retries"),
    *("task_exceptions", "failed_task_percent", "lower_bounds", "exceptions", "think_time_seconds", "failure_kinds"),
    "server_processes",
)


class Outcome(Struct, frozen=True):
    """The outcome of an attempt, read alone where nothing else of its row is needed."""

    status: str | None = None
    reason: str | None = None


def row_json(row: Row) -> dict[str, Any]:
    """The row as in cell.json or trial.json."""
    plain: dict[str, Any] = to_builtins(row)
    return plain


def write_row(path: Path, row: Row) -> None:
    """Write cell.json or trial.json."""
    write_json(path, row_json(row))


def read_row(path: Path, run_dir: Path, cell: PlannedCell) -> Row:
    """Read the row of ``cell`` from cell.json or trial.json of the run, also one of an earlier version.

    Raises:
        LabError: the file is missing or damaged, or belongs to another cell.
    """
    blank = row_json(unmeasured_row(cell))
    again = f"Rebuild it from the raw files: ./lab report --remeasure {quote(str(run_dir))}"
    try:
        row = convert({key: blank[key] for key in NEWER_KEYS} | read_json(path), Row)
    except ValidationError as error:
        raise LabError(f"{path}: is damaged: {error}. {again}") from error
    except LabError as error:
        raise LabError(f"{error}. {again}") from error
    if (row.id, row.config) != (cell.id, cell.config):
        raise LabError(f"{path}: does not match cell {cell.id} of plan.json. {again}")
    return row


def read_outcome(path: Path) -> Outcome:
    """Status and reason of a row.

    Raises:
        LabError: the file is missing or damaged.
    """
    try:
        return convert(read_json(path), Outcome)
    except ValidationError as error:
        raise LabError(f"{path}: is damaged: {error}") from error
