"""Which load a cell gets, and how long it lasts."""

import pytest

from swarmsweep.load import Case, Load, differences, load_of, load_of_cell
from swarmsweep.matrix import Cell

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


def test_a_load_lasts_from_the_first_user_to_the_end_of_the_window():
    assert BASE.seconds == 40 / 20 + 5 + 12


def test_json_is_the_load_and_back():
    stored = BASE.as_json()
    assert stored["wait_seconds"] == [0, 0]
    assert Load(**stored).seconds == BASE.seconds
    assert set(stored) == set(Load.__dataclass_fields__)


def test_a_plan_without_loads_of_cells_has_one_for_all():
    plan = {"load": BASE.as_json()}
    assert load_of_cell(plan, {"id": "old"}) == BASE.as_json()
    assert load_of_cell(plan, {"id": "new", "load": SLOW.load.as_json()})["users"] == 2


def test_differences_are_the_settings_of_the_other():
    assert differences(BASE.as_json(), BASE.as_json()) == {}
    assert differences({"users": 40, "workers": 1}, {"users": 2, "workers": 1}) == {"users": 2}
