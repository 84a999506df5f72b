"""The output of a sweep while it runs: one line for each attempt, and the remaining time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from msgspec.structs import replace

from swarmsweep.choose.modes import choice_of
from swarmsweep.errors import LabError
from swarmsweep.markdown import one_line
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import Row
from swarmsweep.plan.row_file import read_row
from swarmsweep.plan.run_folder import attempt_dir, read_plan
from swarmsweep.results import slo as slo_of
from swarmsweep.results.workers_axis import judge_workers
from swarmsweep.sweep.slo_limits import SloLimits
from swarmsweep.units import counted, format_figure


def sentence(row: Row, slo: SloLimits) -> str:
    """The outcome of an attempt: its row -> "valid, 412 requests/s, p95 88 ms, meets the SLO".

    It is printed on a terminal, and a reason or the name of an endpoint may have any characters.
    """
    return one_line(_outcome(row, slo))


def _outcome(row: Row, slo: SloLimits) -> str:
    if row.status != "valid":
        return f"{row.status}: {row.reason}"
    p95, bounds = row.latency_ms.p95, row.lower_bounds
    latency = "p95 not measured" if p95 is None else f"p95 {'>= ' if 'p95' in bounds else ''}{p95:.0f} ms"
    if capacity := row.capacity:
        if capacity.verified_rps is None:
            return f"valid, {_unverified(row)}"
        least = "at least " if capacity.is_lower_bound else ""
        short = ", below the target" if row.meets_slo is False else ""
        users = "" if capacity.verified_users is None else f"{counted(capacity.verified_users, 'user')} with "
        if capacity.verified_iterations_per_second is not None:
            users = f"{format_figure(capacity.verified_iterations_per_second)} iterations/s with "
        return f"valid, holds {least}{users}{_rate(capacity.verified_rps)}, {latency}{short}"
    verdict = {True: "meets the SLO", False: f"misses the SLO{_where(row)}", None: _undecided(row, slo)}[row.meets_slo]
    failed = f"failures {format_figure(row.failure_percent)} %" if row.failure_percent else ""
    raised = f"{row.task_exceptions} tasks raised an exception" if row.task_exceptions else ""
    return ", ".join(part for part in ("valid", _rate(row.rps), latency, failed, raised, verdict) if part)


def _where(row: Row) -> str:
    """The first endpoint that misses a limit of its own."""
    return next((f" at {endpoint.name}" for endpoint in row.endpoints or () if endpoint.meets_slo is False), "")


def _undecided(row: Row, slo: SloLimits) -> str:
    """With the limit that keeps the verdict open."""
    worst = max(slo_of.misses(row, slo), key=lambda miss: miss.factor, default=None)
    return f"the SLO is undecided{'' if worst is None else f': {worst.describe()}'}"


def _unverified(row: Row) -> str:
    """Why no rate was verified, according to the first deployment without one."""
    sentences = (attempt.capacity_sentence for attempt in row.attempts if attempt.verified_rps is None)
    return next((text for text in sentences if text), "no rate was verified to hold the SLO").rstrip(".")


class Progress:
    """The results of a run so far, and the pace of one pass over its steps. Lives as long as the process that measures.

    Args:
        run_dir: the run folder; the results of earlier passes are read from it.
        steps: those of this pass, in order, each with ``cell_id``, ``attempt`` and ``load_seconds``.
        before: the pass before this one, whose pace is known.
        deadline_seconds: of --max-minutes, on the monotonic clock of this machine.
    """

    def __init__(
        self,
        run_dir: Path | str,
        steps: list[dict[str, Any]],
        before: Progress | None = None,
        deadline_seconds: float | None = None,
    ) -> None:
        self.run_dir = Path(run_dir)
        self.plan = read_plan(self.run_dir)
        self.left = [dict(step) for step in steps]
        self.cells = self.plan.cells_by_id()
        self.rows = {cell.id: row for cell in self.plan.cells if (row := self._row(cell))}
        # The seconds of steps beyond their planned load; below zero where a search ended early or a replica died.
        self.beyond: dict[float, list[float]] = before.beyond if before else {}
        self.again: list[dict[str, Any]] = []
        self.steps = len(steps)
        self.deadline_seconds: float | None = before.deadline_seconds if before else deadline_seconds
        # The cell that would be chosen now, or the one nearest to the SLO.
        self.chosen: Row | None = None
        self.holds_slo = False
        if any(row.status == "valid" for row in self.rows.values()):
            self.best()

    def expected_seconds(self, step: dict[str, Any]) -> float:
        """Expected seconds of a step: its planned load, and the median of the further seconds of similar steps.

        Steps with the same planned load are similar. Without one of these, all steps are used; before the first, the
        plan's estimate.
        """
        load = step["load_seconds"]
        alike = self.beyond.get(load) or [value for values in self.beyond.values() for value in values]
        return max(0.0, float(load) + (median(alike) if alike else self.plan.estimate_seconds.other_per_step))

    def left_seconds(self, step: Mapping[str, Any] | None = None, elapsed_seconds: float = 0.0) -> float:
        """Seconds until the pass is over, including the retries of invalid attempts.

        ``step`` runs since ``elapsed_seconds``.
        """
        left = sum(self.expected_seconds(other) for other in [*self.left, *self.again])
        if step is not None:
            left -= min(elapsed_seconds, self.expected_seconds(dict(step)))
        return left if self.deadline_seconds is None else min(left, max(0.0, self.deadline_seconds - time.monotonic()))

    @property
    def steps_done(self) -> int:
        """The steps of this pass that have ended."""
        return self.steps - len(self.left)

    def is_left(self, step: Mapping[str, Any]) -> bool:
        """Whether the step is one of this pass that has not ended."""
        return any(_key(other) == _key(step) for other in self.left)

    def end(self, step: dict[str, Any], seconds: float) -> str | None:
        """Record a step that took this many seconds; return its outcome and the best cell so far.

        None when it left no trial.json: then another message has been printed already.
        """
        self.left = [other for other in self.left if _key(other) != _key(step)]
        self.beyond.setdefault(step["load_seconds"], []).append(seconds - step["load_seconds"])
        cell = self.cells[step["cell_id"]]
        result = self._read(attempt_dir(self.run_dir, cell.id, step["attempt"], "trial.json"), cell)
        if result is None:
            return None
        if result.status == "invalid" and not step.get("again"):
            self.again.append(step)
        self.rows[cell.id] = self._row(cell) or _light(result)
        return "; ".join(part for part in (sentence(result, self.plan.limits), self.best(cell.id)) if part)

    def best(self, current: str | None = None) -> str | None:
        """The cell that would be chosen now, else the one nearest to the SLO; ``current`` is the one just measured."""
        choice = choice_of(self.plan, judge_workers(list(self.rows.values()), self.plan.added_cell))
        chosen, words = choice.chosen, "best so far"
        self.holds_slo = chosen is not None
        if chosen is None:
            chosen, words = choice.nearest(), "no cell meets the SLO yet, nearest"
        self.chosen = chosen
        if chosen is None:
            return None
        rps = chosen.rps if chosen.capacity_rps is None else chosen.capacity_rps
        name = "this one" if chosen.id == current else f"{chosen.id}, {_rate(rps)}"
        return f"{words}: {name}"

    def _row(self, cell: PlannedCell) -> Row | None:
        """The row from a cell's cell.json, or from its newest attempt if there is none."""
        folder = self.run_dir / "cells" / cell.id
        attempts = (folder / f"attempt-{number}" / "trial.json" for number in range(self.plan.repeat, 0, -1))
        return next(
            (_light(row) for path in (folder / "cell.json", *attempts) if (row := self._read(path, cell))), None
        )

    def _read(self, path: Path, cell: PlannedCell) -> Row | None:
        """A row; None when it is missing or cannot be read, which the report will note."""
        try:
            return read_row(path, self.run_dir, cell) if path.exists() else None
        except LabError:
            return None


def _rate(rps: float | None) -> str:
    if rps is None:
        return "requests/s not measured"
    return f"{format_figure(rps) if rps < 10 else f'{rps:.0f}'} requests/s"


def _light(row: Row) -> Row:
    """The row without the parts that the choice does not use.

    The process that measures forks for each task, and a fork costs more with more memory.
    """
    attempts = [replace(attempt, probes=[]) for attempt in row.attempts]
    return replace(
        row,
        checks=[],
        log_tail=[],
        request_parts=None,
        choices=None,
        bottleneck_evidence=None,
        attempts=attempts,
    )


def _key(step: Mapping[str, Any]) -> tuple[str, int]:
    return step["cell_id"], step["attempt"]
