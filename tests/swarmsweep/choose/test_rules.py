"""Rules of thumb: which cells are compared, what the factor is, and where there is none."""

import json
import math
from pathlib import Path

import pytest
from capacity_run import CapacityRun
from msgspec.structs import replace
from rows import GIB, at_limit, plan_of

from swarmsweep.choose.modes import choice_of
from swarmsweep.choose.rules import rules_of
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row_file import read_row
from swarmsweep.report.report import read_cells

EXAMPLE = Path(__file__).parents[2] / "data" / "demo-run"
OPEN = "not_saturated"


def fixed_rules(*rows):
    plan = plan_of({"mode": "fixed", "locustfile": "predict.py"})
    return rules_of(choice_of(plan, list(rows)))


def factors(rules):
    """The rules as axis, step, factor with its bound, and verdict."""
    bound = {True: ">= ", False: ""}
    texts = [rule.factor and f"{bound[rule.is_lower_bound]}{rule.factor:.2f}" for rule in rules]
    steps = [(rule.axis, rule.smaller, rule.larger) for rule in rules]
    return [(*step, text, rule.verdict) for step, text, rule in zip(steps, texts, rules, strict=True)]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([at_limit(100.0)], []),
        ([at_limit(100.0), at_limit(190.0, replicas=2)], [("replicas", 1, 2, "1.90", "better")]),
        ([at_limit(100.0), at_limit(102.0, workers=2)], [("workers", 1, 2, "1.02", "undecided")]),
        ([at_limit(100.0), at_limit(60.0, workers=2)], [("workers", 1, 2, "0.60", "worse")]),
        ([at_limit(100.0), at_limit(110.0, cpus=1.0)], [("cpus", 0.5, 1.0, "1.10", "undecided")]),
        ([at_limit(100.0), at_limit(100.0, memory=GIB)], [("memory_bytes", GIB // 4, GIB, "1.00", "undecided")]),
        # Neighbours alone, in the order of the values.
        (
            [at_limit(360.0, replicas=4), at_limit(100.0), at_limit(200.0, replicas=2)],
            [("replicas", 1, 2, "2.00", "better"), ("replicas", 2, 4, "1.80", "better")],
        ),
        # The geometric mean of two pairs.
        (
            [
                *(at_limit(100.0), at_limit(200.0, replicas=2)),
                *(at_limit(200.0, cpus=1.0), at_limit(200.0, cpus=1.0, replicas=2)),
            ],
            [("replicas", 1, 2, "1.41", "better"), ("cpus", 0.5, 1.0, "1.41", "better")],
        ),
        # The larger cell was not at its limit.
        ([at_limit(100.0), at_limit(150.0, replicas=2, bottleneck=OPEN)], [("replicas", 1, 2, ">= 1.50", "better")]),
        # That it is at least as fast says nothing.
        ([at_limit(100.0), at_limit(105.0, replicas=2, bottleneck=OPEN)], [("replicas", 1, 2, None, None)]),
        # The smaller cell may serve more, so nothing is known.
        ([at_limit(100.0, bottleneck=OPEN), at_limit(150.0, replicas=2)], [("replicas", 1, 2, None, None)]),
        # One pair is known. The other one says nothing.
        (
            [
                *(at_limit(100.0), at_limit(104.0, workers=2)),
                *(at_limit(100.0, memory=GIB, bottleneck=OPEN), at_limit(100.0, memory=GIB, workers=2)),
            ],
            [("workers", 1, 2, "1.04", "undecided"), ("memory_bytes", GIB // 4, GIB, "0.96", "undecided")],
        ),
        # A bound that is not clear does not hide an exact pair.
        (
            [
                *(at_limit(100.0), at_limit(104.0, workers=2)),
                *(at_limit(100.0, memory=GIB), at_limit(101.0, memory=GIB, workers=2, bottleneck=OPEN)),
            ],
            [("workers", 1, 2, "1.04", "undecided"), ("memory_bytes", GIB // 4, GIB, "1.00", "undecided")],
        ),
        # Two axes differ at once.
        (
            [at_limit(100.0), at_limit(300.0, replicas=2, workers=2)],
            [("replicas", None, None, None, None), ("workers", None, None, None, None)],
        ),
        # Failed requests come back at once, so their rate is no maximum.
        (
            [replace(at_limit(100.0), failure_percent=5.0), at_limit(190.0, replicas=2)],
            [("replicas", 1, 2, None, None)],
        ),
        # Only valid cells count.
        ([replace(at_limit(100.0), status="invalid"), at_limit(190.0, replicas=2)], []),
    ],
)
def test_rules_of_a_fixed_load(rows, wanted):
    assert factors(fixed_rules(*rows)) == wanted


def test_a_bound_that_is_dropped_leaves_the_pair_that_is_exact():
    rows = [
        *(at_limit(100.0), at_limit(104.0, workers=2)),
        *(at_limit(100.0, memory=GIB), at_limit(101.0, memory=GIB, workers=2, bottleneck=OPEN)),
    ]
    rule = fixed_rules(*rows)[0]
    assert rule.pairs == [("r1-c0.5-m256M-w1", "r1-c0.5-m256M-w2")]
    assert (rule.pair_range, rule.is_lower_bound) == (None, False)


def test_cost_and_pairs_of_a_rule():
    (rule,) = fixed_rules(at_limit(100.0), at_limit(190.0, replicas=2, bottleneck="mlflow"))
    assert (rule.cost_factor, rule.factor_per_cost) == (2.0, 0.95)
    assert rule.pairs == [("r1-c0.5-m256M-w1", "r2-c0.5-m256M-w1")]
    assert rule.bottlenecks == ["mlflow"]
    (free,) = fixed_rules(at_limit(100.0), at_limit(150.0, workers=2))
    assert (free.cost_factor, free.factor_per_cost) == (1.0, 1.5)


def test_other_software_has_rules_of_its_own():
    rows = [
        at_limit(rate, replicas=replicas, variant=variant)
        for variant, rates in (("slow", (10.0, 10.2)), ("fast", (100.0, 195.0)))
        for replicas, rate in enumerate(rates, start=1)
    ]
    assert [(rule.where, rule.factor) for rule in fixed_rules(*rows)] == [
        ({"variant": "slow"}, 1.02),
        ({"variant": "fast"}, 1.95),
    ]


def test_cells_with_another_scenario_are_left_out():
    rows = [at_limit(100.0), at_limit(190.0, replicas=2)]
    rows += [at_limit(900.0, locustfile="empty.py"), at_limit(900.0, replicas=2, locustfile="empty.py")]
    assert factors(fixed_rules(*rows)) == [("replicas", 1, 2, "1.90", "better")]


@pytest.mark.parametrize(
    ("one", "two", "factor", "interval", "verdict"),
    [
        # The blocks drift together, so the interval is narrow.
        ((100.0, 120.0, 80.0), (190.0, 228.0, 152.0), 1.9, (1.9, 1.9), "better"),
        ((100.0, 101.0, 99.0), (100.2, 100.9, 99.1), 1.0, (0.997, 1.004), "equal"),
        ((100.0, 130.0, 90.0), (110.0, 100.0, 99.0), 0.98, (0.58, 1.63), "undecided"),
        # Only common blocks count.
        ((100.0, None, 100.0), (150.0, 900.0, 150.0), 1.5, (1.5, 1.5), "better"),
        # One common block.
        ((100.0, None), (150.0, 170.0), 1.5, None, "better"),
        # No common block.
        ((100.0, None), (None, 150.0), 1.5, None, "better"),
    ],
)
def test_attempts_are_compared_block_by_block(one, two, factor, interval, verdict):
    (rule,) = fixed_rules(at_limit(*one), at_limit(*two, replicas=2))
    assert rule.factor == pytest.approx(factor, abs=0.01)
    assert rule.interval == (None if interval is None else pytest.approx(interval, abs=0.02))
    assert rule.verdict == verdict


def test_searches_compare_their_capacities(tmp_path):
    """Each replica brings 2 ** 0.93 times as much, and CPU as much as it costs."""
    run = CapacityRun(tmp_path).fill(spread=0.01)
    choice = choice_of(run.plan, read_cells(run.dir, run.plan))
    rules = rules_of(choice)
    assert [(rule.axis, rule.smaller, rule.larger, rule.verdict) for rule in rules] == [
        ("replicas", 1, 2, "better"),
        ("replicas", 2, 4, "better"),
        ("cpus", 0.5, 1, "better"),
    ]
    for rule, true in zip(rules, (2**0.93, 2**0.93, 2.0), strict=True):
        assert rule.factor == pytest.approx(true, rel=0.03)
        assert rule.interval[0] <= rule.factor <= rule.interval[1] and rule.blocks == 3
        assert rule.pair_range[0] <= rule.factor <= rule.pair_range[1]
    # The second name of the cheapest cell is no pair.
    assert [len(rule.pairs) for rule in rules] == [2, 2, 3]


def recorded_example():
    """The rows of a run of the demo: 40 users with a short think time, one attempt of each cell."""
    summary = json.loads((EXAMPLE / "summary.json").read_text())
    cells = [PlannedCell(id=row["id"], config=row["config"], memory="") for row in summary["cells"]]
    paths = [EXAMPLE / "cells" / cell.id / "cell.json" for cell in cells]
    return [read_row(path, EXAMPLE, cell) for path, cell in zip(paths, cells, strict=True) if path.exists()]


def test_rules_of_a_recorded_run():
    rows = recorded_example()
    rps = {row.id: row.rps for row in rows}
    rules = {(rule.axis, rule.smaller, rule.larger): rule for rule in fixed_rules(*rows)}
    second = rules["replicas", 1, 2]
    # With half a core, neither cell was at its limit. So the pair with 0.15 CPU is the rule.
    assert second.pairs == [("r1-c0.15-m256M-w1", "r2-c0.15-m256M-w1")]
    assert second.factor == pytest.approx(rps["r2-c0.15-m256M-w1"] / rps["r1-c0.15-m256M-w1"], abs=1e-4)
    assert second.bottlenecks == ["cpu_throttled"] and not second.is_lower_bound
    more = rules["cpus", 0.15, 0.5]
    assert more.is_lower_bound and more.factor == pytest.approx(
        math.sqrt(
            rps["r1-c0.5-m256M-w1"] / rps["r1-c0.15-m256M-w1"] * rps["r2-c0.5-m256M-w1"] / rps["r2-c0.15-m256M-w1"]
        ),
        abs=1e-4,
    )
    assert rules["cpus", 0.5, 0.75].factor is None
