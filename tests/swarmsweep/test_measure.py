"""trial.json after each attempt, cell.json after the last."""

import json

import pytest
from run_folder import SWEEP, Run, Traffic, latencies

from swarmsweep.cell import SUMMARY_KEYS
from swarmsweep.errors import LabError
from swarmsweep.measure import measure_attempt, measure_run
from swarmsweep.plan import remaining_steps

CELL_ID = "r1-c0.5-m256M-w1"


def test_trial_json_has_the_keys_of_a_cell_and_the_checks(run):
    run.record(CELL_ID, Traffic(latencies(600, 40)))
    row = measure_attempt(run.dir, CELL_ID, 1)
    assert row == json.loads((run.attempt(CELL_ID) / "trial.json").read_text())
    assert set(SUMMARY_KEYS) < set(row)
    assert row["attempt"] == 1
    assert {check["name"] for check in row["checks"]} >= {"generator_cpu", "counted_by_locust", "counted_by_haproxy"}


def test_cell_json_appears_with_the_last_attempt(tmp_path):
    run = Run(tmp_path, SWEEP + b"repeat: 2\n")
    cell_json = run.dir / "cells" / CELL_ID / "cell.json"
    run.record(CELL_ID, Traffic(latencies(600, 40)), number=2)
    measure_attempt(run.dir, CELL_ID, 2)
    assert not cell_json.exists()
    run.record(CELL_ID, Traffic(latencies(1200, 40)), number=1)
    measure_attempt(run.dir, CELL_ID, 1)
    cell = json.loads(cell_json.read_text())
    assert (cell["trials"], cell["requests"], cell["rps"]) == (2, 1800, 75.0)
    assert not [step for step in remaining_steps(run.dir) if step["cell_id"] == CELL_ID]


def test_measuring_again_gives_the_same_bytes(finished_run):
    for step in finished_run.plan["steps"]:
        measure_attempt(finished_run.dir, step["cell_id"], step["attempt"])
    before = {path: path.read_bytes() for path in finished_run.dir.glob("cells/**/*.json")}
    assert measure_run(finished_run.dir) == len(finished_run.plan["steps"]) == 5
    assert {path: path.read_bytes() for path in finished_run.dir.glob("cells/**/*.json")} == before


def test_an_interrupted_attempt_stays_unmeasured(run):
    run.record(CELL_ID, Traffic(latencies(600, 40)))
    assert measure_run(run.dir) == 0
    assert not (run.attempt(CELL_ID) / "trial.json").exists()


@pytest.mark.parametrize(
    ("cell_id", "attempt", "words"),
    [
        ("r9-c1-m1G-w1", 1, "is not in the plan"),
        (CELL_ID, 2, "attempt 2 of cell"),
        ("r1-c2-m256M-w1", 1, "attempt 1 of cell"),  # infeasible: planned, but never a step
        (CELL_ID, 1, "the attempt was never made"),
        ("../../x", 1, "is not in the plan"),
    ],
)
def test_what_is_not_in_the_plan_is_refused(run, cell_id, attempt, words):
    with pytest.raises(LabError, match=words):
        measure_attempt(run.dir, cell_id, attempt)
