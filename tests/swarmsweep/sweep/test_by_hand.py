"""What Locust's page loads, by a sweep file or a locustfile, and when workers join a page."""

from pathlib import Path

import pytest

from swarmsweep.errors import InputError, LabError
from swarmsweep.sweep.by_hand import MAX_WORKERS, LoadByHand, Order, by_hand, check_number, decide, load_of_locustfile
from swarmsweep.sweep.sweep_file import parse_sweep

FOLDER = Path(__file__).parents[3] / "locustfiles"
SWEEP = """\
name: mine
slo: {{p95_ms: 500}}
load: {load}
matrix: {{replicas: [1], cpus: [0.5], memory: [512M], workers: [1]}}
"""


def loaded(load):
    sweep = parse_sweep(SWEEP.format(load=load).encode(), "mine.yml", sorted(path.name for path in FOLDER.glob("*.py")))
    return by_hand(sweep.load_of(sweep.cells[0]), "mine.yml")


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ("{users: 40, spawn_rate: 5, workers: 3}",
         {"locustfile": "predict.py", "workers": 3, "users": 40, "spawn_rate": 5, "env": {}, "has_picker": True}),
        ("{users: 9, wait_seconds: [4, 9], env: {ABC: x}, tags: [read], user_classes: [Visitor]}",
         {"users": 9, "has_picker": False,
          "env": {"LOCUST_WAIT_MIN_SECONDS": "4", "LOCUST_WAIT_MAX_SECONDS": "9", "ABC": "x",
                  "LOCUST_TAGS": "[read]", "LOCUST_USER_CLASSES": "Visitor"}}),
        ("{mode: capacity, by: users, locustfile: predict.py, workers: 2}",
         {"workers": 2, "users": 1, "spawn_rate": 1, "env": {}}),
        ("{mode: capacity, by: arrivals, locustfile: predict.py}", {"users": 1, "workers": 1}),
    ],
)  # fmt: skip
def test_the_page_proposes_the_load_of_the_sweep_file(load, expected):
    found = loaded(load)
    assert {name: getattr(found, name) for name in expected} == expected
    scenario = found.scenario()
    assert (scenario.locustfile, scenario.mode, scenario.env) == (found.locustfile, "fixed", found.env)


def test_an_open_loop_has_no_users_to_start():
    with pytest.raises(InputError, match=r"mine\.yml: predict_open\.py is an open loop.*\./lab ui predict\.py"):
        loaded("{mode: capacity}")


@pytest.mark.parametrize("source", ["predict.py", "locustfiles/predict.py", str(FOLDER / "predict.py")])
def test_a_locustfile_is_loaded_by_one_user_at_first(source):
    found = by_hand(load_of_locustfile(source, FOLDER), source)
    assert (found.locustfile, found.workers, found.users, found.spawn_rate) == ("predict.py", 1, 1, 1.0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing.py", r"'nothing\.py' is not in locustfiles/; available: .*predict\.py"),
        ("predict_open.py", r"'predict_open\.py' is an open loop"),
        ("/etc/predict.py", r"'/etc/predict\.py' is not in locustfiles/\. Copy it there"),
    ],
)
def test_a_locustfile_that_cannot_be_loaded_is_named(source, message):
    with pytest.raises(InputError, match=message):
        load_of_locustfile(source, FOLDER)


@pytest.mark.parametrize(("value", "number"), [(None, None), ("1", 1), (128, 128), (" 7 ", 7)])
def test_a_number_of_workers_is_taken(value, number):
    assert check_number(value, "--workers", MAX_WORKERS) == number


@pytest.mark.parametrize("value", ["0", "129", "-1", "1.5", "x", "", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_another_number_is_refused(value):
    with pytest.raises(InputError, match=r"--workers is .*; allowed: a whole number from 1 to 128"):
        check_number(value, "--workers", MAX_WORKERS)


LOAD = LoadByHand(locustfile="predict.py", workers=3, users=9, spawn_rate=1.0, env={"A": "1"}, has_picker=True)


def page(has_master=True, workers=(0, 2), **changed):
    return {
        "has_master": has_master,
        "workers": list(workers),
        "locustfile": "predict.py",
        "env": {"A": "1"},
        **changed,
    }


TWO = {"a": page(), "b": page(has_master=False, workers=(1,))}


@pytest.mark.parametrize(
    ("pages", "wanted", "begins", "workers", "seconds"),
    [
        ({"a": None}, {}, True, 3, 7200),
        ({"a": None}, {"workers": 8, "minutes": 5}, True, 8, 300),
        # Its master has ended.
        ({"a": page(has_master=False)}, {}, True, 3, 7200),
        ({"a": None, "b": page(has_master=False)}, {}, True, 3, 7200),
        ({"a": page()}, {}, False, 2, 0),
        (TWO, {}, False, 3, 0),
        (TWO, {"workers": 3}, False, 3, 0),
        (TWO, {"workers": 16}, False, 16, 0),
        (TWO, {"workers": 16, "is_named": True}, False, 16, 0),
    ],
)
def test_workers_join_the_page_that_runs(pages, wanted, begins, workers, seconds):
    given = {"is_named": False, "workers": None, "minutes": None} | wanted
    assert decide(LOAD, pages, **given) == Order(begins=begins, workers=workers, seconds=seconds)


@pytest.mark.parametrize(
    ("pages", "wanted", "message"),
    [
        ({"a": page(locustfile="empty.py")}, {"is_named": True},
         "page runs on a with empty.py, but the command names another load"),
        ({"a": page(env={})}, {"is_named": True}, "but the command names another load"),
        ({"a": page()}, {"minutes": 5}, "its time limit cannot be changed"),
        (TWO, {"workers": 2}, "predict.py and 3 workers, and workers can only be added; allowed: --workers 3 or more"),
    ],
)  # fmt: skip
def test_a_page_that_runs_is_not_changed_otherwise(pages, wanted, message):
    given = {"is_named": False, "workers": None, "minutes": None} | wanted
    with pytest.raises(LabError) as refused:
        decide(LOAD, pages, **given)
    assert message in str(refused.value)
    assert str(refused.value).endswith("./lab stop")
    assert refused.value.next_command == "./lab stop"


def test_a_page_of_another_load_is_left_alone_without_a_name():
    """`./lab ui --workers 16` needs no file."""
    order = decide(LOAD, {"a": page(locustfile="empty.py")}, is_named=False, workers=16, minutes=None)
    assert order == Order(begins=False, workers=16, seconds=0)
