"""plan.json: cells in the order of the file, steps in a seeded random order."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert, structs

from swarmsweep.errors import InputError, LabError
from swarmsweep.files import write_json
from swarmsweep.plan.load_text import load_sentence
from swarmsweep.plan.plan import (
    OTHER_SECONDS_PER_STEP,
    estimated_seconds,
    make_plan,
    new_run_id,
    ordered_steps,
    parse_seed,
)
from swarmsweep.plan.planned import Anchor, Estimate, Plan, as_json
from swarmsweep.plan.role_steps import LoadLimits, load_limits
from swarmsweep.plan.run_folder import attempt_dir, read_plan, remaining_steps, retry_broken, write_plan
from swarmsweep.sweep.sweep_file import parse_sweep

SWEEP = b"""\
name: quick
slo: {p95_ms: 100}
load: {users: 40, spawn_rate: 20, warmup_seconds: 5, measure_seconds: 12}
matrix: {replicas: [1, 2], cpus: [0.5, 2], memory: [256M], workers: [1]}
repeat: 3
"""
HOSTS = {"api": [{"name": "lab-api", "cpus": 1, "memory_bytes": 4 * 1024**3}], "load": []}
RUN_ID = "20261122T114512Z-quick"
OTHER = OTHER_SECONDS_PER_STEP


def plan(**options):
    """Plan of the sweep above."""
    return make_plan(parse_sweep(SWEEP, "sweeps/quick.yml"), HOSTS, **({"run_id": RUN_ID} | options))


def test_plan_has_the_contract():
    made = plan(seed=5, colocated=True)
    assert made.schema == 1
    assert made.created_at == "2026-11-22T11:45:12Z"
    assert made.slo == {"p95_ms": 100, "max_failure_percent": 1}
    assert made.load["wait_seconds"] is None
    assert as_json(made.cells[0]) | {"doubts": []} == {
        "load": made.load,
        "id": "r1-c0.5-m256M-w1",
        "config": {"replicas": 1, "cpus": 0.5, "memory_bytes": 268435456, "workers": 1},
        "memory": "256M",
        "infeasible_reason": None,
        "doubts": [],
    }
    assert [bool(cell.infeasible_reason) for cell in made.cells] == [False, True, False, True]
    assert len(made.steps) == 2 * 3
    assert {step.load_seconds for step in made.steps} == {22.0}
    assert made.estimate_seconds == Estimate(load_per_step=22.0, other_per_step=OTHER, total=6 * (22.0 + OTHER))
    assert made.anchor is None
    assert convert(json.loads(json.dumps(as_json(made))), Plan) == made


@given(
    ids=st.lists(st.text(min_size=1, max_size=4), unique=True, max_size=12),
    repeat=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_block_is_one_pass_over_all_cells(ids, repeat, seed):
    steps = ordered_steps(ids, repeat, seed)
    assert steps == ordered_steps(ids, repeat, seed)
    assert [step.position for step in steps] == list(range(1, len(ids) * repeat + 1))
    for block in range(repeat):
        part = steps[block * len(ids) : (block + 1) * len(ids)]
        assert sorted(step.cell_id for step in part) == sorted(ids)
        assert {step.attempt for step in part} <= {block + 1}


def test_blocks_differ_and_the_published_order_stays_the_same():
    ids = [f"cell-{i}" for i in range(6)]
    order = [step.cell_id[-1] for step in ordered_steps(ids, 2, seed=7)]
    assert "".join(order) == "405312231540"  # a repetition with the seed of a run must have its order
    assert order[:6] != order[6:]


def test_seed_comes_from_the_call_then_the_sweep_then_the_run():
    with_seed = parse_sweep(SWEEP + b"seed: 11\n", "x.yml")
    assert plan(seed=3).seed == 3
    assert make_plan(with_seed, HOSTS, run_id=RUN_ID).seed == 11
    assert make_plan(with_seed, HOSTS, run_id=RUN_ID, seed=0).seed == 0
    assert plan().seed == plan().seed != plan(run_id="20261122T114513Z-quick").seed


def test_run_id_is_utc_time_and_sweep():
    assert new_run_id("quick", datetime(2026, 11, 22, 11, 45, 12, tzinfo=UTC)) == RUN_ID
    with pytest.raises(InputError, match="is not valid"):
        plan(run_id="../x")


def test_writing_twice_is_safe_and_another_plan_is_refused(tmp_path):
    run_dir = write_plan(plan(seed=1), tmp_path)
    before = sorted((path, path.read_bytes()) for path in run_dir.rglob("*.json"))
    assert write_plan(plan(seed=1), tmp_path) == run_dir
    assert sorted((path, path.read_bytes()) for path in run_dir.rglob("*.json")) == before
    with pytest.raises(LabError, match="holds another plan"):
        write_plan(plan(seed=2), tmp_path)


def test_infeasible_cells_are_complete_at_planning(tmp_path):
    run_dir = write_plan(plan(), tmp_path)
    cells = {path.parent.name: json.loads(path.read_text()) for path in run_dir.glob("cells/*/cell.json")}
    assert sorted(cells) == ["r1-c2-m256M-w1", "r2-c2-m256M-w1"]
    assert cells["r1-c2-m256M-w1"]["status"] == "infeasible"
    assert "--limit-cpu 2" in cells["r1-c2-m256M-w1"]["reason"]
    assert cells["r1-c2-m256M-w1"]["rps"] is None


def test_remaining_steps_are_those_without_a_trial(tmp_path):
    run_dir = write_plan(plan(), tmp_path)
    steps = read_plan(run_dir).steps
    assert remaining_steps(run_dir) == steps
    done = steps[2]
    folder = run_dir / "cells" / done.cell_id / f"attempt-{done.attempt}"
    folder.mkdir(parents=True)
    assert remaining_steps(run_dir) == steps  # a folder without trial.json was interrupted
    (folder / "trial.json").touch()
    assert remaining_steps(run_dir) == steps[:2] + steps[3:]


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "is not a run folder"), ("{}", "the schema is None; allowed: 1. "), ("{", "not valid JSON")],
)
def test_a_folder_without_a_plan_is_refused(tmp_path, text, words):
    if text is not None:
        (tmp_path / "plan.json").write_text(text)
    with pytest.raises(LabError, match=words):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("repeat",), "3", "repeat is '3'"),
        (("slo", "p95_ms"), 10**30, "slo"),
        (("load", "users"), "many", "load: is damaged: users is 'many'"),
        (("load", "wait_seconds"), [0], "load: is damaged: wait_seconds"),
        (("load", "locustfile"), None, "load: is damaged: locustfile is 'None'"),
        (("load",), {}, "load: is damaged: .*users"),
        (("load", "mode"), "soak", "a load of mode 'soak'"),
        (("cells", 0, "load", "spawn_rate"), 0, r"load of cell r1\S*: is damaged: spawn_rate is '0'"),
        (("cells", 0, "config", "cpus"), None, r"config of cell r1\S*: is damaged: cpus"),
        (("cells", 0, "id"), "../../elsewhere", "expected: a file name"),
        (("cells", 0, "id"), "r1-c2-m256M-w1", "cell r1-c2-m256M-w1 occurs 2 times"),
        (("steps", 0, "cell_id"), "gone", "a step is for cell 'gone'"),
        (("hosts", "api", 0, "memory_bytes"), "16G", "group api: is damaged: memory_bytes is '16G'"),
    ],
)
def test_a_damaged_plan_is_refused_by_the_place_in_it(tmp_path, place, value, words):
    path = write_plan(plan(), tmp_path) / "plan.json"
    stored = json.loads(path.read_text())
    *outer, last = place
    inner = stored
    for key in outer:
        inner = inner[key]
    inner[last] = value
    write_json(path, stored)
    with pytest.raises(LabError, match=f"{path}: .*{words}"):
        read_plan(path.parent)


def test_keys_of_a_later_version_are_no_damage_of_a_plan(tmp_path):
    path = write_plan(plan(), tmp_path) / "plan.json"
    stored = json.loads(path.read_text())
    write_json(path, stored | {"new": 1, "load": stored["load"] | {"pauses": [1, 2]}})
    assert "Pauses [1, 2]" in load_sentence(read_plan(path.parent))


@pytest.mark.parametrize(
    ("left", "set_aside"),
    [
        (None, False),
        ((), True),
        (("stack.yml",), True),  # interrupted
        (("stack.yml", "harness.json"), True),
        (("stack.yml", "harness.json", "trial.json"), True),
        (("stack.yml", "trial.json"), False),
    ],
)
def test_what_a_broken_attempt_left_never_mixes_with_the_next(tmp_path, left, set_aside):
    run_dir = write_plan(plan(), tmp_path)
    step = read_plan(run_dir).steps[0]
    folder = attempt_dir(run_dir, step.cell_id, step.attempt)
    cell = folder.parent / "cell.json"
    if left is not None:
        folder.mkdir(parents=True)
        for name in left:
            (folder / name).write_text("{}")
        cell.write_text("{}")
    assert retry_broken(run_dir) == int(set_aside)
    kept = [path for path in run_dir.glob(f"cells/*/{folder.name}.broken-*") if path.parent == folder.parent]
    assert len(kept) == int(set_aside)
    if set_aside:
        assert sorted(path.name for path in kept[0].iterdir()) == sorted(left)
        assert not folder.exists()
    assert cell.exists() is (left is not None and not set_aside)
    assert (step in remaining_steps(run_dir)) is (set_aside or left is None)
    assert retry_broken(run_dir) == 0
    # Of the last retry, and of the attempt before it.
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trial.json").unlink(missing_ok=True)
    assert retry_broken(run_dir) == 1
    assert len(list(folder.parent.glob(f"{folder.name}.broken-*"))) == int(set_aside) + 1


@pytest.mark.parametrize(("value", "seed"), [(0, 0), ("7", 7), (2**63 - 1, 2**63 - 1), (str(2**63 - 1), 2**63 - 1)])
def test_seed_of_a_command_line(value, seed):
    assert parse_seed(value) == seed


@pytest.mark.parametrize(
    "value", ["abc", "", "-1", -1, 2**63, str(2**63), 7.5, "7.0", True, None, "\u0667", "1 2", [1]]
)
def test_an_invalid_seed_is_refused_with_what_is_allowed(value):
    with pytest.raises(InputError, match=r"'.*'.* 0 to 9223372036854775807"):
        parse_seed(value)


def test_the_message_about_a_seed(golden):
    with pytest.raises(InputError) as refused:
        parse_seed("1 2")
    golden("seed_refused.txt", f"{refused.value}\n")


@pytest.mark.parametrize(
    ("load", "seconds"), [({}, 22), ({"users": 41}, 23), ({"measure_seconds": 12.001}, 23), ({"spawn_rate": 0.1}, 420)]
)
@pytest.mark.parametrize("old", [False, True])
def test_load_seconds_of_a_stored_plan_are_whole(load, seconds, old):
    stored = plan()
    cell = stored.cells[0]
    if old:  # before cells had loads of their own
        stored = structs.replace(stored, load=stored.load | load)
        cell = structs.replace(cell, load=None)
    else:
        cell = structs.replace(cell, load=cell.load | load)
    assert load_limits(stored.load_of(cell), cell.config).load_seconds == seconds


CASES = SWEEP.replace(
    b"load: {users: 40, spawn_rate: 20, warmup_seconds: 5, measure_seconds: 12}",
    b"load: {users: 40, spawn_rate: 20, warmup_seconds: 5, measure_seconds: 12,\n"
    b"  cases: [{when: {replicas: 2}, users: 2, measure_seconds: 60}]}",
)


def test_every_cell_has_its_whole_load():
    made = make_plan(parse_sweep(CASES, "x.yml"), HOSTS, run_id=RUN_ID)
    usual = {"mode": "fixed", "users": 40, "spawn_rate": 20, "warmup_seconds": 5, "measure_seconds": 12}
    usual |= {"wait_seconds": None, "workers": 1, "locustfile": "predict.py"}
    slow = usual | {"users": 2, "measure_seconds": 60}
    assert made.load == usual
    assert [cell.load for cell in made.cells] == [usual, usual, slow, slow]
    assert convert(json.loads(json.dumps(as_json(made))), Plan) == made


def test_steps_last_as_long_as_their_cells_load():
    made = make_plan(parse_sweep(CASES, "x.yml"), HOSTS, run_id=RUN_ID)
    seconds = {step.cell_id: step.load_seconds for step in made.steps}
    assert seconds == {"r1-c0.5-m256M-w1": 22.0, "r2-c0.5-m256M-w1": 68.1}
    assert made.estimate_seconds == Estimate(load_per_step=45.05, other_per_step=OTHER, total=270.3 + 6 * OTHER)
    slow = [step for step in made.steps if step.cell_id.startswith("r2")]
    assert estimated_seconds(made, slow) == pytest.approx(3 * (68.1 + OTHER))
    assert estimated_seconds(made, []) == 0


def test_a_plan_of_an_earlier_version_can_be_taken_up(tmp_path):
    old = as_json(plan())
    for entry in (old, *old["cells"], *old["steps"]):
        for key in ("load_seconds", "seed", "block", "anchor"):
            entry.pop(key, None)
    for cell in old["cells"]:
        del cell["load"]
    run_dir = tmp_path / old["run_id"]
    write_json(run_dir / "plan.json", old)
    steps = remaining_steps(run_dir)
    assert len(steps) == 6
    assert estimated_seconds(read_plan(run_dir), steps) == 6 * (22.0 + OTHER)


def test_what_is_not_load_is_estimated_as_the_caller_knows_it():
    assert plan(other_seconds=7.5).estimate_seconds == Estimate(
        load_per_step=22.0,
        other_per_step=7.5,
        total=6 * 29.5,
    )


def test_every_step_has_its_block_and_a_seed_of_its_own():
    steps = plan(seed=5).steps
    assert [step.block for step in steps] == [1, 1, 2, 2, 3, 3] == [step.attempt for step in steps]
    assert len({step.seed for step in steps}) == 6
    assert all(0 <= step.seed < 2**31 for step in steps)
    assert steps == plan(seed=5).steps
    others = {(step.cell_id, step.attempt): step.seed for step in plan(seed=6).steps}
    assert all(others[step.cell_id, step.attempt] != step.seed for step in steps)


def test_the_published_seeds_stay_the_same():
    seeds = {(step.cell_id, step.attempt): step.seed for step in ordered_steps(["a"], 2, seed=7)}
    # The first 31 bits of SHA-256 of "7 a 1" and "7 a 2": a repetition of the run must have the same load.
    assert seeds == {("a", 1): 80013575, ("a", 2): 1955138490}


CAPACITY = """\
name: quick
slo: {p95_ms: 100}
load: {mode: capacity, profile: %s%s}
cells:
  - {replicas: 2, cpus: 0.5, memory: 256M, workers: 1}
  - {replicas: 1, cpus: 1, memory: 256M, workers: 1}
  - {replicas: 1, cpus: 0.5, memory: 512M, workers: 1, variant: x}
  - {replicas: 1, cpus: 0.5, memory: 512M, workers: 1, variant: x-twin}
  - {replicas: 1, cpus: 0.25, memory: 8G, workers: 1}
