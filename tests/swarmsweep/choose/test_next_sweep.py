"""The next sweep, from recorded rows: what is open, which cells settle it, and that its file is valid."""

import json
import os
from pathlib import Path

import pytest
from capacity_run import HOSTS, CapacityRun, deployment
from capacity_run import searched as search_of
from msgspec.structs import replace
from rows import plan_of

from swarmsweep.choose.modes import choice_of
from swarmsweep.choose.next_sweep import MAX_CELLS, next_sweep
from swarmsweep.cli import main
from swarmsweep.lab.lab_command import LabCommands
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import NOT_MEASURED, LatencyMs, unmeasured_row
from swarmsweep.plan.row_file import read_row
from swarmsweep.plan.run_folder import read_plan
from swarmsweep.report.modes import page_of
from swarmsweep.report.next_file import next_text
from swarmsweep.report.next_steps import next_steps_of
from swarmsweep.report.report import read_cells
from swarmsweep.results import slo as slo_of
from swarmsweep.sweep.matrix import cell_from_axes
from swarmsweep.sweep.slo_limits import SloLimits
from swarmsweep.sweep.sweep_file import parse_sweep

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "tests" / "data" / "demo-run"
PLANTED = ROOT / "tests" / "data" / "cells"
CHOSEN = "r1-c0.5-m256M-w1"


def ids(following):
    return [cell.id for cell in following.sweep.cells] if following.sweep else []


def checked_plan(following, plan, tmp_path, capsys):
    """What `./lab plan` prints of next.yml, and the file itself."""
    path = tmp_path / "next.yml"
    path.write_text(next_text(tmp_path, plan, following))
    assert main(["plan", str(path), "--inventory", os.devnull, "--reports-dir", "/none"]) == 0, path.read_text()
    return capsys.readouterr().out, path.read_text()


# --- The recorded demo ------------------------------------------------------------------------------------------------


def demo(change=lambda rows: rows, **plan):
    """The choice in the recorded demo, after a change of its rows by id."""
    kept = replace(read_plan(DEMO), **plan)
    rows = change({row.id: row for row in read_cells(DEMO, kept)})
    return choice_of(kept, list(rows.values()))


def of_one(name, **fields):
    """A change of one row."""
    return lambda rows: rows | {name: replace(rows[name], **fields)}


def with_p95(name, p95):
    """A change of the p95 of one row, whose limit is 40 ms."""

    def change(rows):
        row = replace(
            rows[name], latency_ms=LatencyMs(p95, p95, p95, p95), latency_intervals_ms={"p95": (0.75 * p95, 1.25 * p95)}
        )
        return rows | {name: replace(row, meets_slo=slo_of.meets(row, read_plan(DEMO).limits))}

    return change


def test_a_clear_answer_of_one_deployment_is_measured_again_with_its_neighbours(tmp_path, capsys, golden):
    choice = demo()
    following = next_sweep(choice)
    assert ids(following) == [CHOSEN, "r2-c0.15-m256M-w1", "r1-c0.27-m256M-w1", "r1-c0.5-m96M-w1"]
    assert (following.sweep.repeat, following.sweep.load.users, following.sweep.name) == (3, 40, "quick-next")
    shown, text = checked_plan(following, choice.plan, tmp_path, capsys)
    golden("next_demo.yml", text)
    assert "12 deployments" in shown
    assert parse_sweep(text.encode(), "next.yml").cells == following.sweep.cells


