"""The loads of a run in words."""

import re

import pytest

from swarmsweep.plan.load_text import load_sentence, other_loads
from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.search import PROFILES
from swarmsweep.sweep.load import CapacityLoad, Load

USERS = Load(users=40, spawn_rate=20, wait_seconds=(0, 0.05)).as_json()
SEARCH = CapacityLoad(timeout_seconds=1.2, budget_seconds=60, profile="smoke").as_json()


LOADS = {
    "users": USERS,
    "smoke": SEARCH,
    "target": SEARCH | {"profile": "standard", "budget_seconds": 420, "target_rps": 250.5},
    "a number of users": CapacityLoad(
        timeout_seconds=1.2, budget_seconds=420, locustfile="predict.py", target_users=300
    ).as_json(),
    "users in a search": CapacityLoad(
        timeout_seconds=1.2, budget_seconds=420, locustfile="predict.py", wait_seconds=(1, 3), workers=2
    ).as_json(),
    "old": SEARCH | {"profile": "of an earlier version"},
}
# A load of most cells, and what is another one of two cells.
OTHERS = {
    "users": (USERS, {"users": 2, "measure_seconds": 50}),
    "profile": (SEARCH, {"profile": "publish", "budget_seconds": 1200}),
    "arrivals": (SEARCH, {"arrivals": "constant"}),
    "timeout": (SEARCH, {"timeout_seconds": 5.0, "workers": 2}),
}


def planned(load, cells=None):
    """A plan with this load; ``cells`` have their own by id, None as in plans of earlier versions."""
    rows = [PlannedCell(id=name, config={}, memory="1G", load=own) for name, own in (cells or {}).items()]
    return Plan(run_id="x", sweep="x", slo={}, load=load, repeat=3, cells=rows, steps=[])


def other_of(name):
    """The entry for the cells with another load."""
    load, other = OTHERS[name]
    (entry,) = other_loads(planned(load, {"a": load, "b": load | other, "c": load | other, "of an older plan": None}))
    return entry


def test_the_words(golden):
    sentences = {name: load_sentence(planned(load)) for name, load in LOADS.items()}
    golden("load_words.yml", {"most": sentences, "others": {name: other_of(name).text for name in OTHERS}})


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("users", ["40 users", "20 ", "0 to 0.05 s", "10 s", "30 s", "predict.py", "3"]),
        ("smoke", [f"{100 * PROFILES['smoke'].resolution:.0f} %", "60 s", "poisson", "1.2 s", "predict_open.py"]),
        ("target", ["8 %", "420 s", "standard", "250.5"]),
        ("users in a search", ["number of users", "200 ", "1 to 3 s", "420 s", "predict.py with 2"]),
        ("old", ["60 s", "of an earlier version"]),
    ],
)
def test_the_load_of_most_cells_is_one_sentence(name, figures):
    sentence = load_sentence(planned(LOADS[name]))
    assert [figure for figure in figures if figure not in sentence] == []
    assert ("250.5" in sentence) == (name == "target")


@pytest.mark.parametrize(
    ("name", "figures"),
    [("users", ["2", "50"]), ("profile", ["1200"]), ("arrivals", []), ("timeout", ["5", "2"])],
)
def test_other_loads_say_what_differs_and_for_which_cells(name, figures):
    entry = other_of(name)
    assert entry.ids == ["b", "c"]
    assert re.findall(r"[\d.]+", entry.text) == figures
