"""progress.json: what it has of the cells, of the attempt that runs, and of the time left."""

import json
import os
import time

import pytest

from swarmsweep.report.live_load import FILE as LIVE_FILE
from swarmsweep.report.live_load import LiveFiles, keep_live
from swarmsweep.report.progress import Progress
from swarmsweep.report.progress_file import ProgressFile, read_progress
from tests.swarmsweep.report.test_live_load import PROBE, WINDOW
from tests.swarmsweep.report.test_progress import CAPACITY, CHEAP, DEAR, FIXED, MIDDLE, Sweep, capacity, figures

STARTED = 1_000.0


def written(sweep, progress, *, now=1_100.0, **more):
    file = ProgressFile(STARTED)
    file.write(progress, now, **more)
    return read_progress(sweep.dir)


@pytest.mark.parametrize(("load", "live"), [(FIXED, WINDOW), (CAPACITY, PROBE)])
def test_the_attempt_that_runs(tmp_path, load, live):
    sweep = Sweep(tmp_path, load)
    progress = Progress(sweep.dir, sweep.steps_of_role())
    keep_live(json.dumps(live), sweep.dir / LIVE_FILE)
    step = progress.left[2]
    now = (sweep.dir / LIVE_FILE).stat().st_mtime
    run = written(sweep, progress, now=now, step=step, cell_phase="load", cell_seconds=10.0, phase="Measure the cells")
    assert (run.run_id, run.sweep, run.state, run.process) == (sweep.plan.run_id, "quick", "running", os.getpid())
    assert run.mode == json.loads((sweep.dir / "plan.json").read_text())["load"]["mode"]
    assert (run.steps, run.steps_done, run.phase) == (4, 0, None)
    assert (run.now.cell_id, run.now.phase, run.now.position, run.now.of) == (step["cell_id"], "load", 3, 4)
    assert run.now.started_at == pytest.approx(now - 10, abs=0.01)
    assert run.now.expected_seconds == pytest.approx(progress.expected_seconds(step), abs=0.1)
    assert (run.now.load.rps, run.now.load.p95_ms) == (live["rps"], live["p95_ms"])
    # The attempt that runs counts only with its rest.
    assert run.seconds_left == pytest.approx(progress.left_seconds() - 10, abs=0.1)
    assert run.ends_at == pytest.approx(run.written_at + run.seconds_left, abs=0.2)
    assert {cell.status for cell in run.cells} == {None}
    assert run.best is None


def test_cells_that_are_done_and_the_best_so_far(tmp_path):
    sweep = Sweep(tmp_path)
    progress = Progress(sweep.dir, sweep.steps_of_role())
    results = {DEAR: ("valid", figures(600, 110, False)), MIDDLE: ("valid", figures(412, 88, True))}
    results[CHEAP] = ("failed", {})
    for number, (cell_id, (status, shown)) in enumerate(results.items(), start=1):
        sweep.judge(cell_id, status, **shown)
        step = sweep.step(cell_id) | {"of": 4}
        progress.end(step, 30)
        # Its last tasks still run.
        run = written(sweep, progress, step=step, cell_phase="gather", phase="Measure the cells")
        assert (run.steps_done, run.now, run.phase) == (number, None, "Measure the cells")
        if cell_id == DEAR:
            assert (run.best.id, run.best_holds_slo) == (DEAR, False)
    cells = {cell.id: cell for cell in run.cells}
    assert [cell.id for cell in run.cells] == [cell.id for cell in sweep.plan.cells]
    assert {cell_id: cell.status for cell_id, cell in cells.items()} == {
        CHEAP: "failed", MIDDLE: "valid", DEAR: "valid", "r2-c0.25-m256M-w1": None,
    }  # fmt: skip
    assert (cells[MIDDLE].rps, cells[MIDDLE].p95_ms, cells[MIDDLE].meets_slo) == (412, 88, True)
    assert (cells[CHEAP].reason, cells[CHEAP].rps) == ("why", None)
    assert (run.best.id, run.best_holds_slo) == (MIDDLE, True)
    # A resumed run knows it from its files.
    assert written(sweep, Progress(sweep.dir, sweep.steps_of_role())).best.id == MIDDLE


def test_in_a_search_the_rate_is_the_capacity(tmp_path):
    sweep = Sweep(tmp_path, CAPACITY)
    progress = Progress(sweep.dir, sweep.steps_of_role())
    sweep.judge(CHEAP, **capacity(100.0))
    progress.end(sweep.step(CHEAP), 30)
    sweep.judge(MIDDLE, **capacity(None) | {"rps": 43.2})
    progress.end(sweep.step(MIDDLE), 30)
    run = written(sweep, progress)
    assert (run.best.id, run.best.rps, run.best.p95_ms) == (CHEAP, 100.0, 50)
    # Its figures are of a rate that was not verified.
    unverified = next(cell for cell in run.cells if cell.id == MIDDLE)
    assert (unverified.status, unverified.rps, unverified.p95_ms) == ("valid", None, None)


@pytest.mark.parametrize("state", ["ended", "failed", "interrupted"])
def test_the_end(tmp_path, state):
    sweep = Sweep(tmp_path)
    run = written(sweep, Progress(sweep.dir, sweep.steps_of_role()), state=state)
    assert (run.state, run.seconds_left, run.ends_at, run.now) == (state, 0.0, 1_100.0, None)


def test_minutes_of_the_command_bound_the_time_left(tmp_path):
    sweep = Sweep(tmp_path)
    assert Progress(sweep.dir, sweep.steps).left_seconds() > 60
    # Of the monotonic clock, which began long before.
    progress = Progress(sweep.dir, sweep.steps, deadline_seconds=0.0)
    assert progress.left_seconds() == 0
    assert Progress(sweep.dir, sweep.steps, progress).left_seconds() == 0


def test_a_reason_is_one_line(tmp_path):
    sweep = Sweep(tmp_path)
    path = sweep.dir / "cells" / CHEAP / "cell.json"
    sweep.judge(CHEAP, "failed")
    path.write_text(path.read_text().replace('"why"', '"a\\nb\\u001b[2J"'))
    (cell,) = [cell for cell in written(sweep, Progress(sweep.dir, sweep.steps)).cells if cell.id == CHEAP]
    assert cell.status == "failed" and cell.reason.isprintable()


def test_a_load_without_figures_says_why(tmp_path):
    sweep = Sweep(tmp_path)
    progress = Progress(sweep.dir, sweep.steps_of_role())
    files = LiveFiles(sweep.dir / LIVE_FILE)
    files.lost("the connection ended")
    shown = {"step": progress.left[0], "cell_phase": "load"}
    now = time.time() + 10
    run = written(sweep, progress, now=now, cell_seconds=30.0, **shown)
    assert run.now.load is None
    assert run.now.no_figures.reason == "the connection ended"
    assert now - 30 <= run.now.no_figures.since <= now
    # Another attempt has begun since then.
    assert written(sweep, progress, now=now + 60, cell_seconds=10.0, **shown).now.no_figures is None
    files.keep(json.dumps(WINDOW))
    run = written(sweep, progress, now=(sweep.dir / LIVE_FILE).stat().st_mtime, cell_seconds=10.0, **shown)
    assert (run.now.load.users, run.now.no_figures) == (WINDOW["users"], None)


@pytest.mark.parametrize(("now", "seconds"), [(100.0, 1.75), (100.5, 1.25), (100.75, 1.0), (100.9, 0.85)])
def test_it_is_written_after_the_figures_of_each_second_have_come(now, seconds):
    assert ProgressFile.seconds_to_next(now) == pytest.approx(seconds)
