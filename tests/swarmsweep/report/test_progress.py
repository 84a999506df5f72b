"""The line of an attempt, in the words of the report, with the best cell so far and the time left."""

import json
import re

import pytest
from msgspec.structs import replace
from rows import capacity_of, fixed

from swarmsweep.plan.plan import make_plan
from swarmsweep.plan.planned import as_json
from swarmsweep.plan.row import EndpointRow, LatencyMs, blank_row
from swarmsweep.plan.row_file import write_row
from swarmsweep.plan.run_folder import attempt_dir, write_plan
from swarmsweep.report.progress import Progress, sentence
from swarmsweep.sweep.slo_limits import SloLimits
from swarmsweep.sweep.sweep_file import parse_sweep


def row(status="valid", reason=None, rps=411.6, p95=88.4, meets_slo=True):
    """The parts of a summary row that a sentence is made of."""
    return replace(
        fixed("a"), status=status, reason=reason, rps=rps, latency_ms=LatencyMs(p95=p95), meets_slo=meets_slo
    )


def searched(verified=411.6, is_lower_bound=False, p95=88.4, meets_slo=True):
    """The same of a cell whose capacity was looked for."""
    return replace(row(p95=p95, meets_slo=meets_slo), capacity=capacity_of(verified, is_lower_bound=is_lower_bound))


MISSES = EndpointRow(name="POST /predict", requests=9, failures=0, meets_slo=False)
ABSENT = EndpointRow(name="POST /x", requests=0, failures=0)
# Fields that differ from a usual row, and the row.
ROWS = {
    "meets": row(),
    "misses": row(meets_slo=False),
    "failures": replace(row(meets_slo=False), failure_percent=74.7),
    "a limit in the interval": replace(row(meets_slo=None), latency_intervals_ms={"p95": (66.3, 110.5)}),
    "a lower bound": replace(row(meets_slo=None), lower_bounds=["p95", "p99"]),
    "a lower bound without a limit": replace(
        row(meets_slo=None), lower_bounds=["p99"], latency_intervals_ms={"p95": (66.3, 110.5)}
    ),
    "too few requests": replace(row(p95=None, meets_slo=None), latency_intervals_ms={"mean": (30.0, 50.0)}),
    "no p95": row(p95=None, rps=0.0, meets_slo=False),
    "slow": row(rps=0.52),
    "below ten": row(rps=9.96),
    "zero is a figure": row(p95=0.0),
    "invalid": row("invalid", "the load generator was the limit"),
    "failed": row("failed", "out of memory", rps=None, p95=None, meets_slo=None),
    "infeasible": row("infeasible", "2 CPUs on a host with 1", rps=None, p95=None),
    "an endpoint misses": replace(row(meets_slo=False), endpoints=[MISSES]),
    "an endpoint never occurred": replace(row(meets_slo=None), endpoints=[ABSENT]),
    "capacity": searched(),
    "capacity or more": searched(is_lower_bound=True),
    "low capacity, no p95": searched(verified=8.25, p95=None),
    "below the target": searched(meets_slo=False),
    "no rate": searched(verified=None, meets_slo=False),
    "invalid search": replace(searched(), status="invalid", reason="a worker was lost"),
}


def said_of(given):
    """The sentence with a limit of 100 ms for all requests, and of 200 ms for each endpoint of the row."""
    endpoints = {endpoint.name: {"p95_ms": 200} for endpoint in given.endpoints or ()}
    return sentence(given, SloLimits({"p95_ms": 100}, endpoints))


def test_sentences(golden):
    golden("progress_sentences.yml", {name: said_of(given) for name, given in ROWS.items()})


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("meets", ["412", "95", "88"]),
        ("slow", ["0.52", "95", "88"]),
        ("below ten", ["9.96", "95", "88"]),
        ("zero is a figure", ["412", "95", "0"]),
        ("no p95", ["0", "95"]),
        ("capacity or more", ["412", "95", "88"]),
        ("low capacity, no p95", ["8.25", "95"]),
        ("no rate", []),
    ],
)
def test_a_sentence_begins_with_the_status_and_has_the_figures(name, figures):
    said = said_of(ROWS[name])
    assert said.startswith("valid, ")
    assert re.findall(r"[\d.]+", said) == figures


@pytest.mark.parametrize(
    "given",
    [
        row("failed", "a\nb\x1b[2J"),
        replace(row(meets_slo=False), endpoints=[replace(MISSES, name="POST /\x1b]0;x\x07\u202e")]),
    ],
)
def test_a_sentence_is_one_line_without_control_characters(given):
    assert said_of(given).isprintable()


@pytest.mark.parametrize("name", ["invalid", "failed", "infeasible", "invalid search"])
def test_without_figures_the_reason_is_the_sentence(name):
    assert said_of(ROWS[name]) == f"{ROWS[name].status}: {ROWS[name].reason}"


SWEEP = """\
name: quick
slo: {{p95_ms: 100}}
load: {load}
matrix: {{replicas: [1, 2], cpus: [0.25, 0.5], memory: [256M], workers: [1]}}
repeat: {repeat}
"""
FIXED = "{users: 40, spawn_rate: 40, warmup_seconds: 5, measure_seconds: 12}"
CAPACITY = "{mode: capacity, profile: smoke}"
CHEAP, MIDDLE, DEAR = "r1-c0.25-m256M-w1", "r1-c0.5-m256M-w1", "r2-c0.5-m256M-w1"
HOSTS = {"api": [{"name": "lab-api", "cpus": 1, "memory_bytes": 4 * 1024**3}], "load": []}


