"""Think time as real Locust processes spend it: measured in `User.wait` alone, and replaced by the sweep file's."""

from pathlib import Path

import pytest

from tests.loadgen.users_run import LOCUST, run_users

SCENARIOS = Path(__file__).parents[1] / "data" / "think-time-2.47.0"

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")


def waits_of(tmp_path, name: str, seconds: float = 2.0, **env: str) -> tuple[int, float]:
    """Of a run of four users: its waits, and their mean seconds."""
    found = run_users(tmp_path, (SCENARIOS / name / "scenario.py").read_text(), 4, seconds, **env)
    samples = found.worker["think_time"]
    begin, ended, ended_seconds, waited = samples[-1]
    assert ended_seconds <= waited <= 4 * (begin - samples[0][0]) + 0.1
    return ended, ended_seconds / ended


# A wait is measured at most as long as the scenario asked for, so a busy machine changes none of them.
@pytest.mark.parametrize(
    ("name", "shortest", "longest"),
    [
        ("own_wait_time", 0.1, 0.3),
        ("several_requests", 0.199, 0.2),
        ("several_classes", 0.1, 0.5),
        # The task sleeps for 0.3 s.
        ("sleep_in_task", 0.099, 0.1),
    ],
)
def test_the_wait_time_of_the_scenario_is_measured(tmp_path, name, shortest, longest):
    ended, mean = waits_of(tmp_path, name)
    assert ended >= 4
    assert shortest <= mean <= longest


@pytest.mark.parametrize("name", ["constant_pacing", "constant_throughput"])
def test_a_pace_leaves_the_rest_of_it_as_think_time(tmp_path, name):
    ended, mean = waits_of(tmp_path, name)
    assert ended >= 4
    # The request lasts 0.1 s at least, of the 0.5 s of the pace. A busy machine ends a wait late.
    assert 0 <= mean < 0.5


def test_the_sweep_file_replaces_the_wait_time_of_every_class(tmp_path):
    limits = {"LOCUST_WAIT_MIN_SECONDS": "0.1", "LOCUST_WAIT_MAX_SECONDS": "0.2"}
    ended, mean = waits_of(tmp_path, "replaced", **limits)
    # Each class waits for 60 s by itself, in its task set too.
    assert ended >= 8
    assert 0.1 <= mean <= 0.2


def test_no_think_time_in_the_sweep_file_means_none(tmp_path):
    limits = {"LOCUST_WAIT_MIN_SECONDS": "0", "LOCUST_WAIT_MAX_SECONDS": "0.0"}
    ended, mean = waits_of(tmp_path, "replaced", seconds=1.0, **limits)
    assert ended >= 8
    assert mean == 0
