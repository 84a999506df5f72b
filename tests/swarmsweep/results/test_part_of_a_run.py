"""What the report says of cells that --only or --max-minutes left out, and what a resumed run measures."""

import json

import pytest

from swarmsweep.plan.part import Part, write_part
from swarmsweep.plan.run_folder import read_plan
from swarmsweep.report.report import read_cells, write_report
from swarmsweep.results.measure import measure_run, measure_started_cells
from swarmsweep.results.retry import note_minutes_over, outcome, retry_steps
from tests.swarmsweep.results.test_shared_failure import deploy, run_of

ONLY = Part(only=("r2-*",))
MINUTES = Part(max_minutes=30)


def status_and_reason(run):
    return {row.id: (row.status, row.reason) for row in read_cells(run, read_plan(run))}


def test_cells_that_match_no_pattern_are_not_measured_with_the_reason(tmp_path):
    run = run_of(tmp_path)
    write_part(run, ONLY)
    plan = read_plan(run)
    for step in plan.steps:
        if ONLY.selects(step.cell_id):
            deploy(run, step)
    found = status_and_reason(run)
    assert {cell_id: status for cell_id, (status, _) in found.items()} == {
        cell.id: "failed" if cell.id.startswith("r2-") else None for cell in plan.cells
    }
    assert all("does not match --only 'r2-*'" in reason for status, reason in found.values() if status is None)
    assert outcome(run) == (
        "Left out: 2 attempts of cells that do not match --only 'r2-*'. "
        f"To measure the rest, run: ./lab sweep -e resume={run.name}"
    )
    page = write_report(run, tmp_path).read_text()
    assert "A part of the sweep was measured." in page and f"resume={run.name}" in page
    assert "ended early" not in page and "not measured yet" not in page


def test_only_minutes_that_were_over_are_a_reason(tmp_path):
    run = run_of(tmp_path)
    write_part(run, MINUTES)
    first, *rest = read_plan(run).steps
    deploy(run, first)
    # As after Ctrl-C.
    assert outcome(run) is None
    assert status_and_reason(run)[rest[0].cell_id] == (None, "not measured")
    note_minutes_over(run)
    reason = "not measured, because the time of --max-minutes 30 was over"
    assert status_and_reason(run)[rest[0].cell_id] == (None, reason)
    assert outcome(run).startswith("Left out: 3 attempts that could not end within --max-minutes 30. To measure")
    for step in rest:
        deploy(run, step)
    assert None not in {status for status, _ in status_and_reason(run).values()}
    assert outcome(run) is None


def test_a_sweep_that_ended_in_time_leaves_nothing(tmp_path):
    run = run_of(tmp_path)
    write_part(run, MINUTES)
    for step in read_plan(run).steps:
        deploy(run, step)
    note_minutes_over(run)
    assert json.loads((run / "part.json").read_text())["is_over"] is False
    assert outcome(run) is None


def test_invalid_attempts_for_which_no_time_was_left_are_counted(tmp_path):
    run = run_of(tmp_path)
    write_part(run, MINUTES)
    for step in read_plan(run).steps:
        deploy(run, step, "x", "mismatch")
    assert len(retry_steps(run)) == 4
    note_minutes_over(run)
    assert outcome(run).startswith("Left out: 4 invalid attempts without a retry. To measure")


def test_a_retry_that_is_left_is_to_be_made_by_one_command(tmp_path):
    """The resumed run measures the invalid cells again, so next.yml does not have them too."""
    run = run_of(tmp_path)
    write_part(run, MINUTES)
    for step in read_plan(run).steps:
        deploy(run, step, "x", "mismatch")
    for is_left in (False, True):
        if is_left:
            note_minutes_over(run)
        page = write_report(run, tmp_path).read_text()
        resume = f"./lab sweep -e resume={run.name}"
        assert (f"Measure what is missing: `{resume}`. This also retries the invalid attempts of" in page) == is_left
        assert (f"./lab sweep reports/{run.name}/next.yml" in page) == (not is_left)
        assert ("\ncells:" in (run / "next.yml").read_text()) == (not is_left)
    assert f"#   {resume}" in (run / "next.yml").read_text()
    following = json.loads((run / "summary.json").read_text())["next_sweep"]
    assert following["file"] is None
    assert following["reasons"] == [f"Left out: 4 invalid attempts without a retry. To measure what is left: {resume}."]


@pytest.mark.parametrize("again", [False, True])
def test_a_cell_with_some_of_its_attempts_has_their_figures(tmp_path, again):
    run = run_of(tmp_path, repeat=2)
    write_part(run, MINUTES)
    begun = [step for step in read_plan(run).steps if step.block == 1][:2]
    for step in begun:
        deploy(run, step)
    note_minutes_over(run)
    assert measure_started_cells(run) == [
        cell.id for cell in read_plan(run).cells if cell.id in {step.cell_id for step in begun}
    ]
    if again:
        assert measure_run(run) == 2
    rows = {row.id: row for row in read_cells(run, read_plan(run))}
    assert {cell_id: (row.status, row.attempt_count) for cell_id, row in rows.items() if row.status} == {
        step.cell_id: ("failed", 1) for step in begun
    }
    # Complete cells have no use for it.
    for step in read_plan(run).steps:
        if step not in begun:
            deploy(run, step)
    assert measure_started_cells(run) == []
    assert not list(run.glob("cells/*/partial.json"))
