"""The answer compared with the baseline, on the recorded demo and on searches."""

from pathlib import Path

import pytest
from capacity_run import SWEEP, CapacityRun
from msgspec.structs import replace

from swarmsweep.choose.baseline import against_baseline
from swarmsweep.choose.modes import choice_of
from swarmsweep.plan.planned import Baseline, PlannedCell
from swarmsweep.plan.row import NOT_MEASURED, unmeasured_row
from swarmsweep.plan.run_folder import read_plan
from swarmsweep.report.report import read_cells

DEMO = Path(__file__).parents[2] / "data" / "demo-run"
CHOSEN, DEARER = "r1-c0.5-m256M-w1", "r2-c0.5-m256M-w1"


def compared(name, reason=None, change=lambda row: row):
    """The sentence on the recorded demo, whose baseline is the cell of that name."""
    plan = replace(read_plan(DEMO), baseline=Baseline(cell_id=name, added=False, infeasible_reason=reason))
    rows = [change(row) if row.id == name else row for row in read_cells(DEMO, plan)]
    return against_baseline(choice_of(plan, rows))


def unmeasured(row):
    return unmeasured_row(PlannedCell(id=row.id, config=row.config, memory=row.memory), NOT_MEASURED)


def invalid(row):
    return replace(row, status="invalid", reason="noise", meets_slo=None)


# The baseline, and what the sentence says.
CASES = {
    "holds it and costs more": (DEARER, None, "costs 0.50 times as much. It served 1435.9 requests/s"),
    "misses it": ("r2-c0.15-m256M-w1", None, "(baseline), misses the SLO: p95 51.6 ms (limit 40 ms). It costs 0.35"),
    "is the answer": (CHOSEN, None, "is the recommended one: nothing needs to be changed"),
    "failed": ("r1-c0.5-m32M-w1", None, "(baseline), failed."),
    "cannot be deployed": ("r9-c4-m1G-w1", "one replica needs 4 CPUs", "cannot be deployed on these hosts: one"),
}


@pytest.mark.parametrize(("name", "reason", "said"), CASES.values(), ids=CASES)
def test_the_baseline_of_a_load_of_users(name, reason, said):
    assert said in compared(name, reason)


def test_a_baseline_without_figures_says_why():
    assert compared(CHOSEN, change=unmeasured).endswith("was not measured.")
    assert compared(DEARER, change=invalid).endswith("(baseline), is invalid. Reason: noise.")


def test_a_reason_that_the_answer_has_is_not_repeated():
    assert compared(CHOSEN, change=invalid).endswith("(baseline), is invalid.")
    plan = replace(read_plan(DEMO), baseline=Baseline(cell_id=CHOSEN, added=False))
    rows = [replace(row, status="failed", reason="died", meets_slo=None) for row in read_cells(DEMO, plan)]
    assert against_baseline(choice_of(plan, rows)).endswith("(baseline), failed.")


def test_a_reason_that_the_answer_has_for_another_cell_is_said():
    """The id of the other one begins with that of the baseline."""
    chosen, other = DEARER, f"{CHOSEN}0"
    plan = replace(read_plan(DEMO), baseline=Baseline(cell_id=CHOSEN, added=False))
    rows = {row.id: row for row in read_cells(DEMO, plan)}
    failed = replace(rows[CHOSEN], status="failed", reason="died", meets_slo=None)
    dearer = replace(failed, id=other, config=failed.config | {"memory_bytes": failed.config["memory_bytes"] + 1})
    found = choice_of(plan, [rows[chosen], failed, dearer])
    assert f"{other} (cost 0.53) is cheaper, but failed. Reason: died." in found.recommendation.reasons
    assert against_baseline(found).endswith("(baseline), failed. Reason: died.")


def test_the_sentences_are_kept(golden):
    golden("baseline.yml", {name: compared(*given) for name, (*given, _) in CASES.items()})


def test_a_run_without_a_baseline_says_nothing():
    plan = read_plan(DEMO)
    assert against_baseline(choice_of(plan, read_cells(DEMO, plan))) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("r1-c0.5-m512M-w1", "It takes 7."),
        ("r4-c1-m512M-w1", "nothing needs to be changed"),
    ],
)
def test_the_baseline_of_a_search_is_compared_over_the_blocks(name, said, tmp_path):
    run = CapacityRun(tmp_path, SWEEP).fill()
    plan = replace(run.plan, baseline=Baseline(cell_id=name, added=False))
    sentence = against_baseline(choice_of(plan, read_cells(run.dir, plan)))
    assert said in sentence and ("and is better" in sentence or "recommended one:" in sentence)
