"""Which load a cell gets, and how long it lasts."""

from dataclasses import replace

import pytest

from swarmsweep.errors import LabError
from swarmsweep.search import PROFILES
from swarmsweep.sweep.load import (
    OPTIONAL,
    CapacityLoad,
    Case,
    Load,
    differences,
    load_from_json,
    load_of,
    with_profile,
)
from swarmsweep.sweep.matrix import Cell

BASE = Load(users=40, spawn_rate=20, warmup_seconds=5, measure_seconds=12)
SLOW = Case((("variant", ("prints", "no_prints")),), Load(users=2, spawn_rate=2))
SMALL = Case((("replicas", (1,)), ("cpus", (0.5, 1))), Load(users=8, spawn_rate=8))


def cell(replicas=1, cpus=0.5, **extra):
    """A cell with these axes."""
    return Cell(replicas, cpus, 2**28, 1, tuple(sorted(extra.items())))


@pytest.mark.parametrize(
    ("of", "users"),
    [
        (cell(variant="prints"), 2),  # both match: the first wins
        (cell(variant="onnx"), 8),
        (cell(cpus=1.0), 8),
        (cell(replicas=2, variant="no_prints"), 2),
        (cell(replicas=2, variant="onnx"), 40),
        (cell(cpus=2), 40),
    ],
)
def test_the_first_case_that_matches_wins(of, users):
    assert load_of(of, BASE, (SLOW, SMALL)).users == users


def test_the_scenario_of_a_cell_is_its_own_whatever_the_case():
    assert load_of(cell(cpus=2), BASE, ()) is BASE
    assert load_of(cell(cpus=2, locustfile="empty.py"), BASE, (SLOW,)).locustfile == "empty.py"
    mixed = load_of(cell(variant="prints", locustfile="empty.py"), BASE, (SLOW,))
    assert (mixed.users, mixed.locustfile) == (2, "empty.py")
    assert BASE.locustfile == SLOW.load.locustfile == "predict.py"


def test_a_load_lasts_from_the_probe_of_one_user_to_the_end_of_the_window():
    assert BASE.seconds == 3 + 40 / 20 + 5 + 12


def test_json_is_the_load_and_back():
    stored = BASE.as_json()
    assert stored["wait_seconds"] is None
    assert replace(BASE, wait_seconds=(0, 0.5)).as_json()["wait_seconds"] == [0, 0.5]
    assert load_from_json(stored).seconds == BASE.seconds
    # Settings of the scenario that are not set have no key.
    assert set(stored) == set(Load.__dataclass_fields__) - set(OPTIONAL)


def test_json_of_a_search_is_the_contract_and_back():
    load = CapacityLoad(timeout_seconds=2.0, budget_seconds=420)
    assert load.as_json() == {
        "mode": "capacity",
        "profile": "standard",
        "budget_seconds": 420,
        "arrivals": "poisson",
        "timeout_seconds": 2.0,
        "target_rps": None,
        "workers": 1,
        "locustfile": "predict_open.py",
    }
    assert load_from_json(load.as_json()) == load


def test_a_stored_search_lasts_as_it_was_planned_whatever_the_profile_has_become():
    assert load_from_json(CapacityLoad(1, 77, profile="gone").as_json()).seconds == 77


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_brings_its_budget(profile):
    budget = PROFILES[profile].budget_seconds
    assert with_profile({"profile": profile, "workers": 2}) == {
        "profile": profile,
        "workers": 2,
        "budget_seconds": budget,
    }
    assert with_profile({"workers": 2}) == {"workers": 2}


def test_a_load_from_before_there_were_modes_is_of_users():
    old = {key: value for key, value in BASE.as_json().items() if key not in ("mode", "locustfile")}
    assert load_from_json(old).seconds == BASE.seconds


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"mode": "steps"}, "mode 'steps'; this version knows fixed and capacity"),
        (BASE.as_json() | {"colour": 1, "a": 2}, "a load with a, colour, which this version does not know"),
        ({"users": 3}, "incomplete load: .*spawn_rate"),
        ({"mode": "capacity"}, "incomplete load: .*timeout_seconds"),
    ],
)
def test_a_stored_load_that_cannot_be_understood_is_refused(stored, words):
    with pytest.raises(LabError, match=words):
        load_from_json(stored)


def test_the_scenario_of_a_cell_is_its_own_in_a_search_too():
    search = CapacityLoad(timeout_seconds=1, budget_seconds=60)
    assert load_of(cell(locustfile="empty_open.py"), search, ()).locustfile == "empty_open.py"


def test_differences_are_the_settings_of_the_other():
    assert differences(BASE.as_json(), BASE.as_json()) == {}
    assert differences({"users": 40, "workers": 1}, {"users": 2, "workers": 1}) == {"users": 2}
