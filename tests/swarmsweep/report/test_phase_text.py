"""The lines of a playbook, each for a state of a phase."""

import pytest

from swarmsweep.report.phase_text import Phase, heartbeat_due, last_line, on_hosts, phase_in, short_task


def phase(name="Install Docker", **more) -> Phase:
    return Phase(name, since=100.0, **more)


@pytest.mark.parametrize(
    ("state", "how", "line"),
    [
        (phase(hosts=("lab-api",), tasks=3), {}, "  Install Docker on lab-api ... 41 s"),
        (phase(hosts=("localhost",), tasks=3, changed=2), {}, "  Install Docker ... 41 s, 2 changed"),
        (phase(hosts=("a", "localhost"), changed=1), {"check": True}, "  Install Docker on a ... 41 s, 1 would change"),
        (phase(hosts=("a",), changed=2, failed=True), {}, "  Install Docker on a ... failed after 41 s"),
        (phase(), {"interrupted": True}, "  Install Docker ... interrupted after 41 s"),
    ],
)  # fmt: skip
def test_the_line_of_a_phase(state, how, line):
    assert state.line(141.2, **how) == line


@pytest.mark.parametrize(
    ("state", "seconds", "shown"),
    [
        (phase(), 5, False),
        (phase(tasks=1), 0.1, True),
        (phase(tasks=1, continued=True), 9.9, False),
        (phase(tasks=1, continued=True), 10.0, True),
        (phase(tasks=1, changed=1, continued=True), 0.1, True),
        (phase(tasks=1, failed=True, continued=True), 0.1, True),
    ],
)
def test_a_phase_that_only_goes_on_has_no_second_line(state, seconds, shown):
    assert state.has_line(100.0 + seconds) is shown


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("Read the package lists", "  Install Docker ... 2 min 5 s: Read the package lists"),
        ("Install Docker", "  Install Docker ... 2 min 5 s"),
        ("", "  Install Docker ... 2 min 5 s"),
    ],
)
def test_the_line_that_moves(task, line):
    assert phase(task=task).at_work(225.0) == line


def test_a_phase_counts_results_and_names_each_host_once():
    counted = phase()
    for host, changed in (("a", False), ("b", True), ("a", True)):
        counted.count(host, changed=changed)
    assert (counted.tasks, counted.changed, counted.hosts) == (3, 2, ("a", "b"))


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, None),
        ({"phase": "Plan it", "phases": "x", "my_phase": "y"}, "Plan it"),
        ({"phase": "Plan it", "__model_phase": "Train"}, "Train"),
        ({"phase": ["Plan it"]}, None),
    ],
)
def test_the_phase_among_variables(variables, name):
    assert phase_in(variables) == name


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ([], ""),
        (["localhost"], ""),
        (["a", "localhost", "b"], " on a, b"),
        (["a", "b", "c"], " on a, b, c"),
        (["a", "b", "c", "d"], " on 4 hosts"),
    ],
)
def test_hosts_in_words(hosts, words):
    assert on_hosts(hosts) == words


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Ping", "Ping"),
        ("docker_engine : Start Docker", "Start Docker"),
        ("images : Base | Pull it", "Pull it"),
        ("Load | Start Locust", "Start Locust"),
    ],
)
def test_the_short_name_of_a_task(name, short):
    assert short_task(name) == short


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"tasks": 76, "changed": 12}, "done in 3 min 2 s: 76 tasks, 12 changed"),
        ({"tasks": 1, "changed": 0}, "done in 3 min 2 s: 1 task, 0 changed"),
        ({"tasks": 9, "changed": 4, "check": True}, "done in 3 min 2 s: 9 tasks, 4 would change"),
        ({"tasks": 9, "changed": 4, "failed": ["lab-api"]}, "failed on lab-api after 3 min 2 s: 9 tasks, 4 changed"),
        ({"tasks": 9, "changed": 4, "failed": ["localhost"]}, "failed after 3 min 2 s: 9 tasks, 4 changed"),
        ({"tasks": 2, "changed": 0, "warnings": 1},
         "done in 3 min 2 s: 2 tasks, 0 changed, 1 more warning in the log"),
        ({"tasks": 2, "changed": 0, "warnings": 7},
         "done in 3 min 2 s: 2 tasks, 0 changed, 7 more warnings in the log"),
    ],
)  # fmt: skip
def test_the_last_line(given, line):
    assert last_line(182.0, **given) == line


def test_signs_of_life_become_rarer():
    beats = []
    for second in range(3600):
        if heartbeat_due(second, len(beats)):
            beats.append(second)
    assert beats == [120, 360, 840, 1800]
