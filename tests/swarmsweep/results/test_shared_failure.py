"""Two cells in a row that failed for one reason end the deployments of all cells that share it, and of no other."""

import json
import re
from pathlib import Path

import pytest

from swarmsweep.plan.plan import make_plan
from swarmsweep.plan.row_file import row_json
from swarmsweep.plan.run_folder import attempt_dir, read_plan, write_plan
from swarmsweep.report.report import read_cells, write_report
from swarmsweep.results.measure import measure_attempt
from swarmsweep.results.retry import first_steps, outcome, retry_steps
from swarmsweep.results.shared_failure import end_sentence, shared_failures, unmeasured_reasons
from swarmsweep.sweep.sweep_file import parse_sweep

REFUSED = "GET /ready (Host: api) got status 404; lab_api_ready_path is /ready"
ELSEWHERE = "listens on 5000; lab_api_port is 8000"
SIZES = "{replicas: [1, 2], cpus: [0.1, 0.2], memory: [256M], workers: [1]}"
IMAGES = "{replicas: [1], cpus: [0.1, 0.2, 0.3], memory: [256M], workers: [1], image: [a:1, b:1]}"
VARIABLES = "{replicas: [1], cpus: [0.1, 0.2, 0.3], memory: [256M], workers: [1], READY: [a, b]}"
SCENARIOS = "{replicas: [1], cpus: [0.1, 0.2], memory: [256M], workers: [1], locustfile: [predict.py, empty.py]}"
HOSTS = {"api": [{"name": "lab-api", "cpus": 1, "memory_bytes": 4 * 1024**3}], "load": []}


def run_of(folder: Path, matrix: str = SIZES, repeat: int = 1) -> Path:
    """A run of which nothing is measured."""
    text = f"name: quick\nslo: {{p95_ms: 100}}\nload: {{users: 40}}\nmatrix: {matrix}\nrepeat: {repeat}\n"
    plan = make_plan(parse_sweep(text.encode(), "x.yml"), HOSTS, run_id="20261122T114512Z-quick", seed=7)
    return write_plan(plan, folder)


def deploy(run: Path, step, cause=None, code="not_ready", status="failed"):
    """What a deployment leaves, and the trial that is made of it."""
    folder = attempt_dir(run, step.cell_id, step.attempt)
    folder.mkdir(parents=True)
    record = {"status": status, "reason": cause or "it died", "reason_code": code, "cause": cause, "started_at": 1.0}
    (folder / "deploy.json").write_text(json.dumps(record))
    return measure_attempt(run, step.cell_id, step.attempt)


# The ends of deployments in the order of the plan: (cause, reason code).
NOTHING_SHARED = {
    "one alone": [(REFUSED, "not_ready")],
    "two causes": [(REFUSED, "not_ready"), (ELSEWHERE, "not_ready")],
    "not in a row": [(REFUSED, "not_ready"), (None, "not_ready"), (REFUSED, "not_ready")],
    "slow starts": [(None, "not_ready")] * 3,
    "lack of memory": [(None, "oom")] * 3,
    "crashes": [(None, "crash")] * 3,
    # All are deployed: nothing is left.
    "the last two": [(None, "crash"), (None, "crash"), (REFUSED, "not_ready"), (REFUSED, "not_ready")],
}


@pytest.mark.parametrize("name", NOTHING_SHARED)
def test_what_ends_nothing(tmp_path, name):
    run = run_of(tmp_path)
    ends = NOTHING_SHARED[name]
    for step, (cause, code) in zip(read_plan(run).steps, ends, strict=False):
        deploy(run, step, cause, code)
    plan = read_plan(run)
    assert (shared_failures(run, plan), end_sentence(run, plan), outcome(run)) == ([], None, None)


def test_the_end_names_the_file_and_the_command_of_the_inventory(tmp_path):
    run = run_of(tmp_path)
    plan = read_plan(run)
    for step in plan.steps[:2]:
        deploy(run, step, REFUSED)
    (run / "manifest.json").write_text('{"commands": ["ansible-playbook sweep.yml -i inventory/mine -K"]}')
    assert (end_sentence(run, plan) or "").endswith(
        "Change the setting in inventory/mine/group_vars/all/lab.yml, or the API. "
        "Then run again: LAB_INVENTORY=inventory/mine ./lab sweep x.yml -K"
    )


