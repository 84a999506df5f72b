"""A part of a sweep: the cells that match patterns, and the steps that begin within some minutes.

The command has both (``--only``, ``--max-minutes``). The plan of the run always has all cells, so that the run can be
resumed. part.json in the run folder says which part the newest command measured.
"""

import math
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from shlex import quote
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from swarmsweep.errors import InputError
from swarmsweep.files import write_json
from swarmsweep.plan.planned import Plan, Step
from swarmsweep.record_file import read_record
from swarmsweep.sweep.load import load_from_json
from swarmsweep.units import counted, format_plain, format_seconds, quoted

FILE = "part.json"
# Ids that a message lists. A longer list would hide the rest of the message.
SHOWN_IDS = 20
# A year, in minutes. A larger number is a mistake in the unit.
MAX_MINUTES = 525_600


class Part(Struct, frozen=True, kw_only=True):
    """What one command measures. Without patterns, it measures all cells; without minutes, it has no limit of time.

    ``is_over`` is set where the minutes ended before all steps had begun.
    """

    schema: int = 1
    only: tuple[str, ...] = ()
    max_minutes: float | None = None
    is_over: bool = False

    def selects(self, cell_id: str) -> bool:
        """Whether the cell matches a pattern."""
        return not self.only or any(fnmatchcase(cell_id, pattern) for pattern in self.only)

    @property
    def max_seconds(self) -> float:
        """The seconds in which steps must end by their estimates; infinite without a limit."""
        return math.inf if self.max_minutes is None else 60 * self.max_minutes

    @property
    def option_only(self) -> str:
        """The option, as a person types it: --only 'r2-*'."""
        return " ".join(f"--only {_as_typed(pattern)}" for pattern in self.only)

    @property
    def option_minutes(self) -> str:
        """The option, as a person types it: --max-minutes 30."""
        return "" if self.max_minutes is None else f"--max-minutes {format_plain(self.max_minutes)}"


def _as_typed(pattern: str) -> str:
    """A pattern as a shell takes it. A range may have a quote in it."""
    return quote(pattern) if "'" in pattern else f"'{pattern}'"


WHOLE = Part()


def parse_part(only: Any, max_minutes: Any, ids: Sequence[str]) -> Part:
    """The part that a command line names. ``only`` has patterns, separated by commas or spaces, or is a list of them.

    Raises:
        InputError: a pattern matches no id, or the minutes are no number above 0.
    """
    return Part(only=_patterns(only, ids), max_minutes=None if max_minutes is None else _minutes(max_minutes))


def _patterns(only: Any, ids: Sequence[str]) -> tuple[str, ...]:
    texts = [] if only is None else only if isinstance(only, list) else [only]
    patterns = tuple(dict.fromkeys(word for text in texts for word in re.split(r"[,\s]+", str(text)) if word))
    if texts and not patterns:
        raise InputError(f"--only (sweep_only) has no pattern; {_allowed(ids)}")
    for pattern in patterns:
        if not any(fnmatchcase(cell_id, pattern) for cell_id in ids):
            raise InputError(f"--only (sweep_only) {quoted(pattern)} matches no cell; {_allowed(ids)}")
    return patterns


def _allowed(ids: Sequence[str]) -> str:
    more = f", and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
    return f"allowed: patterns with * and ? for these ids: {', '.join(ids[:SHOWN_IDS])}{more}"


def _minutes(value: Any) -> float:
    try:
        minutes = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        minutes = math.nan
    if 0 < minutes <= MAX_MINUTES:
        return minutes
    raise InputError(
        f"--max-minutes (sweep_max_minutes) is {quoted(value)}; "
        f"allowed: a number of minutes above 0, at most {MAX_MINUTES}"
    )


def step_seconds(plan: Plan, step: Step) -> float:
    """Estimated seconds of a step: its load, which a search may end early, and what comes beside it."""
    load = load_from_json(plan.load_of(plan.cells_by_id()[step.cell_id]))
    return round(load.seconds + plan.estimate_seconds.other_per_step, 3)


