"""Little's law on recorded loads of scenarios with think times of every kind."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evidence_json import from_json, record

from swarmsweep.judge.checks.queueing_laws import littles_law
from swarmsweep.judge.flows import flow_of_users
from swarmsweep.raw.closed_loop import UsersRecord, read_users
from swarmsweep.raw.latency import Requests
from swarmsweep.raw.read_or_note import ReadOrNote

RECORDED = Path(__file__).parents[2] / "data" / "think-time-2.47.0"
USERS = 20
EPOCH = 1_763_800_000.25


def recorded(name: str):
    """The flow of a recorded load, whose plan leaves the scenario its own think time."""
    folder, problems = RECORDED / name, []
    timeline = json.loads((folder / "timeline.json").read_text())
    users = read_users(folder, ReadOrNote(folder, problems))
    assert problems == []
    window = (timeline["window_start"], timeline["window_end"])
    return flow_of_users(users, window, {"users": USERS, "wait_seconds": None})


def judged(flow):
    """The check, on evidence that is sound but for this flow."""
    return littles_law(replace(from_json(record("users")), flow=flow, peak=flow))


# Mean seconds by the scenario: its wait_time, and with classes that differ the mean over all waits.
SOUND = {
    "own_wait_time": 0.2,
    "constant_pacing": None,
    "constant_throughput": None,
    "several_classes": 0.19,
    "several_requests": 0.2,
    "replaced": 0.2,
}


@pytest.mark.parametrize(("name", "seconds"), SOUND.items())
def test_a_sound_load_has_no_warning_whatever_its_think_time(name, seconds):
    flow = recorded(name)
    # A pace of 0.5 s includes the request, and the moments in which the generator was late.
    seconds = seconds or 0.5 - flow.latency_mean_ms / 1000
    assert flow.think_time_seconds == pytest.approx(seconds, rel=0.1, abs=0.05)
    check = judged(flow)
    assert (check.passed, check.warning) == (True, True), check.sentence
    # Without the measured think time, the check fails, with the plan's earlier default of 0 s and with any other.
    for planned in (0.0, 5.0):
        assert judged(replace(flow, thinking_mean=None, planned_think_seconds=planned)).passed is False


def test_a_pause_that_a_task_makes_is_no_think_time():
    flow = recorded("sleep_in_task")
    assert flow.think_time_seconds == pytest.approx(0.1, rel=0.05)
    check = judged(flow)
    assert (check.passed, check.warning) == (False, True)
    assert "time.sleep" in check.sentence


def test_without_a_record_the_plan_counts_and_without_both_it_is_not_checked():
    flow = replace(recorded("own_wait_time"), thinking_mean=None)
    assert judged(flow).passed is None
    assert judged(replace(flow, planned_think_seconds=0.2)).passed is True


def test_the_sentence_names_requests_in_parallel():
    flow = recorded("own_wait_time")
    check = judged(replace(flow, offered=3 * flow.offered))
    assert (check.passed, check.sentence.endswith("counts once for each of them")) == (False, True)


def samples(*totals):
    """Of one worker: (seconds after the epoch used here, waits, their seconds, seconds waited)."""
    return tuple((EPOCH + at, *rest) for at, *rest in totals)


STEADY = samples(*((at, 10 * at, 5.0 * at, 4.0 * at) for at in range(13)))
WINDOWS = [
    # Two workers, the edges of the window between samples.
    ((STEADY, STEADY), (0.5, 10.5), 0.5, 8.0),
    # A worker whose users wait for longer than the window.
    ((samples((0, 0, 0.0, 0.0), (12, 0, 0.0, 24.0)),), (1, 11), None, 2.0),
    ((samples((0, 0, 0.0, 0.0), (12, 0, 0.0, 24.0)), STEADY), (1, 11), 0.5, 6.0),
    # By the clock of its load host, the record ends 0.2 s before the window.
    ((STEADY,), (2, 12.2), 0.5, 4.0),
    # A record that ends early, or has one sample only, does not cover the window.
    ((STEADY, STEADY[:8]), (2, 12), None, None),
    ((STEADY[:1],), (0, 0.9), None, None),
    (None, (2, 12), None, None),
]


@pytest.mark.parametrize(("workers", "window", "seconds", "thinking"), WINDOWS)
def test_the_think_time_of_the_window_is_that_of_all_workers(workers, window, seconds, thinking):
    none = Requests(np.empty(0), np.empty(0), np.empty(0))
    edges = tuple(EPOCH + edge for edge in window)
    flow = flow_of_users(UsersRecord(none, think_time=workers), edges, {"users": USERS})
    assert (flow.think_time_seconds, flow.thinking_mean) == (
        None if seconds is None else pytest.approx(seconds),
        None if thinking is None else pytest.approx(thinking, abs=1e-5),
    )