# A change of the recorded rows, and the cells of the next sweep with its repeats; None where there is no sweep.
DEMO_CHANGES = {
    "a cheaper one is undecided": (with_p95("r2-c0.15-m256M-w1", 42), ["r2-c0.15-m256M-w1", CHOSEN], 3),
    "the chosen one is undecided": (
        lambda rows: {name: row for name, row in with_p95(CHOSEN, 38)(rows).items() if row.meets_slo is not True},
        [CHOSEN], 3,
    ),
    "three deployments of each": (
        lambda rows: {name: replace(row, attempt_count=3) for name, row in rows.items()},
        ["r1-c0.27-m256M-w1", "r1-c0.5-m96M-w1"], 1,
    ),
    "a cheaper one is invalid": (
        of_one("r2-c0.15-m256M-w1", status="invalid", meets_slo=None, reason="x"),
        ["r2-c0.15-m256M-w1"], 3,
    ),
    "no one holds it, and one is invalid": (
        lambda rows: {CHOSEN: of_one(CHOSEN, status="invalid", meets_slo=None, reason="x")(rows)[CHOSEN]}
        | only(with_p95("r1-c0.15-m256M-w1", 90)(rows), "r1-c0.15-m256M-w1"),
        [CHOSEN], 1,
    ),
    "not finished": (lambda rows: rows | {CHOSEN: blank(rows[CHOSEN], NOT_MEASURED)}, None, None),
    "left out": (lambda rows: rows | {CHOSEN: blank(rows[CHOSEN], "left out, as the last two")}, None, None),
    "killed alone": (lambda rows: only(rows, "r1-c0.5-m32M-w1"), ["r1-c0.5-m64M-w1"], 1),
    "infeasible alone": (lambda rows: only(rows, "r1-c2-m256M-w1"), None, None),
    "invalid alone": (
        lambda rows: only(of_one(CHOSEN, status="invalid", meets_slo=None, reason="x")(rows), CHOSEN), [CHOSEN], 1
    ),
    "crashed alone": (
        lambda rows: only(of_one("r1-c0.5-m32M-w1", bottleneck=None)(rows), "r1-c0.5-m32M-w1"), None, None
    ),
}  # fmt: skip


def blank(row, reason):
    return unmeasured_row(PlannedCell(id=row.id, config=row.config, memory=row.memory), reason)


def only(rows, name):
    return {name: rows[name]}


@pytest.mark.parametrize(("change", "cells", "repeat"), DEMO_CHANGES.values(), ids=DEMO_CHANGES)
def test_what_is_open_decides_the_cells(change, cells, repeat, tmp_path, capsys):
    choice = demo(change)
    following = next_sweep(choice)
    assert following.reasons
    if cells is None:
        assert (following.sweep, following.seconds) == (None, None)
        text = next_text(tmp_path, choice.plan, following)
        assert all(line.startswith("#") for line in text.splitlines())
        return
    assert set(cells) <= set(ids(following))
    assert following.sweep.repeat == repeat
    assert following.seconds == pytest.approx(len(following.sweep.cells) * repeat * (21 + other_seconds(choice)))
    checked_plan(following, choice.plan, tmp_path, capsys)


def other_seconds(choice):
    return choice.plan.estimate_seconds.other_per_step


@pytest.mark.parametrize("reason", [NOT_MEASURED, "not measured, because the time of --max-minutes 30 was over"])
def test_an_unfinished_run_is_to_be_resumed(reason):
    choice = demo(lambda rows: rows | {CHOSEN: blank(rows[CHOSEN], reason)})
    following = next_sweep(choice)
    command = f"./lab sweep -e resume={read_plan(DEMO).run_id}"
    assert following.command == command
    assert following.reasons[0].endswith(f"{command}.")
    hidden = next_sweep(choice, LabCommands(options=" -e 'dsn=***'"))
    assert hidden.command == f"{command} -e 'dsn=***'"
    assert hidden.reasons[0].endswith(f"{hidden.command} (replace ***, which hides a value that may be secret).")


def test_the_cell_that_is_compared_is_the_next_valid_one_in_cost():
    """The cells that failed or are invalid may cost more than it, and less than the recommended one."""
    invalid = of_one("r2-c0.15-m256M-w1", status="invalid", meets_slo=None, reason="x")
    same = of_one("r1-c0.15-m256M-w1", config=demo().chosen.config | {"workers": 0})
    ends = [next_sweep(demo(change)).reasons[0].rpartition(" with ")[2] for change in (invalid, same)]
    assert ends == [
        "the next cheaper valid cell, r1-c0.15-m256M-w1.",
        "a valid cell of the same cost, r1-c0.15-m256M-w1.",
    ]