repeat: 2
"""
CHEAPEST = "r1-c0.5-m512M-w1-variantx"


@pytest.mark.parametrize(
    ("replicas", "api_workers", "workers", "connections"), [(1, 1, 1, 8), (1, 1, 12, 12), (2, 4, 3, 18)]
)
def test_the_first_probe_has_connections_for_every_worker(replicas, api_workers, workers, connections):
    load = search().load | {"workers": workers}
    assert load_limits(load, {"replicas": replicas, "workers": api_workers}).connections == connections


def search(profile="standard", more="", hosts=HOSTS):
    """Plan of a sweep in capacity mode."""
    sweep = parse_sweep((CAPACITY % (profile, more)).encode(), "x.yml")
    return make_plan(sweep, hosts, run_id=RUN_ID)


def test_plan_of_a_search_has_the_contract():
    made = search()
    assert made.load == {
        "mode": "capacity",
        "profile": "standard",
        "budget_seconds": 420,
        "arrivals": "poisson",
        "timeout_seconds": 1,
        "target_rps": None,
        "workers": 1,
        "locustfile": "predict_open.py",
    }
    assert {step.load_seconds for step in made.steps} == {420}
    limits = LoadLimits(load_seconds=420, longest_load_seconds=2 * 420, connections=8, processes=2)
    assert load_limits(made.load, made.cells[0].config) == limits


@pytest.mark.parametrize("profile", ["standard", "publish"])
def test_the_cheapest_feasible_cell_is_measured_under_two_names(profile):
    made = search(profile)
    # The name that its twin would have belongs to another cell.
    twin = f"{CHEAPEST}-twin-twin"
    assert made.anchor == Anchor(CHEAPEST, twin)
    assert [cell.id for cell in made.cells if cell.twin_of] == [twin]
    anchor = next(cell for cell in made.cells if cell.id == CHEAPEST)
    assert made.cells[-1] == structs.replace(anchor, id=twin, twin_of=CHEAPEST)
    for block in (1, 2):
        ids = [step.cell_id for step in made.steps if step.block == block]
        assert sorted(ids) == sorted(cell.id for cell in made.cells if not cell.infeasible_reason)
        assert ids.count(twin) == ids.count(CHEAPEST) == 1
    seeds = {step.cell_id: step.seed for step in made.steps if step.block == 1}
    assert seeds[twin] != seeds[CHEAPEST]


NOTHING_FITS = {"api": [{"name": "a", "cpus": 0.1, "memory_bytes": 2**30}], "load": []}


@pytest.mark.parametrize(
    ("profile", "more", "hosts", "anchor"),
    [
        ("smoke", "", HOSTS, None),
        ("standard", "", NOTHING_FITS, None),
        ("standard", "", {"api": [], "load": []}, "r1-c0.5-m512M-w1-variantx"),
        ("smoke", ", cases: [{when: {cpus: 1}, profile: standard}]", HOSTS, "r1-c1-m256M-w1"),
        ("standard", ", cases: [{when: {variant: x}, profile: smoke}]", HOSTS, "r1-c0.5-m512M-w1-variantx-twin"),
    ],
)
def test_only_what_is_compared_has_an_anchor(profile, more, hosts, anchor):
    found = search(profile, more, hosts).anchor
    assert (found and found.cell_id) == anchor


def test_a_plan_of_the_most_cells_is_made_and_read(tmp_path):
    matrix = f"replicas: {list(range(1, 101))}, cpus: {list(range(1, 21))}, memory: [256M], workers: [1]"
    cases = ", ".join(f"{{when: {{replicas: {replicas}}}, profile: smoke}}" for replicas in range(1, 101))
    load = f"{{mode: capacity, cases: [{cases}]}}"
    text = f"name: quick\nslo: {{p95_ms: 100}}\nload: {load}\nmatrix: {{{matrix}}}\nrepeat: 3\n"
    hosts = {"api": [{"name": "lab-api", "cpus": 16, "memory_bytes": 2**40}], "load": []}
    run_dir = write_plan(make_plan(parse_sweep(text.encode(), "x.yml"), hosts, run_id=RUN_ID), tmp_path)
    made = read_plan(run_dir)
    assert (len(made.cells), len(made.steps)) == (2000, 3 * 1600)
    assert {cell.load["profile"] for cell in made.cells} == {"smoke"}
    assert len(list(run_dir.glob("cells/*/cell.json"))) == 400
    assert len(remaining_steps(run_dir)) == 3 * 1600
