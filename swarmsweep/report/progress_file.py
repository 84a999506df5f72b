"""progress.json of a run: what the sweep does now, for `./lab watch` and for scripts.

ansible-playbook writes it at most once a second, complete or not at all.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from swarmsweep.files import write_atomically
from swarmsweep.lab.processes import started_at
from swarmsweep.markdown import one_line
from swarmsweep.plan.row import Row
from swarmsweep.record_file import Amount, Count, read_record
from swarmsweep.report.live_load import LiveLoad, NoFigures, read_live, read_missing
from swarmsweep.report.progress import Progress

FILE = "progress.json"
# Those that a date can show. A damaged file may hold others.
Epoch = Annotated[float, Meta(ge=0, lt=2.5e11)]
Seconds = Annotated[float, Meta(ge=0, lt=1e9)]

# Seconds between two versions.
WRITE_SECONDS = 1.0
# Part of each second at which it is written. Locust's master writes its figures at 0.3 s (see loadgen/common/live.py),
# and they arrive within 0.3 s. Written at any other part, they could be a second older.
PHASE_SECONDS = 0.75

State = Literal["running", "ended", "failed", "interrupted"]


class CellProgress(Struct, frozen=True, kw_only=True):
    """A cell so far; its status is null until it has a measured attempt.

    In a search, ``rps`` is the capacity, and ``p95_ms`` the latency at it. Both are null if no rate was verified.
    """

    id: str
    status: str | None = None
    reason: str | None = None
    rps: Amount | None = None
    p95_ms: Amount | None = None
    meets_slo: bool | None = None


class Now(Struct, frozen=True, kw_only=True):
    """The attempt that runs. ``phase`` is a part of it, as deploy, load or gather.

    ``no_figures`` says since when, and why, a load that runs has no ``load``.
    """

    cell_id: str
    attempt: Count
    is_retry: bool
    position: Count
    of: Count
    phase: str
    started_at: Amount
    expected_seconds: Amount
    load: LiveLoad | None = None
    no_figures: NoFigures | None = None


class RunProgress(Struct, frozen=True, kw_only=True):
    """The whole file. Times are epoch seconds of the controller, except in ``load``.

    ``phase`` is that of the playbook while no attempt runs. ``steps`` are those of the pass: all attempts, or the
    retries. ``best`` is null until a cell can be chosen, and ``best_holds_slo`` says whether it is a choice or the
    nearest one. ``process`` and ``process_started`` identify ansible-playbook.
    """

    schema: int = 1
    run_id: str
    sweep: str
    mode: str
    state: State
    process: Count
    process_started: str | None
    started_at: Amount
    written_at: Amount
    phase: str | None = None
    steps: Count
    steps_done: Count
    seconds_left: Seconds
    ends_at: Epoch
    now: Now | None = None
    cells: list[CellProgress]
    best: CellProgress | None = None
    best_holds_slo: bool = False
    last: str | None = None


class ProgressFile:
    """Makes the content of the file and writes it. One thread calls `write`.

    Args:
        began_at: epoch seconds when the sweep began.
    """

    def __init__(self, began_at: float) -> None:
        self._began_at = began_at
        self._process = os.getpid()
        self._process_started = started_at(self._process)
        # The outcome of the last attempt, in words.
        self.last: str | None = None

    @staticmethod
    def seconds_to_next(now: float) -> float:
        """Seconds from ``now`` (epoch seconds) until the file is written next: from 0.75 to 1.75."""
        return WRITE_SECONDS + PHASE_SECONDS - now % WRITE_SECONDS

    def write(
        self,
        progress: Progress,
        now: float,
        step: Mapping[str, Any] | None = None,
        cell_phase: str = "",
        cell_seconds: float = 0.0,
        phase: str | None = None,
        state: State = "running",
    ) -> None:
        """Write what is known at ``now`` (epoch seconds). Raises `LabError` when the file cannot be written.

        ``step`` is the attempt that runs since ``cell_seconds``, and ``phase`` that of the playbook.
        """
        run = self.content(progress, now, step, cell_phase, cell_seconds, phase, state)
        write_atomically(progress.run_dir / FILE, msgspec.json.encode(run) + b"\n", durable=state != "running")

    def content(
        self,
        progress: Progress,
        now: float,
        step: Mapping[str, Any] | None,
        cell_phase: str,
        cell_seconds: float,
        phase: str | None,
        state: State,
    ) -> RunProgress:
        """What `write` writes."""
        plan = progress.plan
        # Another thread adds rows.
        rows = dict(progress.rows)
        # A step that has ended is no longer among those that are left, although its last tasks run.
        if step is not None and (state != "running" or not progress.is_left(step)):
            step = None
        left = 0.0 if state != "running" else progress.left_seconds(step, cell_seconds)
        chosen = progress.chosen
        return RunProgress(
            run_id=plan.run_id,
            sweep=plan.sweep,
            mode=str(plan.load.get("mode", "fixed")),
            state=state,
            process=self._process,
            process_started=self._process_started,
            started_at=self._began_at,
            written_at=round(now, 3),
            phase=None if step else phase,
            steps=progress.steps,
            steps_done=progress.steps_done,
            seconds_left=round(left, 1),
            ends_at=round(now + left, 1),
            now=None if step is None else _now(progress, step, cell_phase, now - cell_seconds, now),
            cells=[_cell(cell.id, rows.get(cell.id)) for cell in plan.cells],
            best=None if chosen is None else _cell(chosen.id, chosen),
            best_holds_slo=progress.holds_slo,
            last=self.last,
        )


def read_progress(run_dir: Path) -> RunProgress:
    """progress.json of a run. Raises `LabError` when it is missing or damaged."""
    return read_record(run_dir / FILE, RunProgress)


def _now(progress: Progress, step: Mapping[str, Any], phase: str, started: float, now: float) -> Now:
    load = read_live(progress.run_dir, now)
    return Now(
        cell_id=step["cell_id"],
        attempt=step["attempt"],
        is_retry=bool(step.get("again")),
        position=step["position"],
        of=step["of"],
        phase=phase,
        started_at=round(started, 3),
        expected_seconds=round(progress.expected_seconds(dict(step)), 1),
        load=load,
        no_figures=read_missing(progress.run_dir, now, started) if load is None else None,
    )


def _cell(cell_id: str, row: Row | None) -> CellProgress:
    if row is None:
        return CellProgress(id=cell_id)
    is_unverified = row.capacity is not None and row.capacity_rps is None
    return CellProgress(
        id=cell_id,
        status=row.status,
        reason=None if row.reason is None else one_line(row.reason),
        rps=None if is_unverified else row.rps if row.capacity_rps is None else row.capacity_rps,
        p95_ms=None if is_unverified else row.latency_ms.p95,
        meets_slo=row.meets_slo,
    )
