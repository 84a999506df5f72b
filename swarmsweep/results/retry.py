"""Attempts that were found invalid: each is retried when all others are done.

The older try stays beside the newer one, as ``attempt-<n>.retried-1``. That folder shows, also in a run that
is taken up again, that an attempt has had its second try.
"""

import random
from collections import Counter
from pathlib import Path

from swarmsweep.errors import LabError
from swarmsweep.plan.planned import Plan, Step
from swarmsweep.plan.row_file import read_outcome
from swarmsweep.plan.run_folder import attempt_dir, read_plan, remaining_steps
from swarmsweep.raw.left_lab import left_lab


def older_try(run_dir: Path | str, cell_id: str, attempt: int) -> Path:
    """Folder of the try that was set aside; it exists once the attempt has had, or begun, its second one."""
    folder = attempt_dir(run_dir, cell_id, attempt)
    return folder.with_name(f"{folder.name}.retried-1")


def first_steps(run_dir: Path | str) -> list[Step]:
    """The steps that no try of this run has finished, in the order of the plan: what the main pass has to do."""
    return [step for step in remaining_steps(run_dir) if not _is_second(run_dir, step)]


def retry_steps(run_dir: Path | str) -> list[Step]:
    """The steps to be retried: those that are invalid, and second tries that were interrupted.

    Their order is random, and new, so that what disturbed a neighbourhood of the main pass is not met again; it comes
    from the plan's seed alone, so that a run that is taken up again goes on in it. There are none when a load would
    have left the lab: that ends the sweep, and would happen again.
    """
    plan = read_plan(run_dir)
    if _ended_by(run_dir, plan) is not None:
        return []
    order = list(plan.steps)
    random.Random(f"{plan.seed} retries").shuffle(order)
    begun = {step.key for step in remaining_steps(run_dir) if _is_second(run_dir, step)}
    return [
        step
        for step in order
        if step.key in begun or (_status(run_dir, step) == "invalid" and not _is_second(run_dir, step))
    ]


def set_aside(run_dir: Path | str, cell_id: str, attempt: int) -> Path:
    """Keep the invalid try under another name, so that the attempt can be retried; return the older folder.

    Safe to repeat. Done for each attempt just before its second try: until then its cell is shown as invalid.
    Raises `LabError` when the attempt was never made.
    """
    folder, older = attempt_dir(run_dir, cell_id, attempt), older_try(run_dir, cell_id, attempt)
    if older.exists():
        return older
    if not folder.is_dir():
        raise LabError(f"{folder}: is missing; an attempt that was not started cannot be retried")
    # First, as a cell.json without its attempt would pass for a result.
    (folder.parent / "cell.json").unlink(missing_ok=True)
    return folder.rename(older)


def outcome(run_dir: Path | str) -> str | None:
    """What ended the sweep early, or what the second tries of a run brought, as a sentence; None when all is well."""
    plan = read_plan(run_dir)
    if ended := _end(run_dir, plan):
        return ended
    statuses = Counter(_status(run_dir, step) or "not finished" for step in plan.steps if _is_second(run_dir, step))
    if not statuses:
        return None
    counts = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    return f"{statuses.total()} invalid attempt(s) were retried: now {counts}"


def refuse_ended(run_dir: Path | str) -> None:
    """Refuse to take up a run whose load would have left the lab: it would do so again.

    Raises:
        LabError: the run, the cell and the reason.
    """
    if ended := _end(run_dir, read_plan(run_dir)):
        raise LabError(f"{run_dir}: the run cannot be resumed, because {ended}. Start a new run without -e resume")


def _end(run_dir: Path | str, plan: Plan) -> str | None:
    """Where and why the sweep ended early, as a sentence; None when it did not."""
    ended = _ended_by(run_dir, plan)
    if ended is None:
        return None
    cell_id, reason = ended
    left = len(remaining_steps(run_dir))
    return f"the sweep ended at {cell_id}, and {left} attempt(s) were not measured: {reason}"


def _ended_by(run_dir: Path | str, plan: Plan) -> tuple[str, str] | None:
    """The cell whose load would have left the lab, and the reason."""
    for step in plan.steps:
        if reason := left_lab(attempt_dir(run_dir, *step.key)):
            return step.cell_id, reason
    return None


def _status(run_dir: Path | str, step: Step) -> str | None:
    """Status by trial.json; None where there is none. One that cannot be read is as good as invalid."""
    path = attempt_dir(run_dir, *step.key, "trial.json")
    if not path.exists():
        return None
    try:
        return read_outcome(path).status
    except LabError:
        return "invalid"


def _is_second(run_dir: Path | str, step: Step) -> bool:
    return older_try(run_dir, *step.key).exists()