def test_a_cell_with_another_load_is_not_compared():
    usual = read_plan(DEMO)
    own = dict(usual.load) | {"users": 10}
    cells = [replace(cell, load=own) if cell.id == CHOSEN else cell for cell in usual.cells]
    assert next_sweep(demo(cells=cells)).reasons[0].endswith("it is unknown how much deployments of it differ.")


LIMITED = {"status": "invalid", "meets_slo": None, "reason": "x", "bottleneck": "generator"}


@pytest.mark.parametrize(("users", "workers", "is_again"), [(40, 2, True), (1, 1, False)])
def test_a_cell_that_the_generator_limited_is_not_measured_again_with_the_same_workers(
    users, workers, is_again, tmp_path, capsys
):
    cheaper = "r2-c0.15-m256M-w1"
    usual = read_plan(DEMO)
    load = dict(usual.load) | {"users": users, "spawn_rate": users}
    cells = [replace(cell, load=None) for cell in usual.cells]
    choice = demo(of_one(cheaper, **LIMITED), load=load, cells=cells)
    following = next_sweep(choice)
    assert (following.sweep.load.workers, cheaper in ids(following)) == (workers, is_again)
    text = "is invalid. The load generator limited it, so the next sweep has 2 Locust workers."
    assert (text in " ".join(following.reasons)) is is_again
    checked_plan(following, choice.plan, tmp_path, capsys)


def test_an_invalid_cell_gets_the_larger_load_too():
    choice = planted("not_saturated", {"p95_ms": 60_000}, beside=[LIMITED])
    following = next_sweep(choice)
    assert following.sweep.load.mode == "capacity" or following.sweep.load.users > 16
    assert ids(following) == [row.id for row in choice.rows] and following.sweep.load.workers == 2


# Failures that are no question of the size, with the kinds of the requests.
@pytest.mark.parametrize(("kinds", "is_larger"), [({"status_500": 50}, False), ({"status_503": 50}, True)])
def test_failures_with_another_cause_get_no_larger_cells(kinds, is_larger):
    failed = {"failure_percent": 5.0, "failures": 50, "requests": 1000, "failure_kinds": kinds}
    following = next_sweep(planted("cpu_throttled", {"max_failure_percent": 1}, **failed))
    assert (following.sweep is not None) is is_larger
    assert is_larger or following.reasons[0].endswith("Correct the scenario or the API.")


def test_a_cell_that_failed_for_another_cause_is_not_too_small():
    missed = {"failure_percent": 5.0, "failures": 50, "requests": 1000, "meets_slo": False}
    small = "r1-c0.15-m256M-w1"
    found = {
        kind: [
            reason
            for reason in next_sweep(demo(of_one(small, failure_kinds={kind: 50}, **missed))).reasons
            if "too small" in reason
        ]
        for kind in ("status_500", "status_503")
    }
    assert [bool(reasons) for reasons in found.values()] == [False, True]


def test_a_cell_keeps_its_own_load_where_the_next_sweep_has_more_workers(tmp_path, capsys):
    """Its own number of workers is replaced."""
    cheaper = "r2-c0.15-m256M-w1"
    usual = read_plan(DEMO)
    own = dict(usual.load) | {"measure_seconds": 20, "workers": 2}
    cells = [replace(cell, load=own) if cell.id == cheaper else cell for cell in usual.cells]
    choice = demo(of_one(cheaper, **LIMITED), cells=cells)
    following = next_sweep(choice)
    (case,) = following.sweep.cases
    assert (following.sweep.load.workers, case.load.workers, case.load.measure_seconds) == (4, 4, 20)
    _, text = checked_plan(following, choice.plan, tmp_path, capsys)
    assert text.count("measure_seconds: 20") == 1