class Sweep:
    """A run whose trials are written as they would be judged."""

    def __init__(self, folder, load=FIXED, repeat=1):
        text = SWEEP.format(load=load, repeat=repeat).encode()
        self.plan = make_plan(parse_sweep(text, "x.yml"), HOSTS, seed=7, run_id="20261122T114512Z-quick")
        self.dir = write_plan(self.plan, folder)
        # As the playbook gets them.
        self.steps = [as_json(step) | {"load_seconds": 18} for step in self.plan.steps]

    def steps_of_role(self):
        """Each with its place, as the callback gets them."""
        return [step | {"of": len(self.steps)} for step in self.steps]

    def step(self, cell_id, attempt=1):
        return next(s for s in self.steps if (s["cell_id"], s["attempt"]) == (cell_id, attempt))

    def judge(self, cell_id, status="valid", attempt=1, complete=True, **figures):
        cell = next(cell for cell in self.plan.cells if cell.id == cell_id)
        row = replace(blank_row(cell, status, None if status == "valid" else "why", attempt_count=1), **figures)
        write_row(attempt_dir(self.dir, cell_id, attempt, "trial.json"), row)
        if complete:
            write_row(self.dir / "cells" / cell_id / "cell.json", row)


def figures(rps, p95, meets_slo):
    return {
        "rps": rps,
        "latency_ms": LatencyMs(p95 / 2, p95 / 2, p95, p95 * 2),
        "meets_slo": meets_slo,
        "users": 40,
        "failure_percent": 0.0,
    }


def test_best_is_the_cheapest_that_meets_the_slo_else_the_nearest(tmp_path, golden):
    sweep = Sweep(tmp_path)
    progress = Progress(sweep.dir, sweep.steps)
    lines = []
    for cell_id, result in {
        CHEAP: figures(90, 400, False),
        DEAR: figures(600, 110, False),
        MIDDLE: figures(412, 88, True),
        "r2-c0.25-m256M-w1": figures(500, 80, True),
    }.items():
        sweep.judge(cell_id, **result)
        lines.append(progress.end(sweep.step(cell_id), 30))
    golden("progress_fixed.yml", lines)
    assert [MIDDLE in line for line in lines] == [False, False, False, True]


def test_a_cell_that_did_not_work_is_no_best(tmp_path):
    sweep = Sweep(tmp_path)
    progress = Progress(sweep.dir, sweep.steps)
    sweep.judge(MIDDLE, "failed")
    assert progress.end(sweep.step(MIDDLE), 5) == "failed: why"
    sweep.judge(CHEAP, "invalid", **figures(900, 5, None))
    assert progress.end(sweep.step(CHEAP), 5) == "invalid: why"


def test_a_step_that_left_nothing_has_been_said_already(tmp_path):
    sweep = Sweep(tmp_path)
    assert Progress(sweep.dir, sweep.steps).end(sweep.step(MIDDLE), 5) is None


def capacity(rps):
    whole = capacity_of(rps, estimate_rps=rps, lower_bound_rps=rps)
    return figures(rps, 50, rps is not None) | {"capacity_rps": rps, "capacity": whole}


def test_best_of_searches_is_the_highest_capacity(tmp_path, golden):
    sweep = Sweep(tmp_path, CAPACITY)
    progress = Progress(sweep.dir, sweep.steps)
    lines = []
    for cell_id, rps in ((CHEAP, 100.0), (DEAR, 512.0), (MIDDLE, 400.0)):
        sweep.judge(cell_id, **capacity(rps))
        lines.append(progress.end(sweep.step(cell_id), 60))
    golden("progress_capacity.yml", lines)
    assert [DEAR in line for line in lines] == [False, False, True]


def test_time_left_follows_the_pace_of_similar_steps(tmp_path):
    sweep = Sweep(tmp_path)
    steps = [step | {"load_seconds": seconds} for step, seconds in zip(sweep.steps, (18, 18, 18, 60), strict=True)]
    progress = Progress(sweep.dir, steps)
    other = sweep.plan.estimate_seconds.other_per_step
    assert progress.left_seconds() == 18 * 3 + 60 + 4 * other  # the plan's guess
    progress.end(steps[0], 18 + 30)
    assert progress.left_seconds() == 2 * 48 + 60 + 30
    progress.end(steps[1], 18 + 10)
    assert progress.expected_seconds(steps[2]) == 18 + 20
    assert progress.expected_seconds(steps[3]) == 60 + 20
    progress.end(steps[3], 20)  # its replica died, which shows nothing about steps with another load
    assert progress.left_seconds() == 38
    progress.end(steps[2], 38)
    assert progress.left_seconds() == 0


def test_retries_take_time_too(tmp_path):
    sweep = Sweep(tmp_path)
    progress = Progress(sweep.dir, sweep.steps[:1])
    sweep.judge(sweep.steps[0]["cell_id"], "invalid")
    progress.end(sweep.steps[0], 40)
    assert progress.left_seconds() == 40
    second = [sweep.steps[0] | {"again": True}]
    progress = Progress(sweep.dir, second, progress)
    assert progress.left_seconds() == 40  # the time of a step is known
    progress.end(second[0], 40)
    assert progress.left_seconds() == 0  # once


def test_a_run_that_is_taken_up_knows_what_was_found(tmp_path):
    sweep = Sweep(tmp_path, repeat=2)
    sweep.judge(MIDDLE, complete=False, **figures(412, 88, True))
    best = Progress(sweep.dir, sweep.steps[1:]).best()
    assert MIDDLE in best and "412" in best


@pytest.mark.parametrize("torn", ["", "{", json.dumps([1])])
def test_a_damaged_file_costs_no_line(tmp_path, torn):
    sweep = Sweep(tmp_path)
    sweep.judge(MIDDLE, **figures(412, 88, True))
    (sweep.dir / "cells" / MIDDLE / "cell.json").write_text(torn)
    best = Progress(sweep.dir, sweep.steps).best()
    assert MIDDLE in best and "412" in best
