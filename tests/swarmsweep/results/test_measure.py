"""trial.json after each attempt, cell.json after the last."""

import json

import pytest
from msgspec import convert
from run_folder import SWEEP, Run, Traffic, busy
from search_folder import CELL_ID as SEARCH_ID
from search_folder import record_search, search_run

from swarmsweep.errors import LabError
from swarmsweep.plan.row import Retry, Row
from swarmsweep.plan.run_folder import remaining_steps
from swarmsweep.report.summary_json import SUMMARY_KEYS
from swarmsweep.results.measure import complete_cells, measure_attempt, measure_run

CELL_ID = "r1-c0.5-m256M-w1"


def test_trial_json_has_the_keys_of_a_cell_and_the_checks(run):
    run.record(CELL_ID, Traffic(busy(600)))
    row = measure_attempt(run.dir, CELL_ID, 1)
    stored = json.loads((run.attempt(CELL_ID) / "trial.json").read_text())
    assert row == convert(stored, Row)
    assert set(SUMMARY_KEYS) < set(stored)
    assert row.attempt == 1
    assert {check.name for check in row.checks} >= {"generator_cpu", "counted_by_locust", "counted_by_haproxy"}


def test_cell_json_appears_with_the_last_attempt(tmp_path):
    run = Run(tmp_path, SWEEP + b"repeat: 2\n")
    cell_json = run.dir / "cells" / CELL_ID / "cell.json"
    run.record(CELL_ID, Traffic(busy(600)), number=2)
    measure_attempt(run.dir, CELL_ID, 2)
    assert not cell_json.exists()
    run.record(CELL_ID, Traffic(busy(1200)), number=1)
    measure_attempt(run.dir, CELL_ID, 1)
    cell = json.loads(cell_json.read_text())
    assert (cell["trials"], cell["requests"], cell["rps"]) == (2, 1800, 75.0)
    assert not [step for step in remaining_steps(run.dir) if step.cell_id == CELL_ID]


# As after a SIGKILL, a power loss or a full disk at this moment.
def test_a_cell_without_its_row_is_completed_from_its_attempts(tmp_path):
    run = Run(tmp_path, SWEEP + b"repeat: 2\n")
    rows = {cell.id: run.dir / "cells" / cell.id / "cell.json" for cell in run.plan.cells}
    for number in (1, 2):
        run.record(CELL_ID, Traffic(busy(600 * number)), number=number)
        measure_attempt(run.dir, CELL_ID, number)
    other = "r1-c0.25-m256M-w1"
    run.record(other, Traffic(busy(600)))
    measure_attempt(run.dir, other, 1)
    before = {path: path.read_bytes() for path in rows.values() if path.exists()}
    assert complete_cells(run.dir) == []
    infeasible = next(cell.id for cell in run.plan.cells if cell.infeasible_reason)
    for cell_id in (CELL_ID, infeasible):
        rows[cell_id].unlink()
    # The other cell lacks an attempt, so it stays incomplete.
    assert set(complete_cells(run.dir)) == {CELL_ID, infeasible}
    assert {path: path.read_bytes() for path in rows.values() if path.exists()} == before


def test_measuring_again_gives_the_same_bytes(finished_run):
    for step in finished_run.plan.steps:
        measure_attempt(finished_run.dir, step.cell_id, step.attempt)
    before = {path: path.read_bytes() for path in finished_run.dir.glob("cells/**/*.json")}
    assert measure_run(finished_run.dir) == len(finished_run.plan.steps) == 5
    assert {path: path.read_bytes() for path in finished_run.dir.glob("cells/**/*.json")} == before


def test_a_damaged_row_of_an_infeasible_cell_is_rebuilt(finished_run):
    (cell,) = [cell for cell in finished_run.plan.cells if cell.infeasible_reason]
    path = finished_run.dir / "cells" / cell.id / "cell.json"
    before = path.read_bytes()
    path.write_text("{torn")
    measure_run(finished_run.dir)
    assert path.read_bytes() == before


def test_an_interrupted_attempt_stays_unmeasured(run):
    run.record(CELL_ID, Traffic(busy(600)))
    assert measure_run(run.dir) == 0
    assert not (run.attempt(CELL_ID) / "trial.json").exists()


@pytest.mark.parametrize(
    ("cell_id", "attempt", "words"),
    [
        ("r9-c1-m1G-w1", 1, "is not in the plan"),
        (CELL_ID, 2, "attempt 2 of cell"),
        ("r1-c2-m256M-w1", 1, "attempt 1 of cell"),  # infeasible: a planned cell without a step
        (CELL_ID, 1, "the attempt was not measured"),
        ("../../x", 1, "is not in the plan"),
    ],
)
def test_what_is_not_in_the_plan_is_refused(run, cell_id, attempt, words):
    with pytest.raises(LabError, match=words):
        measure_attempt(run.dir, cell_id, attempt)


def test_a_retry_is_reported_with_the_reason_of_the_first_attempt(tmp_path):
    run = Run(tmp_path, SWEEP + b"repeat: 2\n")
    for number in (1, 2):
        run.record(CELL_ID, Traffic(busy(600), worker_cpu_percent=97.0), number=number)
        reason = measure_attempt(run.dir, CELL_ID, number).reason
        folder = run.attempt(CELL_ID, number)
        folder.rename(folder.with_name(f"{folder.name}.retried-1"))
        run.record(CELL_ID, Traffic(busy(600)), number=number)
        assert measure_attempt(run.dir, CELL_ID, number).retries == [Retry(attempt=number, reason=reason)]
    assert "The load generator was the limit" in reason
    cell = json.loads((run.dir / "cells" / CELL_ID / "cell.json").read_text())
    assert (cell["status"], cell["trials"]) == ("valid", 2)
    assert cell["retries"] == [{"attempt": number, "reason": reason} for number in (1, 2)]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "is missing"), ("{", "is not valid JSON"), ("{}", "no reason was recorded"), ("[]", "holds list")],
)
def test_an_attempt_set_aside_without_a_reason_is_reported_too(run, content, words):
    run.record(CELL_ID, Traffic(busy(600)))
    older = run.attempt(CELL_ID).with_name("attempt-1.retried-1")
    older.mkdir()
    if content is not None:
        (older / "trial.json").write_text(content)
    (retry,) = measure_attempt(run.dir, CELL_ID, 1).retries
    assert (retry.attempt, words in retry.reason) == (1, True)


def test_a_search_is_measured_again_from_its_files(tmp_path):
    run = search_run(tmp_path)
    record_search(run)
    row = measure_attempt(run.dir, SEARCH_ID, 1)
    cell_json = run.dir / "cells" / SEARCH_ID / "cell.json"
    before = cell_json.read_bytes()
    assert (row.status, row.capacity_rps, row.requests) == ("valid", 80.0, 678)
    cell_json.unlink()
    assert measure_run(run.dir) == 1
    assert cell_json.read_bytes() == before


def test_an_api_that_fails_every_request_is_measured_and_misses_the_slo(run):
    """As one that stays up without its model. Its status is a result, and makes no attempt invalid."""
    run.record(CELL_ID, Traffic(busy(600), failures=600))
    row = measure_attempt(run.dir, CELL_ID, 1)
    assert (row.status, row.reason) == ("valid", None)
    assert (row.requests, row.failures, row.failure_percent, row.rps) == (600, 600, 100.0, 0.0)
    assert row.failure_kinds == {"status_503": 600}
    assert row.meets_slo is False