# The load of the sweep and that of one cell: users and Locust workers. Then those of the next sweep and of that cell.
@pytest.mark.parametrize(
    ("usual", "name", "own", "workers", "own_workers"),
    [
        # Each worker needs a user, also in a cell that the generator did not limit.
        ((40, 2), CHOSEN, (2, 2), 4, 2),
        ((1, 1), "r2-c0.15-m256M-w1", (40, 1), 1, 2),
        # A cell with fewer workers than the others gets as many.
        ((40, 8), "r2-c0.15-m256M-w1", (40, 2), 8, 8),
    ],
)
def test_more_workers_are_those_that_each_cell_can_have(usual, name, own, workers, own_workers, tmp_path, capsys):
    plan = read_plan(DEMO)
    loads = [
        dict(plan.load) | {"users": users, "spawn_rate": users, "workers": number, "measure_seconds": seconds}
        for (users, number), seconds in ((usual, 12), (own, 20))
    ]
    cells = [replace(cell, load=loads[1] if cell.id == name else None) for cell in plan.cells]
    choice = demo(of_one("r2-c0.15-m256M-w1", **LIMITED), load=loads[0], cells=cells)
    following = next_sweep(choice)
    load = next(following.sweep.load_of(cell) for cell in following.sweep.cells if cell.id == name)
    assert (following.sweep.load.workers, load.workers, load.users) == (workers, own_workers, own[0])
    checked_plan(following, choice.plan, tmp_path, capsys)


def test_invalid_cells_and_the_nearest_one_get_more_workers_together():
    """The generator limited all of them. A sweep of the invalid ones alone would have as many workers as before."""
    cheaper = "r2-c0.15-m256M-w1"
    nearest = replace(with_p95(CHOSEN, 90)(demo_rows())[CHOSEN], bottleneck="generator")
    following = next_sweep(demo(lambda rows: {CHOSEN: nearest} | only(of_one(cheaper, **LIMITED)(rows), cheaper)))
    assert (set(ids(following)), following.sweep.load.workers) == ({CHOSEN, cheaper}, 2)


def test_a_cell_that_can_have_more_workers_gets_them_beside_one_that_cannot():
    stuck, other = "r1-c0.15-m256M-w1", "r2-c0.15-m256M-w1"
    plan = read_plan(DEMO)
    one = dict(plan.load) | {"users": 1, "spawn_rate": 1}
    cells = [replace(cell, load=one if cell.id == stuck else None) for cell in plan.cells]
    change = of_one(stuck, **LIMITED)
    following = next_sweep(demo(lambda rows: of_one(other, **LIMITED)(change(rows)), cells=cells))
    assert other in ids(following) and stuck not in ids(following)
    assert following.sweep.load.workers == 2


def demo_rows():
    return {row.id: row for row in read_cells(DEMO, read_plan(DEMO))}


def test_each_reason_is_kept_once(golden):
    reasons = {name: list(next_sweep(demo(change)).reasons) for name, (change, *_) in DEMO_CHANGES.items()}
    golden("next_reasons.yml", reasons)


# --- Each recorded limit ----------------------------------------------------------------------------------------------

BIG_HOST = {"name": "a", "cpus": 16, "memory_bytes": 64 * 1024**3, "reserve_memory_bytes": 0}
SMALL_HOST = BIG_HOST | {"cpus": 1, "memory_bytes": 200 * 1024**2}


