"""The message about scenarios that cannot run: each problem once, with the hosts that have it."""

from pathlib import Path

import pytest

from swarmsweep.errors import InputError
from swarmsweep.sweep.scenario_text import refuse_scenarios

GOOD = {"locustfile": "predict.py", "problem": None, "users": ["PredictUser"]}
EMPTY = {"locustfile": "mine.py", "problem": "no_user"}
KILLED = {"locustfile": "mine.py", "problem": "signal", "name": "SIGKILL", "words": ""}
FIRST = "Nothing was deployed, because Locust cannot run a scenario:"


def test_good_scenarios_are_no_refusal():
    refuse_scenarios({"a": [GOOD], "b": [GOOD]}, Path())


@pytest.mark.parametrize(
    ("loaded", "ends"),
    [
        ({"a": [GOOD, EMPTY], "b": [GOOD, EMPTY]}, ["with @task"]),
        ({"a": [EMPTY, GOOD], "b": [GOOD]}, ["with @task (on a)"]),
        # The same file for two think times.
        ({"a": [EMPTY, EMPTY]}, ["with @task"]),
        ({"a": [EMPTY], "b": [KILLED], "c": [EMPTY]}, ["with @task (on a, c)", "load less data in it (on b)"]),
    ],
)
def test_each_problem_is_one_line(loaded, ends):
    with pytest.raises(InputError) as refused:
        refuse_scenarios(loaded, Path())
    first, *lines = str(refused.value).splitlines()
    assert first == FIRST
    assert len(lines) == len(ends)
    for line, end in zip(lines, ends, strict=True):
        assert line.startswith("locustfiles/mine.py: ")
        assert line.endswith(end)


def test_a_kill_names_the_limit_of_memory():
    with pytest.raises(InputError, match=r"killed \(SIGKILL\) while it was loaded\. .* gets 80 % of its host's memory"):
        refuse_scenarios({"a": [KILLED]}, Path())


def test_a_lack_of_memory_names_the_limit():
    report = {"locustfile": "mine.py", "problem": "error", "type": "MemoryError", "text": "MemoryError"}
    with pytest.raises(InputError, match=r"MemoryError\. .* gets 80 % of its host's memory: load less data in it"):
        refuse_scenarios({"a": [report]}, Path())
