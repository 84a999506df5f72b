"""The sweep of ./lab check: one cell, one user, about ten requests."""

from pathlib import Path

import pytest

from swarmsweep.plan.plan import make_plan
from swarmsweep.sweep.checked import checked, from_data, to_data
from swarmsweep.sweep.load import Load
from swarmsweep.sweep.one_user import one_user_on_first_cell
from swarmsweep.sweep.sweep_file import load_sweep, parse_sweep

SWEEPS = Path(__file__).parents[3] / "sweeps"
CASES = b"""\
name: mixed
slo: {p95_ms: 100}
load:
  users: 40
  spawn_rate: 40
  cases:
    - when: {cpus: [0.5]}
      users: 90
matrix: {replicas: [2, 1], cpus: [0.5, 1], memory: [256M], workers: [1], locustfile: [predict.py, empty.py]}
repeat: 3
"""


@pytest.mark.parametrize("name", ["quick.yml", "default.yml"])
def test_one_attempt_of_the_first_cell(name):
    whole = load_sweep(SWEEPS / name)
    sweep = one_user_on_first_cell(whole)
    # The play hands it on as data.
    plan = make_plan(from_data(to_data(checked(sweep))).sweep(), {"api": [], "load": []}, seed=1)
    (cell,), (step,) = plan.cells, plan.steps
    assert (cell.config, step.attempt) == (make_plan(whole, {"api": [], "load": []}, seed=1).cells[0].config, 1)
    load = plan.load_of(cell)
    assert (load["users"], load["workers"], load["locustfile"]) == (1, 1, whole.load.locustfile)
    assert 5 <= load["measure_seconds"] / load["wait_seconds"][0] <= 20
    # With the wait for the API, a check ends within two minutes.
    assert plan.estimate_seconds.total < 90


def test_the_scenario_of_the_cell_is_kept():
    sweep = one_user_on_first_cell(parse_sweep(CASES, "sweeps/mixed.yml"))
    assert sweep.load_of(sweep.cells[0]).locustfile == "predict.py"
    assert sweep.load_of(sweep.cells[0]).users == 1
    assert sweep.cases == ()


def test_a_search_becomes_one_user_of_its_scenario():
    text = (SWEEPS / "capacity.yml").read_text().replace("load:", "load:\n  env: {LANGUAGE: en}", 1)
    whole = parse_sweep(text.encode(), "sweeps/mine.yml")
    sweep = one_user_on_first_cell(whole)
    load = sweep.load_of(sweep.cells[0])
    assert isinstance(load, Load)
    assert (load.users, load.locustfile, load.env) == (1, whole.load.locustfile, {"LANGUAGE": "en"})
    assert load.locustfile.endswith("_open.py")
    # Neither an anchor nor its twin, which a search has.
    plan = make_plan(from_data(to_data(checked(sweep))).sweep(), {"api": [], "load": []}, seed=1)
    assert len(plan.steps) == 1