def planted(name, slo, hosts=(BIG_HOST,), beside=(), **changes):
    """The choice of a sweep with one recorded cell, after ``changes`` of its row, and others with more memory."""
    path = PLANTED / f"{name}.json"
    stored = json.loads(path.read_text())
    cell = PlannedCell(id=stored["id"], config=stored["config"], memory="256M")
    row = read_row(path, PLANTED, cell)
    row = replace(row, **changes)
    row = replace(row, meets_slo=slo_of.meets(row, SloLimits(slo)) if row.status == "valid" else None)
    rows = [row]
    for number, fields in enumerate(beside, start=1):
        config = row.config | {"memory_bytes": row.config["memory_bytes"] + number * 2**28}
        rows.append(replace(row, id=cell_from_axes(with_memory(config)).id, config=config, **fields))
    load = {"mode": "fixed", "users": 16, "spawn_rate": 16, "warmup_seconds": 5, "measure_seconds": 12}
    load |= {"wait_seconds": [0, 0.05], "workers": 1, "locustfile": "predict.py"}
    cells = [PlannedCell(id=one.id, config=one.config, memory="256M") for one in rows]
    plan = plan_of(load, cells, slo, repeat=1, hosts={"api": list(hosts), "load": []}, sweep="planted")
    return choice_of(plan, rows)


def with_memory(config):
    return {("memory" if name == "memory_bytes" else name): value for name, value in config.items()}


NAMES = sorted(path.stem for path in PLANTED.glob("*.json"))


def test_what_held_a_configuration_back_decides_what_is_larger(golden, tmp_path, capsys):
    table = {}
    for name in NAMES:
        choice = planted(name, {"p95_ms": 0.01})
        following = next_sweep(choice)
        table[name] = {"reasons": list(following.reasons), "cells": ids(following)}
        if following.sweep:
            checked_plan(following, choice.plan, tmp_path, capsys)
    golden("next_planted.yml", table)
    none = {name for name, found in table.items() if not found["cells"]}
    assert {"database", "mlflow", "network", "proxy", "host_cpu", "hot_replica"} <= none
    assert {"cpu_throttled", "memory"} & none == set()


def test_no_larger_configuration_is_named_that_no_host_can_hold():
    following = next_sweep(planted("cpu_throttled", {"p95_ms": 1}, [SMALL_HOST]))
    assert following.sweep is None or "r2-" not in " ".join(ids(following))
    assert next_sweep(planted("memory", {"p95_ms": 1}, [SMALL_HOST | {"memory_bytes": 1}])).sweep is None


def test_a_load_that_stressed_nothing_is_made_larger(tmp_path, capsys):
    choice = planted("not_saturated", {"p95_ms": 60_000})
    following = next_sweep(choice)
    assert following.sweep.load.mode == "capacity" or following.sweep.load.users > 16
    checked_plan(following, choice.plan, tmp_path, capsys)


# --- Searches ---------------------------------------------------------------------------------------------------------

SEARCH = b"""\
name: search
slo: {p95_ms: 100, max_failure_percent: 1}
load: {mode: capacity, profile: PROFILETARGET}
matrix: {replicas: [1, 2], cpus: [0.5, 1], memory: [512M], workers: [1]}
repeat: 3
"""


def searched(tmp_path, rates, profile="standard", target=None, repeat=3, own=None, **changes):
    """The choice of a run of searches; ``rates`` by cell, of each deployment. ``own`` are changes of cells."""
    text = SEARCH.replace(b"PROFILE", profile.encode()).replace(b"repeat: 3", b"repeat: %d" % repeat)
    run = CapacityRun(tmp_path, text.replace(b"TARGET", b", target_rps: %d" % target if target else b""))
    for cell in run.plan.cells:
        each = rates.get(cell.id.removesuffix("-twin"), [100.0])
        changed = changes | (own or {}).get(cell.id, {})
        run.put(cell.id, [deployment(number, rate, **changed) for number, rate in enumerate(each[:repeat], start=1)])
    return choice_of(run.plan, read_cells(run.dir, run.plan))


