"""The report on a run that ended early: written for what was measured, and never in place of an older one."""

from run_folder import Run

from swarmsweep.report.salvage import report_measured
from swarmsweep.results.measure import measure_attempt

RESUME = "./lab sweep -e resume=20261122T114512Z-quick"


def measure_first(run: Run) -> None:
    first = run.plan.steps[0]
    measure_attempt(run.dir, first.cell_id, first.attempt)


def test_what_was_measured_is_reported(finished_run, golden):
    measure_first(finished_run)
    sentence = report_measured(finished_run.dir, finished_run.reports_dir)
    summary = finished_run.dir / "summary.md"
    golden("salvage.txt", sentence.replace(str(summary), "SUMMARY") + "\n")
    assert sentence.startswith("Measured: 1 of 6 ") and str(summary) in sentence and sentence.endswith(RESUME)
    assert "not measured" in summary.read_text()
    assert finished_run.dir.name in (finished_run.reports_dir / "summary.md").read_text()


def test_a_run_without_a_measured_cell_leaves_the_older_summary(tmp_path, golden):
    run = Run(tmp_path)
    # A cell that cannot be deployed was known when the run was planned.
    assert list(run.dir.glob("cells/*/cell.json"))
    (tmp_path / "summary.md").write_text("older\n")
    sentence = report_measured(run.dir, tmp_path)
    golden("salvage_nothing.txt", f"{sentence}\n")
    assert sentence.endswith(RESUME)
    assert (tmp_path / "summary.md").read_text() == "older\n"


def test_a_report_that_cannot_be_written_is_a_sentence_too(finished_run, golden):
    measure_first(finished_run)
    (finished_run.dir / "summary.md").mkdir()
    sentence = report_measured(finished_run.dir, finished_run.reports_dir)
    golden("salvage_unwritable.txt", sentence.replace(str(finished_run.dir), "RUN") + "\n")
    assert sentence.endswith("./lab report 20261122T114512Z-quick")
