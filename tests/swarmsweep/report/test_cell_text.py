"""The output on the cell that is measured now: phase, times of tasks, the line that moves and the one that stays."""

import json
import re
from datetime import datetime

import pytest

from swarmsweep.plan.planned import as_json
from swarmsweep.report.cell_text import CurrentCell, time_left
from swarmsweep.report.progress import Progress

NOW = datetime(2026, 11, 22, 18, 0, 30)
STEP = {"cell_id": "r1-c0.5", "attempt": 1, "position": 2, "of": 8, "load_seconds": 18, "folder": "nowhere"}


def test_a_phase_is_the_file_of_the_newest_task_that_names_one():
    cell = CurrentCell(STEP)
    seen = [cell.phase]
    for name in ("bench_cell : Standby | Wait ", "Load | Start Locust", "bench_cell : Judge it"):
        cell.begin(name, name)
        seen.append(cell.phase)
    assert seen == ["start", "standby", "load", "load"]


def test_the_phases_of_a_deployment_do_not_come_back():
    """The role that deploys has files of its own. A task of bench_cell follows them."""
    cell = CurrentCell(STEP)
    seen = []
    for name in (
        "Deploy | Start the replicas",
        "api_stack : Wrap | Read it",
        "api_stack : Fresh | Start and wait",
        "api_stack : Elsewhere | Read what listens",
        "api_stack : Fresh | Go on",
        "Deploy | Continue",
    ):
        cell.begin(name, name)
        seen.append(cell.phase)
    assert set(seen) == {"deploy"}


def test_the_times_of_tasks_are_kept_in_the_folder_of_the_attempt(tmp_path):
    cell = CurrentCell(STEP | {"folder": str(tmp_path)})
    cell.begin("1", "Load | Start Locust\n")
    cell.begin("2", "Load | Wait")
    # A result of a second host, and of a task that began before the cell.
    for task in ("1", "1", "0"):
        cell.end(task)
    cell.keep_times()
    (task,) = map(json.loads, (tmp_path / "tasks.jsonl").read_text().splitlines())
    assert task.keys() == {"name", "started", "seconds"}
    assert task["name"] == "Load | Start Locust"
    assert task["seconds"] >= 0


@pytest.mark.parametrize("tasks", [0, 1])
def test_times_are_kept_only_with_tasks_and_a_folder(tmp_path, tasks):
    cell = CurrentCell(STEP | {"folder": str(tmp_path / "none" if tasks else tmp_path)})
    for number in range(tasks):
        cell.begin(str(number), "Load | Wait")
        cell.end(str(number))
    cell.keep_times()
    assert list(tmp_path.iterdir()) == []


def test_a_key_has_cell_attempt_and_retry():
    keys = [CurrentCell(STEP | change).key for change in ({}, {"cell_id": "x"}, {"attempt": 2}, {"again": True})]
    assert len(set(keys)) == 4
    assert CurrentCell(STEP | {"again": False}).key == keys[0]


def test_lines_without_a_run_have_the_sentence_and_the_planned_seconds():
    cell = CurrentCell(STEP, phase="load")
    assert re.fullmatch(r"measuring r1-c0\.5: load, \d+ s of about 18 s", cell.at_work(None))
    assert cell.line("invalid: it broke", None, NOW) == "2/8 r1-c0.5: invalid: it broke"
    assert CurrentCell(STEP | {"again": True}).line("x", None, NOW) == "again 2/8 r1-c0.5: x"


def test_the_line_of_a_cell_has_its_outcome_and_the_time_left(finished_run):
    steps = [
        as_json(step) | {"load_seconds": 18, "position": at, "of": 5}
        for at, step in enumerate(finished_run.plan.steps, 1)
    ]
    progress = Progress(finished_run.dir, steps)
    lines = [CurrentCell(step).line("nothing was measured", progress, NOW) for step in steps]
    assert [line.split(": ")[0] for line in lines] == [f"{step['position']}/5 {step['cell_id']}" for step in steps]
    # None of them left a trial.json yet.
    assert all(": nothing was measured" in line for line in lines)
    assert [" left, until 18:0" in line for line in lines] == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (45, "45 s left, until 18:01"),
        (750, "12 min 30 s left, until 18:13"),
        (5 * 3600 + 3600, "6 h 0 min left, until Mon 00:00"),
    ],
)
def test_time_left(seconds, text):
    assert time_left(seconds, NOW) == text
