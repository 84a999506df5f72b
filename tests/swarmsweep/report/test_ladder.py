"""Stages of the ladder: names, what changed, factors and shares, in the order of the sweep file."""

import pytest
from msgspec.structs import replace
from rows import capacity_of, ladder, plan_of, staged

from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import RequestParts
from swarmsweep.report.ladder import stages


def changed(*cells):
    """What changed, by stage."""
    return [stage.changed for stage in ladder(*cells)]


@pytest.mark.parametrize(
    ("cells", "count"),
    [
        ([], 0),
        ([staged("a")], 0),
        ([staged(), staged()], 0),
        ([staged("a"), staged("a")], 0),
        ([staged("a"), staged("b")], 2),
        ([staged("a"), staged("b"), staged("b")], 0),  # one stage in two sizes
        ([staged("a"), staged()], 2),
        ([staged(), staged(locustfile="empty.py")], 2),
        ([staged(), staged(locustfile="predict.py")], 0),  # the sweep's own scenario, written out
    ],
)
def test_there_is_a_ladder_where_variant_or_scenario_differ(cells, count):
    assert len(ladder(*cells)) == count


def test_an_old_plan_has_one_scenario():
    plan = plan_of({"locustfile": "predict.py"}, [PlannedCell(id=name, config={}, memory="1G") for name in "ab"])
    assert [stage.name for stage in stages(plan, [staged("a"), staged("b")])] == ["a", "b"]


def test_stages_are_named_by_variant_and_other_scenarios_by_what_they_ask():
    found = ladder(
        staged("prints"),
        staged(),
        staged("onnx", locustfile="empty.py", target="GET /empty"),
        staged(locustfile="empty.py", target="GET /empty"),
        staged("onnx", locustfile="slow.py", status="failed", reason="died"),
    )
    assert [stage.name for stage in found] == [
        "prints",
        "the API's own variant",
        "GET /empty of onnx",
        "GET /empty",
        "slow.py of onnx",
    ]


def test_a_cell_without_the_axis_is_named_by_what_the_api_says():
    row = replace(staged(locustfile="empty.py", target="GET /empty"), choices={"variant": "onnx"})
    assert [stage.name for stage in ladder(staged(), row)] == ["the API's own variant", "GET /empty of onnx"]


def test_stages_of_the_same_name_carry_their_cell():
    row = replace(staged(locustfile="empty.py", target="GET /empty"), choices={"variant": "b"})
    names = [stage.name for stage in ladder(staged("a"), row, staged("b", locustfile="empty.py", target="GET /empty"))]
    assert names == [
        "a",
        "GET /empty of b (1-1-1073741824-1-empty.py)",
        "GET /empty of b (1-1-1073741824-1-empty.py-b)",
    ]


SCENARIO = {"locustfile": "empty.py", "target": "GET /empty"}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([staged("a", model="x"), staged("b", model="y_z")], ["first stage", "model: x → y z"]),
        (
            [
                staged("a", variant_="1", model="x", columns="p"),
                staged("b", variant_="2", model="y", columns="q"),
            ],
            ["first stage", "variant_: 1 → 2, model: x → y, columns: p → q"],
        ),
        ([staged("a", model="x"), staged("b", model="x")], ["first stage", "no difference that the API reports"]),
        ([staged("a"), staged("b", model="x")], ["first stage", None]),
        ([staged("a", model="x"), staged("b")], ["first stage", None]),
        (
            [staged("a", old="x"), staged("b", new="y")],
            ["first stage", "new: not named → y, old: x → not named"],
        ),
        # The stage between them died, so it has no choices.
        (
            [staged("a", model="x"), staged("b", status="failed", reason="died"), staged("c", model="y")],
            ["first stage", None, "model: x → y (since a)"],
        ),
        ([staged("a", status="failed", reason="died"), staged("b", model="y")], ["first stage", None]),
        # A stage for comparison is no step. The next stage is compared with the step before it.
        (
            [staged("a", model="x"), staged("a", **SCENARIO, model="x"), staged("b", model="y")],
            ["first stage", "loads GET /empty instead of POST /predict", "model: x → y"],
        ),
        (
            [staged("a", model="x"), staged("b", locustfile="empty.py", status="failed", reason="died")],
            ["first stage", "loads empty.py instead of POST /predict"],
        ),
        (
            [staged("a", status="failed", reason="died"), staged("b", **SCENARIO)],
            ["first stage", "loads GET /empty instead of predict.py"],
        ),
        ([staged("a", **SCENARIO), staged("b", model="y")], ["first stage", None]),
    ],
)
def test_what_changed(cells, words):
    assert changed(*cells) == words


def test_the_variant_is_the_name_and_no_change():
    first = replace(staged("a"), choices={"model": "x", "variant": "a"})
    second = replace(staged("b"), choices={"model": "y", "variant": "b"})
    assert changed(first, second) == ["first stage", "model: x → y"]


def test_factors_are_over_the_first_valid_stage():
    found = ladder(
        staged("a", status="failed", reason="died"),
        staged("b", rps=1000.0, status="invalid", reason="lost workers"),
        staged("c", rps=4.0),
        staged("d", rps=49.2),
        staged("e", status=None, reason="not measured"),
        staged("f", rps=0.0),
    )
    assert [stage.factor for stage in found] == [None, None, 1.0, pytest.approx(12.3), None, 0.0]


def test_only_valid_stages_have_figures():
    for status in ("failed", "invalid", "infeasible", None):
        stage = ladder(staged("a"), staged("b", status=status, reason="the reason"))[1]
        assert (stage.rps, stage.p95_ms, stage.factor, stage.mean_ms) == (None, None, None, None)
        assert set(stage.shares_percent.values()) == {None}
        assert stage.reason == "the reason"


def test_shares_are_of_the_mean():
    stage = ladder(staged("a"), staged("b"))[0]
    assert stage.shares_percent == {"database": None, "mlflow": None, "preparing": 10, "inference": 30, "rest": 60}
    assert (stage.mean_ms, stage.p95_ms) == (100.0, 20.0)


def test_parts_that_run_side_by_side_share_their_sum():
    parts_ms = {"inference": 15.0, "preparing": 5.0, "rest": 0.0}
    parts = RequestParts(endpoint="/predict", requests=5, mean_ms=10.0, parts_ms=parts_ms)
    both = replace(staged("a"), request_parts=parts)
    shares = ladder(both, staged("b"))[0].shares_percent
    assert (shares["inference"], shares["preparing"], shares["rest"]) == (75, 25, 0)


def test_a_stage_without_metrics_has_its_other_figures():
    silent = replace(staged("a"), request_parts=None, choices=None)
    stage = ladder(silent, staged("b"))[0]
    assert (stage.rps, stage.factor, stage.mean_ms) == (100.0, 1.0, None)


def test_a_capacity_is_compared_by_its_verified_rate():
    found = ladder(
        replace(staged("slow", rps=12.0), capacity_rps=10.0, capacity=capacity_of(10.0)),
        replace(staged("never", rps=30.0), capacity_rps=None, capacity=capacity_of(None)),
        replace(staged("fast", rps=90.0), capacity_rps=100.0, capacity=capacity_of(100.0)),
    )
    assert [(stage.rps, stage.factor) for stage in found] == [(10.0, 1.0), (None, None), (100.0, 10.0)]


def test_a_twin_is_no_stage():
    twin = replace(staged("a", rps=500.0), twin_of="a")
    assert ladder(staged("a"), twin) == []
    assert [(stage.name, stage.factor) for stage in ladder(twin, staged("a"), staged("b", rps=200.0))] == [
        ("a", 1.0),
        ("b", 2.0),
    ]