@pytest.mark.parametrize("cause", [REFUSED, ELSEWHERE])
@pytest.mark.parametrize("before", [[], ["crash"], ["oom"]])
def test_two_in_a_row_end_the_sweep(tmp_path, cause, before):
    run = run_of(tmp_path)
    plan = read_plan(run)
    codes = [*[(None, code) for code in before], (cause, "not_ready"), (cause, "not_ready")]
    for step, (why, code) in zip(plan.steps, codes, strict=False):
        deploy(run, step, why, code)
    (found,) = shared_failures(run, plan)
    deployed, left = plan.steps[: len(codes)], plan.steps[len(codes) :]
    assert found.failed == tuple(step.cell_id for step in deployed[-2:])
    assert found.left_out == tuple(step.cell_id for step in left)
    assert (found.cause, found.attempts) == (cause, len(left))
    rows = {row.id: row for row in read_cells(run, plan)}
    assert [rows[step.cell_id].status for step in deployed] == ["failed"] * len(deployed)
    for step in left:
        assert rows[step.cell_id].status is None
        assert rows[step.cell_id].reason == found.reason
        assert found.reason.startswith("not measured, because ") and cause in found.reason
    assert outcome(run) == end_sentence(run, plan)
    assert re.match(rf"{len(left)} attempts? (was|were) not measured", outcome(run))
    assert "Then run again: ./lab sweep x.yml" in outcome(run)


@pytest.mark.parametrize(("matrix", "other"), [(IMAGES, "image"), (VARIABLES, "READY")])
def test_an_axis_that_may_change_the_cause_is_measured(tmp_path, matrix, other):
    run = run_of(tmp_path, matrix)
    plan = read_plan(run)
    values = {cell.id: cell.config[other] for cell in plan.cells}
    first = values[plan.steps[0].cell_id]
    same = [step for step in plan.steps if values[step.cell_id] == first]
    for step in same[:2]:
        deploy(run, step, REFUSED)
    assert list(unmeasured_reasons(run, plan)) == [same[2].cell_id]
    # What was invalid of the other value is retried.
    (rest, *_) = [step for step in plan.steps if values[step.cell_id] != first]
    deploy(run, rest, "x", "mismatch")
    assert [step.key for step in retry_steps(run)] == [rest.key]


def test_another_scenario_changes_nothing(tmp_path):
    run = run_of(tmp_path, SCENARIOS)
    plan = read_plan(run)
    for step in plan.steps[:2]:
        deploy(run, step, REFUSED)
    assert set(unmeasured_reasons(run, plan)) == {step.cell_id for step in plan.steps[2:]}


def test_one_cell_twice_ends_nothing(tmp_path):
    run = run_of(tmp_path, "{replicas: [1], cpus: [0.1], memory: [256M], workers: [1]}", repeat=3)
    plan = read_plan(run)
    for step in plan.steps[:2]:
        deploy(run, step, REFUSED)
    assert shared_failures(run, plan) == []


def test_a_cell_of_which_some_attempts_were_made_has_their_row(tmp_path):
    run = run_of(tmp_path, repeat=2)
    plan = read_plan(run)
    for step in plan.steps[:2]:
        deploy(run, step, REFUSED)
    rows = {row.id: row_json(row) for row in read_cells(run, plan)}
    for step in plan.steps[:2]:
        assert (rows[step.cell_id]["status"], rows[step.cell_id]["reason"]) == ("failed", REFUSED)
        assert "attempt" not in rows[step.cell_id]
    assert [row["status"] for row in rows.values()].count(None) == 2


def test_a_resumed_run_tries_once_more_and_goes_on_where_it_works(tmp_path):
    run = run_of(tmp_path)
    plan = read_plan(run)
    for step in plan.steps[:2]:
        deploy(run, step, REFUSED)
    assert [step.key for step in first_steps(run)] == [step.key for step in plan.steps[2:]]
    deploy(run, plan.steps[2], None, "crash")
    assert shared_failures(run, plan) == []


def test_the_page_says_why_it_ended(tmp_path, golden):
    run = run_of(tmp_path)
    plan = read_plan(run)
    for step in plan.steps[:2]:
        deploy(run, step, REFUSED)
    page = write_report(run, tmp_path).read_text()
    assert "**The sweep ended early.** 2 attempts were not measured" in page
    assert "this is the state of an unfinished run" not in page
    summary = json.loads((run / "summary.json").read_text())
    assert [cell["status"] for cell in summary["cells"]].count(None) == 2
    golden("summary_ended_early.md", page)


def test_the_page_shows_the_command_to_copy(tmp_path):
    """Only what is no command is escaped."""
    run = run_of(tmp_path)
    for step in read_plan(run).steps[:2]:
        deploy(run, step, REFUSED)
    commands = ["ansible-playbook sweep.yml -i inventory/my_lab -e dsn=***"]
    (run / "manifest.json").write_text(json.dumps({"commands": commands}))
    page = write_report(run, tmp_path).read_text()
    assert (
        r"Change the setting in inventory/my\_lab/group\_vars/all/lab.yml, or the API. Then run again: "
        r"`LAB_INVENTORY=inventory/my_lab ./lab sweep x.yml -e 'dsn=***'` "
        r"(replace \*\*\*, which hides a value that may be secret)."
    ) in page


def test_a_damaged_record_shares_nothing(tmp_path):
    run = run_of(tmp_path)
    plan = read_plan(run)
    for step in plan.steps[:2]:
        deploy(run, step, REFUSED)
    attempt_dir(run, *plan.steps[1].key, "deploy.json").write_text('{"cause": 5}')
    assert shared_failures(run, plan) == []