SMALL, WIDE, HIGH, ALL = (f"r{r}-c{c}-m512M-w1" for r, c in ((1, "0.5"), (2, "0.5"), (1, "1"), (2, "1")))
CLEAR = {SMALL: [200, 201, 199], WIDE: [390, 391, 389], HIGH: [402, 401, 403], ALL: [790, 792, 788]}
NOISY = CLEAR | {ALL: [700, 800, 400], HIGH: [500, 420, 600]}
# Rates, the profile and the target; then cells that are in the next sweep, its profile and its repeats.
SEARCHES = {
    "too short a profile": (CLEAR, "smoke", None, {ALL}, "standard", 3),
    "which is best is undecided": (NOISY, "standard", None, {ALL, HIGH}, "standard", 6),
    "nothing is open": (CLEAR, "standard", None, set(), None, None),
    "short of the target": (CLEAR, "standard", 2000, {"r4-c1-m512M-w1", "r2-c2-m512M-w1"}, "standard", 3),
    "none to spare": (CLEAR, "standard", 550, {"r3-c1-m512M-w1"}, "standard", 3),
    "a cheaper one between": (CLEAR, "standard", 250, {"r1-c0.71-m512M-w1"}, "standard", 3),
}


@pytest.mark.parametrize(("rates", "profile", "target", "cells", "then", "repeat"), SEARCHES.values(), ids=SEARCHES)
def test_what_a_search_leaves_open(rates, profile, target, cells, then, repeat, tmp_path, capsys):
    choice = searched(tmp_path, rates, profile, target)
    following = next_sweep(choice)
    assert cells <= set(ids(following)), following
    if then is None:
        assert following.sweep is None, following
        return
    assert (following.sweep.load.profile, following.sweep.repeat) == (then, repeat)
    assert following.sweep.load.target_rps == target
    shown, _ = checked_plan(following, choice.plan, tmp_path, capsys)
    assert "search for the highest rate" in shown.replace("Search", "search")


@pytest.mark.parametrize(("changes", "workers"), [({"limited_by": "generator", "is_lower_bound": True}, 2), ({}, 1)])
def test_a_generator_at_its_limit_gets_more_workers(changes, workers, tmp_path):
    following = next_sweep(searched(tmp_path, CLEAR, "smoke", **changes))
    assert following.sweep.load.workers == workers


BOUND = {"limited_by": "generator", "is_lower_bound": True, "estimate_rps": None, "interval_rps": None}


@pytest.mark.parametrize(("target", "rival", "chosen"), [(None, HIGH, ALL), (330, HIGH, ALL)])
def test_a_rival_that_the_generator_limited_gets_more_workers(target, rival, chosen, tmp_path, capsys):
    """More deployments with as many workers would reach the same bound."""
    choice = searched(tmp_path, CLEAR, target=target, own={rival: BOUND, WIDE: {} if target is None else BOUND})
    assert choice.chosen.id == chosen
    following = next_sweep(choice)
    assert {chosen, rival} <= set(ids(following))
    assert (following.sweep.load.workers, following.sweep.repeat) == (2, 3)
    assert "so the next sweep has 2 Locust workers." in following.reasons[0]
    assert "More deployments" not in following.reasons[0]
    checked_plan(following, choice.plan, tmp_path, capsys)


def test_a_longer_search_of_a_limited_rival_says_why_it_has_more_workers(tmp_path):
    following = next_sweep(searched(tmp_path, CLEAR, "smoke", own={HIGH: BOUND}))
    assert HIGH in ids(following)
    assert (following.sweep.load.profile, following.sweep.load.workers) == ("standard", 2)
    assert following.reasons[0].endswith(f"The load generator limited {HIGH}, so the next sweep has 2 Locust workers.")


