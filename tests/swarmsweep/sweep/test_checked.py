"""A checked sweep that was handed on as JSON is the sweep that was read."""

import json
from pathlib import Path

import pytest

from swarmsweep.errors import LabError
from swarmsweep.plan.plan import make_plan
from swarmsweep.sweep.checked import checked, from_data, to_data
from swarmsweep.sweep.sweep_file import load_sweep, parse_sweep

ROOT = Path(__file__).parents[3]
# Numbers that JSON or Python could change, texts that look like numbers, and cases of both modes.
ODD = {
    "fixed": b"""\
name: odd
slo: {p95_ms: 99.5, mean_ms: 40, endpoints: {"POST /predict": {p95_ms: 99.5}, "GET /x": {max_failure_percent: 0}}}
load:
  users: 7
  spawn_rate: 2.5
  wait_seconds: [0, 0.5]
  cases: [{when: {LEVEL: ["1", "2.0"]}, users: 3}]
matrix: {replicas: [1], cpus: [0.25, 1, 2.0], memory: [256M], workers: [1], LEVEL: ["1", "2.0", 1.5]}
repeat: 2
seed: 4294967295
""",
    "capacity": b"""\
name: odd
slo: {p95_ms: 300}
load: {mode: capacity, target_rps: 250.5, cases: [{when: {replicas: 2}, profile: smoke}]}
matrix: {replicas: [1, 2], cpus: [1], memory: [1G], workers: [1]}
""",
}
SHIPPED = {path.name: path for path in sorted((ROOT / "sweeps").glob("*.yml"))}
HOSTS = {"api": [{"name": "lab-api", "cpus": 4, "memory_bytes": 8 * 1024**3}], "load": []}


@pytest.fixture(params=[*ODD, *SHIPPED])
def sweep(request):
    name = request.param
    return load_sweep(SHIPPED[name]) if name in SHIPPED else parse_sweep(ODD[name], "sweeps/odd.yml")


def test_a_sweep_is_the_same_after_it_was_handed_on(sweep):
    handed = from_data(json.loads(json.dumps(to_data(checked(sweep)))))
    assert handed.sweep() == sweep
    # 1 and 1.0 are equal, and have other texts in a plan.
    assert repr(handed.sweep()) == repr(sweep)
    plans = [make_plan(one, HOSTS, run_id="20261122T114512Z-odd") for one in (sweep, handed.sweep())]
    assert plans[0] == plans[1]


def test_the_scenarios_are_those_of_the_cells(sweep):
    handed = checked(sweep)
    assert {scenario.locustfile for scenario in handed.scenarios} == {
        sweep.load_of(cell).locustfile for cell in sweep.cells
    }
    assert (handed.path, handed.sha256) == (sweep.file, sweep.sha256)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cells": [{"replicas": None}]}, "cells[0][...]"),
        ({"repeat": "2"}, "repeat is '2'"),
        ({"load": {"mode": "other"}}, "load of mode 'other'"),
    ],
)
def test_other_data_is_refused_with_its_place(change, words):
    data = to_data(checked(parse_sweep(ODD["fixed"], "sweeps/odd.yml")))
    with pytest.raises(LabError) as refused:
        from_data(data | change).sweep()
    assert words in str(refused.value)
