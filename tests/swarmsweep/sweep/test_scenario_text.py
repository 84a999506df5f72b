"""The message about scenarios that cannot run: each problem once, with the hosts that have it."""

from pathlib import Path

import pytest

from swarmsweep.errors import InputError
from swarmsweep.sweep.scenario_text import refuse_scenarios

GOOD = {"locustfile": "predict.py", "problem": None, "users": ["PredictUser"]}
EMPTY = {"locustfile": "mine.py", "problem": "no_user"}
KILLED = {"locustfile": "mine.py", "problem": "signal", "name": "SIGKILL", "words": ""}
NO_MEMORY = {"locustfile": "mine.py", "problem": "error", "type": "MemoryError", "text": "MemoryError"}


def refusal(loaded) -> str:
    """The message about what the hosts reported."""
    with pytest.raises(InputError) as refused:
        refuse_scenarios(loaded, Path())
    return str(refused.value)


def test_good_scenarios_are_no_refusal():
    loaded = {"a": [GOOD], "b": [GOOD]}
    refuse_scenarios(loaded, Path())
    # One more, which is not good, and the same hosts are refused because of it alone.
    assert [line.partition(":")[0] for line in refusal(loaded | {"c": [EMPTY]}).splitlines()[1:]] == [
        "locustfiles/mine.py"
    ]


# What the hosts reported, and the end of each line: the hosts where not all have the problem.
LOADED = {
    "on all hosts": ({"a": [GOOD, EMPTY], "b": [GOOD, EMPTY]}, [""]),
    "on one host": ({"a": [EMPTY, GOOD], "b": [GOOD]}, ["(on a)"]),
    "for two think times": ({"a": [EMPTY, EMPTY]}, [""]),
    "two problems": ({"a": [EMPTY], "b": [KILLED], "c": [EMPTY]}, ["(on a, c)", "(on b)"]),
    "killed": ({"a": [KILLED]}, [""]),
    "out of memory": ({"a": [NO_MEMORY]}, [""]),
}


@pytest.mark.parametrize("name", LOADED)
def test_each_problem_is_one_line(name):
    loaded, ends = LOADED[name]
    lines = refusal(loaded).splitlines()[1:]
    assert len(lines) == len(ends)
    for line, end in zip(lines, ends, strict=True):
        assert line.startswith("locustfiles/mine.py: ")
        assert line.endswith(end) and ("(on " in line) == bool(end)


def test_the_messages(golden):
    golden("scenario_problems.yml", {name: refusal(loaded) for name, (loaded, _) in LOADED.items()})


@pytest.mark.parametrize(("report", "word"), [(KILLED, "SIGKILL"), (NO_MEMORY, "MemoryError")])
def test_a_kill_and_a_lack_of_memory_name_the_limit(report, word):
    message = refusal({"a": [report]})
    assert word in message and "80 %" in message
