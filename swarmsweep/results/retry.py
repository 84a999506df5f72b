"""Invalid attempts: each is retried when all others are done.

The first attempt stays beside the retry, as ``attempt-<n>.retried-1``. Its folder shows, also in a resumed run, that
the attempt has been retried.
"""

import random
from collections import Counter
from pathlib import Path

from swarmsweep.errors import LabError
from swarmsweep.plan.part import WHOLE, end_part, part_sentence, read_part
from swarmsweep.plan.planned import Plan, Step
from swarmsweep.plan.row_file import read_outcome
from swarmsweep.plan.run_folder import attempt_dir, read_plan, remaining_steps
from swarmsweep.raw.left_lab import left_lab
from swarmsweep.results.manifest import commands_of
from swarmsweep.results.shared_failure import end_sentence, unmeasured_reasons


def older_try(run_dir: Path | str, cell_id: str, attempt: int) -> Path:
    """Folder of the attempt that was set aside; it exists once the retry has begun."""
    folder = attempt_dir(run_dir, cell_id, attempt)
    return folder.with_name(f"{folder.name}.retried-1")


def first_steps(run_dir: Path | str) -> list[Step]:
    """The steps without any finished attempt in this run, in the order of the plan: the work of the main pass."""
    return [step for step in remaining_steps(run_dir) if not _is_second(run_dir, step)]


def retry_steps(run_dir: Path | str) -> list[Step]:
    """The steps to be retried: those that are invalid, and retries that were interrupted.

    Their order is random and new, so that the same neighbours in time do not disturb an attempt again. It depends on
    the plan's seed alone, so that a resumed run continues it. The list is empty when a load would have left the lab:
    that ends the sweep, and would happen again. Cells that are left out (see `shared_failure`) are not retried.
    """
    plan = read_plan(run_dir)
    if _ended_by(run_dir, plan) is not None:
        return []
    order = list(plan.steps)
    random.Random(f"{plan.seed} retries").shuffle(order)
    left_out = unmeasured_reasons(run_dir, plan)
    begun = {step.key for step in remaining_steps(run_dir) if _is_second(run_dir, step)}
    return [
        step
        for step in order
        if step.cell_id not in left_out
        and (step.key in begun or (_status(run_dir, step) == "invalid" and not _is_second(run_dir, step)))
    ]


def set_aside(run_dir: Path | str, cell_id: str, attempt: int) -> Path:
    """Keep the invalid attempt under another name, so that it can be retried; return its new folder.

    Safe to repeat. It is called for each attempt just before its retry: until then its cell is shown as invalid. Raises
    `LabError` when the attempt was never made.
    """
    folder, older = attempt_dir(run_dir, cell_id, attempt), older_try(run_dir, cell_id, attempt)
    if older.exists():
        return older
    if not folder.is_dir():
        raise LabError(f"{folder}: is missing; an attempt that was not started cannot be retried")
    # Removed first: a cell.json without its attempt would look like a result.
    (folder.parent / "cell.json").unlink(missing_ok=True)
    return folder.rename(older)


def outcome(run_dir: Path | str) -> str | None:
    """Why the sweep ended early, or the result of the retries of a run and what the command left out, as sentences.

    None if there is neither.
    """
    plan = read_plan(run_dir)
    if ended := _end(run_dir, plan) or end_sentence(run_dir, plan):
        return ended
    return ". ".join(filter(None, (_retried(run_dir, plan), left_by_part(run_dir, plan)))) or None


def _retried(run_dir: Path | str, plan: Plan) -> str | None:
    statuses = Counter(_status(run_dir, step) or "not finished" for step in plan.steps if _is_second(run_dir, step))
    if not statuses:
        return None
    counts = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    return f"invalid attempts that were retried: {statuses.total()}. Now: {counts}"


def note_minutes_over(run_dir: Path | str) -> None:
    """Record in part.json that the minutes were over before all steps had begun. Call it after the last step."""
    part = read_part(run_dir)
    if part.max_minutes is None:
        return
    waiting = [*first_steps(run_dir), *retry_steps(run_dir)]
    left_out = unmeasured_reasons(run_dir, read_plan(run_dir))
    if any(part.selects(step.cell_id) and step.cell_id not in left_out for step in waiting):
        end_part(run_dir)


def left_by_part(run_dir: Path | str, plan: Plan, *, with_command: bool = True) -> str | None:
    """What --only and --max-minutes left for later, and the command that measures it; None if they left nothing."""
    part = read_part(run_dir)
    if part == WHOLE:
        return None
    left_out = unmeasured_reasons(run_dir, plan)
    waiting = [step for step in first_steps(run_dir) if step.cell_id not in left_out]
    selected = sum(part.selects(step.cell_id) for step in waiting)
    again = len(left_retries(run_dir))
    resume = commands_of(Path(run_dir)).noted_sweep(f"-e resume={plan.run_id}") if with_command else None
    return part_sentence(part, resume, len(waiting) - selected, selected if part.is_over else 0, again)


def left_retries(run_dir: Path | str) -> list[str]:
    """The cells of the invalid attempts for whose retry --max-minutes left no time, one for each attempt."""
    part = read_part(run_dir)
    return [step.cell_id for step in retry_steps(run_dir) if part.selects(step.cell_id)] if part.is_over else []


def refuse_ended(run_dir: Path | str) -> None:
    """Refuse to resume a run whose load would have left the lab: it would do so again.

    Raises:
        LabError: the run, the cell and the reason.
    """
    if ended := _end(run_dir, read_plan(run_dir)):
        raise LabError(f"{run_dir}: the run cannot be resumed, because {ended}, without -e resume")


def _end(run_dir: Path | str, plan: Plan) -> str | None:
    """Where and why the sweep ended early, as a sentence; None when it did not."""
    ended = _ended_by(run_dir, plan)
    if ended is None:
        return None
    cell_id, reason = ended
    left = len(remaining_steps(run_dir))
    return f"the sweep ended at {cell_id}. Attempts without a measurement: {left}. Reason: {reason}"


def _ended_by(run_dir: Path | str, plan: Plan) -> tuple[str, str] | None:
    """The cell whose load would have left the lab, and the reason."""
    for step in plan.steps:
        if reason := left_lab(attempt_dir(run_dir, *step.key)):
            return step.cell_id, reason
    return None


def _status(run_dir: Path | str, step: Step) -> str | None:
    """Status by trial.json; None if there is none. A file that cannot be read counts as invalid."""
    path = attempt_dir(run_dir, *step.key, "trial.json")
    if not path.exists():
        return None
    try:
        return read_outcome(path).status
    except LabError:
        return "invalid"


def _is_second(run_dir: Path | str, step: Step) -> bool:
    return older_try(run_dir, *step.key).exists()