def steps_in_time(plan: Plan, steps: Iterable[Step], seconds_left: float) -> list[Step]:
    """Those of the steps that begin by the estimates. A step that would exceed the seconds does not begin."""
    begun: list[Step] = []
    elapsed_seconds = 0.0
    for step in steps:
        seconds = step_seconds(plan, step)
        if elapsed_seconds + seconds <= seconds_left:
            begun.append(step)
            elapsed_seconds += seconds
    return begun


def refuse_too_short(plan: Plan, steps: Sequence[Step], part: Part) -> None:
    """Refuse minutes in which no step could begin.

    Raises:
        InputError: with the minutes that the shortest step needs.
    """
    if part.max_minutes is None or not steps:
        return
    shortest = min(steps, key=lambda step: step_seconds(plan, step))
    seconds = step_seconds(plan, shortest)
    if seconds > part.max_seconds:
        raise InputError(
            f"--max-minutes (sweep_max_minutes) is {format_plain(part.max_minutes)}, so no step could begin. "
            f"The shortest step, of {shortest.cell_id}, takes about {format_seconds(seconds)}; "
            f"allowed: at least {math.ceil(seconds / 6) / 10:g}"
        )


def write_part(run_dir: Path | str, part: Part) -> None:
    """Store the part that the command measures. The whole sweep has no file."""
    path = Path(run_dir) / FILE
    if part == WHOLE:
        path.unlink(missing_ok=True)
    else:
        write_json(path, to_builtins(part))


def read_part(run_dir: Path | str) -> Part:
    """The part that the newest command of a run measured. Raises `LabError` where the file is damaged."""
    path = Path(run_dir) / FILE
    return read_record(path, Part) if path.exists() else WHOLE


def end_part(run_dir: Path | str) -> None:
    """Record that the minutes were over before all steps had begun."""
    write_part(run_dir, replace(read_part(run_dir), is_over=True))


def reasons(part: Part, unmeasured: Iterable[str]) -> dict[str, str]:
    """Why cells have no measurement, by id, where the part is the reason. ``unmeasured``: ids of all cells without."""
    found = {}
    for cell_id in unmeasured:
        if not part.selects(cell_id):
            found[cell_id] = f"not measured, because it does not match {part.option_only}"
        elif part.is_over:
            found[cell_id] = f"not measured, because the time of {part.option_minutes} was over"
    return found


def part_sentence(part: Part, resume: str | None, unselected: int, not_begun: int, not_retried: int = 0) -> str | None:
    """What a part leaves for later; None if it leaves nothing. ``resume`` is the command that measures it.

    The numbers: attempts of other cells, those that did not begin in time, and invalid ones that were not retried.
    """
    left = []
    if unselected:
        left.append(f"{_attempts(unselected)} of cells that do not match {part.option_only}")
    if not_begun:
        left.append(f"{_attempts(not_begun)} that could not end within {part.option_minutes}")
    if not_retried:
        left.append(f"{counted(not_retried, 'invalid attempt')} without a retry")
    if not left:
        return None
    sentence = f"Left out: {', '.join(left)}."
    return sentence if resume is None else f"{sentence} To measure the rest, run: {resume}"


def retry_sentence(part: Part, retries: int, in_time: int, duration: str) -> str | None:
    """What is announced before the retries of invalid attempts; None without one.

    ``in_time``: those that end within the minutes by the estimates, and take ``duration`` together.
    """
    if not retries:
        return None
    if not in_time:
        return f"invalid attempts: {retries}. No retry of them would end within {part.option_minutes}"
    count = str(retries) if in_time == retries else f"{in_time} of {retries}"
    sentence = f"invalid attempts that are retried: {count}, in about {duration}"
    if in_time == retries:
        return sentence
    return f"{sentence}. No other retry would end within {part.option_minutes}"


def _attempts(count: int) -> str:
    return counted(count, "attempt")
