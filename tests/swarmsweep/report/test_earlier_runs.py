"""Runs that earlier versions stored: this version reports them with the same figures and the same answer."""

import json
import shutil
from pathlib import Path

import pytest

from swarmsweep.cli import main
from swarmsweep.report.report import write_report

RUNS = Path(__file__).parents[2] / "data/earlier-runs"
NAMES = sorted(path.parent.name for path in RUNS.glob("*/plan.json"))
# What was measured, which no later version may change.
MEASURED = (
    "id",
    "config",
    "status",
    "trials",
    "users",
    "requests",
    "failures",
    "failure_percent",
    "rps",
    "latency_ms",
    "api",
)


@pytest.fixture(params=NAMES)
def earlier(request, tmp_path):
    """(the summary that was stored, the run's folder), where `./lab report` finds it."""
    run = tmp_path / "reports" / request.param
    shutil.copytree(RUNS / request.param, run)
    stored = json.loads((run / "summary.json").read_text())
    (run / "summary.json").unlink()
    return stored, run


def test_there_are_runs_of_each_earlier_schema():
    assert len(NAMES) == 3


def test_an_earlier_run_has_the_same_figures_and_the_same_answer(earlier):
    stored, run = earlier
    write_report(run, run.parent)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["recommendation"]["cell_id"] == stored["recommendation"]["cell_id"]
    assert len(summary["cells"]) == len(stored["cells"]) == 7
    for now, then in zip(summary["cells"], stored["cells"], strict=True):
        for key in MEASURED:
            # A later version may add to a figure, but changes none.
            known = now[key].items() & then[key].items() if key == "api" and then[key] else None
            assert now[key] == then[key] or known == then[key].items(), (then["id"], key)
        # What was not measured then is null now.
        assert now["failure_kinds"] in (None, {}) or "failure_kinds" in then
    page = (run / "summary.md").read_text()
    assert stored["recommendation"]["cell_id"] in page
    assert (run.parent / "summary.md").exists()


def test_the_command_reports_an_earlier_run(earlier, capsys):
    stored, run = earlier
    code = main(["report", run.name, "--reports-dir", str(run.parent)])
    printed = capsys.readouterr()
    assert code in (0, None), printed.err
    assert stored["recommendation"]["cell_id"] in printed.out
