"""Raw files of a run -> trial.json of each attempt and cell.json of each complete cell."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.files import read_json, write_json
from swarmsweep.plan.run_folder import attempt_dir, planned_cell, read_plan
from swarmsweep.results.attempt_result import AttemptResult, analyse
from swarmsweep.results.cell import merge


def measure_attempt(run_dir: Path | str, cell_id: str, attempt: int) -> dict[str, Any]:
    """Measure one attempt from its raw files; write and return its trial.json.

    When it was the last attempt of the cell without a trial.json, cell.json is written too. Damaged or missing raw
    files make the attempt invalid; `LabError` is raised only when the attempt is not in the plan or has no folder.
    """
    run_dir = Path(run_dir)
    plan = read_plan(run_dir)
    cell = planned_cell(plan, cell_id)
    if {"cell_id": cell_id, "attempt": attempt} not in [_key(step) for step in plan["steps"]]:
        raise LabError(
            f"attempt {attempt} of cell {cell_id} is not in {run_dir / 'plan.json'}; it has {plan['repeat']} per cell"
        )
    trial = _trial(run_dir, plan, cell, attempt)
    row = merge(plan, cell, [trial], retries=_retries(run_dir, cell_id, [attempt])) | {"attempt": attempt}
    write_json(attempt_dir(run_dir, cell_id, attempt, "trial.json"), row)
    _complete_cell(run_dir, plan, cell)
    return row


def measure_run(run_dir: Path | str) -> int:
    """Measure every attempt that was measured before once more, from its raw files; return how many.

    An attempt without trial.json was interrupted and stays unmeasured.
    """
    run_dir = Path(run_dir)
    done = [
        step for step in read_plan(run_dir)["steps"] if attempt_dir(run_dir, **_key(step), file="trial.json").exists()
    ]
    for step in done:
        measure_attempt(run_dir, step["cell_id"], step["attempt"])
    return len(done)


def _complete_cell(run_dir: Path, plan: dict[str, Any], cell: dict[str, Any]) -> None:
    attempts = range(1, plan["repeat"] + 1)
    if all(attempt_dir(run_dir, cell["id"], attempt, "trial.json").exists() for attempt in attempts):
        trials = [_trial(run_dir, plan, cell, attempt) for attempt in attempts]
        row = merge(plan, cell, trials, retries=_retries(run_dir, cell["id"], attempts))
        write_json(run_dir / "cells" / cell["id"] / "cell.json", row)


def _retries(run_dir: Path, cell_id: str, attempts: Iterable[int]) -> list[dict[str, Any]]:
    """Attempts that were set aside as invalid and made again, oldest first: ``{"attempt", "reason"}``."""
    return [
        {"attempt": attempt, "reason": _reason(older / "trial.json") or "no reason was recorded"}
        for attempt in attempts
        for older in sorted((run_dir / "cells" / cell_id).glob(f"attempt-{attempt}.retried-*"))
    ]


def _reason(path: Path) -> str | None:
    try:
        return read_json(path).get("reason")
    except LabError as error:
        return str(error)


def _trial(run_dir: Path, plan: dict[str, Any], cell: dict[str, Any], attempt: int) -> AttemptResult:
    folder = attempt_dir(run_dir, cell["id"], attempt)
    if not folder.is_dir():
        raise LabError(f"{folder}: is missing; the attempt was never made. Resume the run: ansible-playbook sweep.yml")
    return analyse(folder, plan, cell, attempt)


def _key(step: dict[str, Any]) -> dict[str, Any]:
    return {"cell_id": step["cell_id"], "attempt": step["attempt"]}
