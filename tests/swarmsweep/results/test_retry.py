"""Invalid attempts are retried in a new order, and only once, whatever interrupts the run."""

import json
import re

import pytest
from run_folder import Traffic, latencies

from swarmsweep.errors import LabError
from swarmsweep.plan.plan import make_plan
from swarmsweep.plan.run_folder import attempt_dir, read_plan, retry_broken, write_plan
from swarmsweep.results.measure import measure_attempt
from swarmsweep.results.retry import first_steps, older_try, outcome, retry_steps, set_aside
from swarmsweep.sweep.sweep_file import parse_sweep

SWEEP = b"""\
name: quick
slo: {p95_ms: 100}
load: {users: 40}
matrix: {replicas: [1], cpus: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], memory: [256M], workers: [1]}
repeat: 2
"""
HOSTS = {"api": [{"name": "lab-api", "cpus": 1, "memory_bytes": 4 * 1024**3}], "load": []}


@pytest.fixture
def run_dir(tmp_path):
    """A run of twelve steps, of which none has begun."""
    return write_plan(make_plan(parse_sweep(SWEEP, "x.yml"), HOSTS, run_id="20261122T114512Z-quick", seed=7), tmp_path)


def judge(run_dir, step, status, **files):
    """What a judged attempt leaves."""
    folder = attempt_dir(run_dir, step.cell_id, step.attempt)
    folder.mkdir(parents=True)
    (folder / "trial.json").write_text(json.dumps({"status": status, "reason": None if status == "valid" else "why"}))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content)
    (folder.parent / "cell.json").write_text("{}")


def judge_all(run_dir, invalid):
    """All steps; those with the numbers in ``invalid`` are invalid."""
    steps = read_plan(run_dir).steps
    for number, step in enumerate(steps):
        judge(run_dir, step, "invalid" if number in invalid else "valid")
    return steps


def keys(steps):
    return [(step.cell_id, step.attempt) for step in steps]


def again(run_dir, step, status=None):
    """Begin the second try of a step, and end it with a status, or be interrupted."""
    set_aside(run_dir, step.cell_id, step.attempt)
    if status:
        judge(run_dir, step, status)


def test_only_invalid_attempts_are_retried(run_dir):
    steps = read_plan(run_dir).steps
    for step, status in zip(steps, ["valid", "failed", "invalid", "infeasible", "invalid"], strict=False):
        judge(run_dir, step, status)
    assert sorted(keys(retry_steps(run_dir))) == sorted(keys([steps[2], steps[4]]))
    assert first_steps(run_dir) == steps[5:]


def test_what_the_bench_broke_is_invalid_too(run_dir):
    step = read_plan(run_dir).steps[0]
    judge(run_dir, step, "invalid", harness='{"reason": "lost"}')
    assert keys(retry_steps(run_dir)) == keys([step])


@pytest.mark.parametrize("torn", ["", "{", "[]"])
def test_a_verdict_that_cannot_be_read_is_no_verdict(run_dir, torn):
    step = read_plan(run_dir).steps[0]
    judge(run_dir, step, "valid")
    attempt_dir(run_dir, step.cell_id, step.attempt, "trial.json").write_text(torn)
    assert keys(retry_steps(run_dir)) == keys([step])


def test_the_order_is_new_and_the_same_each_time(run_dir):
    steps = judge_all(run_dir, invalid=range(12))
    order = keys(retry_steps(run_dir))
    assert order == keys(retry_steps(run_dir))
    assert sorted(order) == sorted(keys(steps))
    assert order != keys(steps)


def test_the_older_try_is_kept_and_the_cell_is_open_again(run_dir):
    step = judge_all(run_dir, invalid=[3])[3]
    folder = attempt_dir(run_dir, step.cell_id, step.attempt)
    older = set_aside(run_dir, step.cell_id, step.attempt)
    assert older.name == f"attempt-{step.attempt}.retried-1"
    assert json.loads((older / "trial.json").read_text())["status"] == "invalid"
    assert not folder.exists()
    assert not (folder.parent / "cell.json").exists()
    assert set_aside(run_dir, step.cell_id, step.attempt) == older  # safe to repeat


def test_an_attempt_that_never_ran_cannot_be_set_aside(run_dir):
    with pytest.raises(LabError, match="not started"):
        set_aside(run_dir, read_plan(run_dir).steps[0].cell_id, 1)


def test_each_is_retried_once(run_dir):
    judge_all(run_dir, invalid=[1, 2])
    for step in retry_steps(run_dir):
        again(run_dir, step, "invalid")
    assert retry_steps(run_dir) == []
    assert first_steps(run_dir) == []


def test_an_interrupted_pass_is_continued(run_dir):
    judge_all(run_dir, invalid=[0, 4, 7, 9])
    order = retry_steps(run_dir)
    again(run_dir, order[0], "valid")
    again(run_dir, order[1])
    # The second was interrupted between two tasks: there may be a folder without a verdict.
    attempt_dir(run_dir, *order[1].key).mkdir()
    assert retry_broken(run_dir) == 1
    assert first_steps(run_dir) == []
    assert retry_steps(run_dir) == order[1:]
    assert older_try(run_dir, *order[1].key).is_dir()


def test_a_retry_that_the_bench_broke_is_repeated_when_the_run_is_resumed(run_dir):
    judge_all(run_dir, invalid=[5])
    (step,) = retry_steps(run_dir)
    set_aside(run_dir, step.cell_id, step.attempt)
    judge(run_dir, step, "invalid", harness='{"reason": "lost"}')
    assert retry_steps(run_dir) == []
    assert retry_broken(run_dir) == 1
    assert (first_steps(run_dir), keys(retry_steps(run_dir))) == ([], keys([step]))


def test_a_first_try_that_the_bench_broke_is_a_first_try_again_when_the_run_is_taken_up(run_dir):
    step = read_plan(run_dir).steps[0]
    judge(run_dir, step, "invalid", harness='{"reason": "lost"}')
    assert retry_broken(run_dir) == 1
    assert first_steps(run_dir) == read_plan(run_dir).steps
    assert retry_steps(run_dir) == []


def test_outcome(run_dir, golden):
    assert outcome(run_dir) is None
    judge_all(run_dir, invalid=[0, 1, 2, 3])
    assert outcome(run_dir) is None
    for step, status in zip(retry_steps(run_dir), ["valid", "valid", "invalid", None], strict=True):
        again(run_dir, step, status)
    golden("retry_outcome.txt", f"{outcome(run_dir)}\n")
    assert re.findall(r"\d+", outcome(run_dir)) == ["4", "2", "1", "1"]


def test_the_newer_try_counts_and_the_older_reason_stays(run):
    cell_id = "r2-c0.5-m256M-w1"
    run.record(cell_id, Traffic(latencies(8000, 20), worker_cpu_percent=97.0))
    reason = measure_attempt(run.dir, cell_id, 1).reason
    (step,) = retry_steps(run.dir)
    again(run.dir, step)
    # As many as 40 users make who wait 25 ms between responses that take 21 ms.
    run.record(cell_id, Traffic(latencies(10450, 20)))
    measure_attempt(run.dir, cell_id, 1)
    cell = json.loads((run.dir / "cells" / cell_id / "cell.json").read_text())
    assert (cell["status"], cell["reason"]) == ("valid", None)
    assert cell["retries"] == [{"attempt": 1, "reason": reason}]
    assert outcome(run.dir) == "invalid attempts that were retried: 1. Now: 1 valid"
