"""The baseline: the configuration of the inventory, and which sweeps measure it."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.plan.baseline import baseline_of
from swarmsweep.plan.inventory_settings import plain_settings
from swarmsweep.plan.plan import make_plan
from swarmsweep.plan.planned import as_json
from swarmsweep.plan.run_folder import read_plan, write_plan
from swarmsweep.sweep.matrix import Cell
from swarmsweep.sweep.sweep_file import parse_sweep

MIB = 1024**2
SETTINGS = {"lab_api_replicas": 1, "lab_api_cpus": 0.5, "lab_api_memory": "512M", "lab_api_workers": 1}
INVENTORY = Cell(1, 0.5, 512 * MIB, 1)
HOSTS = {
    "api": [{"name": "a", "cpus": 2, "memory_bytes": 4096 * MIB, "reserve_memory_bytes": 1024 * MIB}],
    "load": [],
}
SWEEP = """\
name: x
slo: {p95_ms: 100}
load: {users: 40}
matrix: {replicas: [1, 2], cpus: [0.5, 1], memory: [256M], workers: [1]}
"""
CELLS = """\
name: x
slo: {p95_ms: 100}
load: {users: 40}
cells: [{replicas: 1, cpus: 1, memory: 256M, workers: 1}]
"""


def planned(text=SWEEP, baseline=INVENTORY, hosts=HOSTS):
    return make_plan(parse_sweep(text.encode(), "x.yml"), hosts, run_id="20261122T114512Z-x", baseline=baseline)


READ = [
    (SETTINGS, "WEB_CONCURRENCY", INVENTORY),
    # As `-e` gives them.
    (SETTINGS | {"lab_api_cpus": "0.5", "lab_api_replicas": "1"}, "WEB_CONCURRENCY", INVENTORY),
    (SETTINGS | {"lab_api_cpus": 2.0}, "WEB_CONCURRENCY", Cell(1, 2, 512 * MIB, 1)),
    (SETTINGS | {"lab_api_memory": "1.5G"}, "WEB_CONCURRENCY", Cell(1, 0.5, 1536 * MIB, 1)),
    (SETTINGS | {"lab_api_memory": "1Gi"}, "WEB_CONCURRENCY", Cell(1, 0.5, 1024 * MIB, 1)),
    # A whole number is bytes.
    (SETTINGS | {"lab_api_memory": 1024 * MIB}, "WEB_CONCURRENCY", Cell(1, 0.5, 1024 * MIB, 1)),
    (SETTINGS | {"lab_api_memory": str(1024 * MIB)}, "WEB_CONCURRENCY", Cell(1, 0.5, 1024 * MIB, 1)),
    # The image decides the number of workers, whatever the setting says.
    (SETTINGS, "", Cell(1, 0.5, 512 * MIB, 4)),
    (SETTINGS | {"lab_api_cpus": None}, "WEB_CONCURRENCY", None),
    ({}, "WEB_CONCURRENCY", None),
]


@pytest.mark.parametrize(("settings", "variable", "cell"), READ)
def test_the_configuration_of_the_inventory(settings, variable, cell):
    assert baseline_of(settings, variable, 4, "inventory/lab") == cell


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lab_api_replicas", 0), ("lab_api_replicas", 1.5), ("lab_api_replicas", 101), ("lab_api_replicas", "x"),
        ("lab_api_replicas", True), ("lab_api_cpus", 0), ("lab_api_cpus", "nan"), ("lab_api_cpus", "inf"),
        ("lab_api_cpus", [1]), ("lab_api_memory", 512), ("lab_api_memory", "512"), ("lab_api_memory", "0M"),
        ("lab_api_memory", "5M"), ("lab_api_memory", True), ("lab_api_memory", [MIB]), ("lab_api_memory", 2 * MIB),
        ("lab_api_workers", -1), ("lab_api_replicas", 10**400),
    ],
)  # fmt: skip
def test_a_setting_that_is_no_configuration_is_refused(name, value):
    with pytest.raises(InputError, match=rf"{name} is .*; allowed: .*change it in inventory/lab/group_vars/all/lab"):
        baseline_of(SETTINGS | {name: value}, "WEB_CONCURRENCY", 1, "inventory/lab")


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (512, "6M or more, as 512M. It has no unit: write 512M or 512G. Fix: "),
        ("1T", "It is in a unit that is not allowed here: write 1024G. Fix: "),
        ("512 M", "It has a space: write 512M. Fix: "),
        (".5G", "It has no digit before the point: write 0.5G. Fix: "),
        ("5M", "6M or more, as 512M. Fix: "),
    ],
)
def test_a_refused_amount_of_memory_says_why(memory, words):
    with pytest.raises(InputError) as refused:
        baseline_of(SETTINGS | {"lab_api_memory": memory}, "WEB_CONCURRENCY", 1, "inventory/lab")
    assert words in str(refused.value)


# A sweep, the baseline, and what the plan has: its id, whether it was added, and the number of cells.
PLANS = [
    (SWEEP, INVENTORY, ("r1-c0.5-m512M-w1", True), 5),
    (SWEEP, Cell(2, 1, 256 * MIB, 1), ("r2-c1-m256M-w1", False), 4),
    (SWEEP + "baseline: inventory\n", INVENTORY, ("r1-c0.5-m512M-w1", True), 5),
    (SWEEP + "baseline: none\n", INVENTORY, None, 4),
    (SWEEP + "exclude: [{cpus: 0.5}]\n", INVENTORY, ("r1-c0.5-m512M-w1", True), 3),
    (SWEEP.replace("workers: [1]", "workers: [1], LANGUAGE: [en]"), INVENTORY, None, 4),
    (SWEEP.replace("workers: [1]", "workers: [1], variant: onnx"), INVENTORY, None, 4),
    (SWEEP + "include: [{replicas: 1, cpus: 1, memory: 1G, workers: 1, A1: b}]\n", INVENTORY, None, 5),
    (CELLS, INVENTORY, None, 1),
    (CELLS + "baseline: none\n", INVENTORY, None, 1),
    (SWEEP, None, None, 4),
]


@pytest.mark.parametrize(("text", "cell", "baseline", "count"), PLANS)
def test_a_matrix_of_the_four_axes_has_a_baseline(text, cell, baseline, count, tmp_path):
    plan = planned(text, cell)
    found = plan.baseline and (plan.baseline.cell_id, plan.baseline.added)
    assert (found, len(plan.cells), len(plan.steps)) == (baseline, count, count)
    assert plan.added_cell == (baseline[0] if baseline and baseline[1] else None)
    assert read_plan(write_plan(plan, tmp_path)) == plan
    assert ("baseline" in as_json(plan)) == (baseline is not None)


@pytest.mark.parametrize(
    ("cell", "reason", "count"),
    [
        (Cell(1, 4, 512 * MIB, 1), "one replica needs 4 CPUs", 4),
        (Cell(9, 0.5, 512 * MIB, 1), "the replicas need 9 x 512M", 4),
    ],
)
def test_a_baseline_that_no_host_can_hold_is_not_measured(cell, reason, count):
    plan = planned(baseline=cell)
    assert (plan.baseline.cell_id, plan.added_cell, len(plan.cells)) == (cell.id, None, count)
    assert reason in plan.baseline.infeasible_reason


def test_the_baseline_has_the_load_of_its_case_and_is_never_the_anchor():
    cases = SWEEP.replace("users: 40", "users: 40, cases: [{when: {cpus: 0.5}, users: 7}]")
    (added,) = [cell for cell in planned(cases).cells if cell.id == INVENTORY.id]
    assert added.load["users"] == 7
    search = SWEEP.replace("users: 40", "mode: capacity")
    small = Cell(1, 0.1, 256 * MIB, 1)
    with_small, without = planned(search, small), planned(search, None)
    assert with_small.anchor == without.anchor
    assert [cell.id for cell in with_small.cells] == [
        *(cell.id for cell in without.cells[:-1]), small.id, without.anchor.twin_id
    ]  # fmt: skip


def test_settings_of_an_inventory_that_are_templates_are_not_known(tmp_path):
    folder = tmp_path / "group_vars" / "all"
    folder.mkdir(parents=True)
    (folder / "lab.yml").write_text("a: 1\nb: '{{ a }}'\nc: x\n")
    (folder / "mine.yaml").write_text("c: y\n")
    (folder / "torn.yml").write_text("{")
    (folder / "vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n")
    assert plain_settings(tmp_path) == plain_settings(tmp_path / "hosts.yml") == {"a": 1, "c": "y"}
    assert plain_settings(tmp_path / "none" / "hosts.yml") == {}
