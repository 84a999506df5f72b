"""Executions of tasks by Locust's users: the workers' records, and the number that failed in a window."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from swarmsweep.raw.latency import Floats, Mask, read_rows
from swarmsweep.shared.request_record import FAILED_REQUEST, RAISED, TASK_FIELDS, UNFINISHED

UNKNOWN_TEXT = "(an exception without a text)"


@dataclass(frozen=True, eq=False)
class Tasks:
    """Executions of one worker: ``start_seconds`` (epoch) and ``outcome``, equally long; texts of their exceptions."""

    start_seconds: Floats
    outcome: Floats
    texts: tuple[str, ...] = ()

    def within(self, window_start: float, window_end: float) -> "Tasks":
        """The executions that began in [window_start, window_end)."""
        chosen = (self.start_seconds >= window_start) & (self.start_seconds < window_end)
        return Tasks(self.start_seconds[chosen], self.outcome[chosen], self.texts)


@dataclass(frozen=True)
class TaskCounts:
    """Executions of one window: all with a known outcome, those that failed, and exceptions by their text.

    An execution failed when it raised or when a request in it failed. ``users_ended`` of ``users`` had no execution at
    all, because their on_start raised; these exceptions are among ``exceptions``.
    """

    executions: int
    failed: int
    exceptions: Mapping[str, int]
    users: int = 0
    users_ended: int = 0

    @property
    def raised(self) -> int:
        """Executions, and starts of users, that ended with an exception."""
        return sum(self.exceptions.values())

    @property
    def failed_percent(self) -> float | None:
        """The larger share of failed executions and of users that could not start, in percent; None where neither is
        known.
        """
        shares = [
            100 * part / whole
            for part, whole in ((self.failed, self.executions), (self.users_ended, self.users))
            if whole
        ]
        return max(shares, default=None)

    def with_starts(self, users: int, on_start: Mapping[str, int], users_min: int | None) -> "TaskCounts":
        """These counts with the number of users of the load. For the arguments, see `ended_in_on_start`."""
        texts = {f"{text} (in on_start)": count for text, count in on_start.items()}
        ended = ended_in_on_start(users, on_start, users_min)
        return replace(self, exceptions={**self.exceptions, **texts}, users=users, users_ended=ended)


def ended_in_on_start(users: int, on_start: Mapping[str, int], users_min: int | None) -> int:
    """The number of users that did not run because their on_start raised.

    At each step of the ramp, Locust starts users again that have ended. So one user may raise several times, and may
    run after all.

    Args:
        users: the number of users of the load.
        on_start: exceptions in on_start, by their text.
        users_min: the fewest users in any second of the window; None where that was not recorded.
    """
    return min(sum(on_start.values()), users - min(users, users_min or 0))


def read_tasks(path: Path, texts: Sequence[str]) -> Tasks:
    """Read the tasks-*.f64.gz of one worker, whose exceptions have these texts.

    Raises `LabError` when the file cannot be read, or has a record that cannot be an execution.
    """
    rows, _ = read_rows([path], TASK_FIELDS, _is_nonsense)
    return Tasks(rows[:, 0], rows[:, 2], tuple(texts))


def count_tasks(parts: Sequence[Tasks]) -> TaskCounts:
    """Count the executions of all workers. One that the end of the load cut off counts as neither good nor failed."""
    executions = failed = 0
    exceptions: Counter[str] = Counter()
    for part in parts:
        executions += int((part.outcome != UNFINISHED).sum())
        failed += int(((part.outcome == FAILED_REQUEST) | (part.outcome >= RAISED)).sum())
        numbers, counts = np.unique(part.outcome[part.outcome >= RAISED], return_counts=True)
        for number, count in zip((numbers - RAISED).astype(int), counts, strict=True):
            text = part.texts[number] if number < len(part.texts) else UNKNOWN_TEXT
            exceptions[text] += int(count)
    return TaskCounts(executions, failed, dict(exceptions.most_common()))


def add_counts(parts: Sequence[TaskCounts]) -> TaskCounts:
    """Add up the counts of several loads."""
    exceptions: Counter[str] = Counter()
    for part in parts:
        exceptions.update(part.exceptions)
    sums = (sum(getattr(part, name) for part in parts) for name in ("executions", "failed", "users", "users_ended"))
    executions, failed, users, users_ended = sums
    return TaskCounts(executions, failed, dict(exceptions.most_common()), users, users_ended)


def _is_nonsense(rows: Floats) -> Mask:
    _start, length, outcome = rows.T
    bad: Mask = ~np.isfinite(rows).all(axis=1) | (length < 0) | (outcome < 0) | (outcome != np.floor(outcome))
    return bad