# Why no higher rate was tested; then the profile and the workers of the next sweep, None without one.
@pytest.mark.parametrize(
    ("limited_by", "profile", "then", "workers"),
    [
        (None, "standard", "publish", 1),
        (None, "publish", "publish", 1),
        ("generator", "standard", "standard", 2),
        ("max_users", "standard", None, None),
    ],
)
def test_a_capacity_that_may_be_higher_is_searched_again_before_larger_ones(
    limited_by, profile, then, workers, tmp_path
):
    own = {ALL: BOUND | {"limited_by": limited_by}}
    choice = searched(tmp_path, CLEAR, profile, target=2000, own=own)
    following = next_sweep(choice)
    step = next_steps_of(page_of(choice.plan, choice.rows), following).first
    if then is None:
        assert following.sweep is None
        assert "lab_proxy_max_connections" in following.reasons[0]
        assert step[0].startswith(r"Raise lab\_proxy\_max\_connections")
        return
    assert ids(following) == [ALL]
    assert (following.sweep.load.profile, following.sweep.load.workers) == (then, workers)
    # The next sweep is the step.
    assert not any("easure" in text for text in step)


# No rate held the SLO: the probes of the largest cell, and the cells of the next sweep.
BAD_TASKS = "50 % of tasks raised an exception (limit 1 %)"
NONE_HELD = {
    "too slow": ({}, ["r2-c2-m512M-w1", "r4-c1-m512M-w1"]),
    "exceptions": ({"reason": BAD_TASKS}, []),
    "failed requests": ({"failure_kinds": {"status_500": 30}, "failures": 30, "requests": 1000}, []),
    "slow with one request at a time": ({"alone_ms": 200.0}, ["r2-c2-m512M-w1"]),
}


@pytest.mark.parametrize(("changes", "cells"), NONE_HELD.values(), ids=NONE_HELD)
def test_a_search_without_a_rate_gets_larger_cells_only_where_size_may_be_the_cause(changes, cells, tmp_path):
    changes = dict(changes)
    reason, alone_ms = changes.pop("reason", "90 % of requests were over 100 ms"), changes.pop("alone_ms", 20.0)
    lost = {"verified_rps": None, "estimate_rps": None, "interval_rps": None, "next_step": "Correct the scenario."}
    probes = tuple(
        replace(one, purpose="unloaded", p95_ms=alone_ms)
        if one.rate_rps is None
        else replace(one, verdict="bad", reason=reason)
        for one in search_of(100.0)
    )
    following = next_sweep(searched(tmp_path, CLEAR, own={ALL: changes}, probes=probes, **lost))
    assert ids(following) == cells
    if not cells:
        assert following.reasons == (
            f"The size of {ALL} is not the cause, so no larger configuration settles this. Correct the scenario.",
        )


@pytest.mark.parametrize(("target", "is_again"), [(None, True), (300, False)])
def test_an_invalid_cell_that_costs_more_may_win_where_there_is_no_target(target, is_again, tmp_path):
    invalid = {"status": "invalid", "reason": "late"}
    following = next_sweep(searched(tmp_path, CLEAR, target=target, own={ALL: invalid}))
    assert (ALL in ids(following)) is is_again


def test_a_search_that_verified_nothing_gets_a_longer_profile(tmp_path, capsys):
    choice = searched(tmp_path, CLEAR, "standard", verified_rps=None, next_step="Use a longer profile.")
    following = next_sweep(choice)
    assert following.sweep.load.profile == "publish"
    checked_plan(following, choice.plan, tmp_path, capsys)


def test_a_next_sweep_has_few_cells(tmp_path):
    run = CapacityRun(tmp_path, repeat_sweep()).fill(spread=0.3)
    following = next_sweep(choice_of(run.plan, read_cells(run.dir, run.plan)))
    assert following.sweep is None or len(following.sweep.cells) <= MAX_CELLS
    assert run.plan.hosts == HOSTS


def repeat_sweep():
    """Thirty configurations."""
    text = SEARCH.replace(b"PROFILETARGET", b"standard").replace(b"replicas: [1, 2]", b"replicas: [1, 2, 3, 4, 5]")
    return text.replace(b"cpus: [0.5, 1]", b"cpus: [0.1, 0.2, 0.3, 0.4, 0.5, 1]")
