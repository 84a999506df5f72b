"""cell.json and trial.json: the row of a cell, and the row of one attempt at it."""

import os
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
    *("server_processes", "processes_range", "request_counts", "endpoints"),
    *("unloaded_latency_ms", "latency_growth", "served_at_once", "capacity_users"),
    *("latency_intervals_ms", "hosts", "user_classes", "class_users"),
    "capacity_iterations_per_second",
)


# Keys that the parts of a row have had since the first version. Without this list, a lost one would be "not measured".
INNER_KEYS = {
    "latency_ms": ("mean", "p50", "p95", "p99"),
    "api": ("cpu_cores", "throttled_percent", "memory_peak_bytes", "oom_kills", "restarts"),
    "load": ("cpu_percent_max", "workers"),
    "attempts": ("attempt", "status", "reason", "rps", "window_start", "window_end", "requests_by_replica"),
}
# Keys of an attempt that came together: an attempt has all of them or none.
SEARCH_KEYS = (
    *("capacity_rps", "verified_rps", "interval_rps", "at_least", "limited_by", "capacity_sentence"),
    "load_trials",
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


def has_row(path: Path) -> bool:
    """Whether a cell.json or trial.json was written, also one that cannot be read: then `read_row` names the damage.

    A link to a missing file, or to a missing folder of the cell, is damage and not a cell that was not measured.
    """
    return os.path.lexists(path) or (path.parent.is_symlink() and not path.parent.exists())


def read_row(path: Path, run_dir: Path, cell: PlannedCell) -> Row:
    """Read the row of ``cell`` from cell.json or trial.json of the run, also one of an earlier version.

    Raises:
        LabError: the file is missing or damaged, or belongs to another cell.
    """
    blank = row_json(unmeasured_row(cell))
    rebuild = f"./lab report --remeasure {quote(str(run_dir))}"
    again = f"Rebuild it from the raw files: {rebuild}"
    try:
        stored = read_json(path)
        row = convert({key: blank[key] for key in NEWER_KEYS} | stored, Row)
        _refuse_lost_keys(stored, path)
    except ValidationError as error:
        raise LabError(f"{path}: is damaged: {error}. {again}", next_command=rebuild) from error
    except LabError as error:
        raise LabError(f"{error}. {again}", next_command=rebuild) from error
    if (row.id, row.config) != (cell.id, cell.config):
        raise LabError(f"{path}: does not match cell {cell.id} of plan.json. {again}", next_command=rebuild)
    return row


def _refuse_lost_keys(stored: dict[str, Any], path: Path) -> None:
    """Raise a `LabError` where a part of the row lacks a key. The types of its parts have been checked."""
    for name, keys in INNER_KEYS.items():
        parts = stored[name] if name == "attempts" else [stored[name]]
        for number, part in enumerate(parts):
            place = f"{name}[{number}]" if name == "attempts" else name
            whole = SEARCH_KEYS if name == "attempts" and part.keys() & set(SEARCH_KEYS) else ()
            if lost := [key for key in (*keys, *whole) if key not in part]:
                raise LabError(f"{path}: is damaged: {place} lacks {', '.join(lost)}")


def read_outcome(path: Path) -> Outcome:
    """Status and reason of a row.

    Raises:
        LabError: the file is missing or damaged.
    """
    try:
        return convert(read_json(path), Outcome)
    except ValidationError as error:
        raise LabError(f"{path}: is damaged: {error}") from error
