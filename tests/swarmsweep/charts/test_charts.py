"""Charts from figures: which marks they have, and what is in them. `report/test_draw.py` draws them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from swarmsweep.charts.cells import ChartCell
from swarmsweep.charts.cost import cost_chart, pareto_front
from swarmsweep.charts.ladder import ChartStage, decades, ladder_chart
from swarmsweep.charts.latency import LatencyPoint, latency_chart
from swarmsweep.charts.rates import MAX_BARS, rates_chart
from swarmsweep.charts.scaling import Fit, curves_of, scaling_chart
from swarmsweep.charts.style import DARK, HOLDS, MISSES, NOT_JUDGED, NOT_VALID, UNDECIDED, VERDICTS, shortened
from swarmsweep.charts.timeline import Moment, timeline_chart

PARTS = ["database", "MLflow", "preparing", "inference", "rest"]


def cell(name, rps=100.0, cost=1.0, verdict=HOLDS, replicas=1, workers=1, **more):
    """A cell whose curves have the same other axes."""
    note = more.pop("note", verdict)
    likes = more.pop("likes", {"replicas": "1 CPU", "workers": "1 CPU, 1 replica"})
    figures = {"rps": rps, "cost": cost, "verdict": verdict, "replicas": replicas, "workers": workers, "note": note}
    return ChartCell(id=name, likes=likes, **(figures | more))


def marks(spec, kind):
    """The rows of all layers with this kind of mark, in all panels."""
    panels = spec.get("hconcat") or spec.get("vconcat") or [spec]
    layers = [layer for panel in panels for layer in panel.get("layer", [panel])]
    return [row for layer in layers if layer["mark"]["type"] == kind for row in layer["data"]["values"]]


def moment(start, verdict=None, p95=20.0):
    return Moment(start_seconds=start, end_seconds=start + 1, rps=50.0, p95_ms=p95, about="measured", verdict=verdict)


# --- Rates ----------------------------------------------------------------------------------------------------------


def test_each_cell_has_its_verdict_and_only_measured_ones_a_bar():
    cells = [
        cell("a", 200.0, is_chosen=True),
        cell("b", 100.0, verdict=MISSES),
        cell("c", 90.0, verdict=UNDECIDED),
        cell("d", 50.0, verdict=NOT_VALID, note="invalid: no load"),
        cell("e", None, verdict=NOT_VALID, note="failed: <died> & 'gone'\x00"),
        cell("f", None, verdict=NOT_JUDGED, note="not measured"),
    ]
    spec = rates_chart(cells, searches=False)
    assert [(row["rps"], row["verdict"]) for row in marks(spec, "bar")] == [
        (200.0, HOLDS),
        (100.0, MISSES),
        (90.0, UNDECIDED),
        (50.0, NOT_VALID),
    ]
    notes = [row["note"] for row in marks(spec, "text")]
    assert notes[2:] == ["90.0 · undecided", "50.0 · invalid: no load", "failed: <died> & 'gone'", "not measured"]
    assert [row["configuration"] for row in marks(spec, "text")] == ["→ a", *"bcdef"]


# Each place has room for 30 characters.
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("killed: out of memory", "killed: out of memory"),
        ("replica 1 needed more memory: killed by the kernel (exit 137)", "replica 1 needed more memory …"),
        ("no: replica 1 needed more memory than it had", "no: replica 1 needed more …"),
        ("one replica needs 2 CPUs, but the host has 1. Docker refuses it", "one replica needs 2 CPUs, but …"),
        ("r1-c0.5-m256M-w1-variantonnx-logdebug", "r1-c0.5-m256M-w1-variantonnx-l …"),
        ("a. " * 20, "a. a. a. a. a. a. a. a. a. a …"),
    ],
)
def test_a_long_text_ends_with_a_clause_or_a_word(text, shown):
    assert shortened(text, 30) == shown


def test_a_reason_is_whole_where_a_pointer_is():
    reason = "failed: replica 1 needed more than its memory limit of 32M: killed by the kernel (exit 137, OOM), twice"
    (row,) = marks(rates_chart([cell("a", None, verdict=NOT_VALID, note=reason)], searches=False), "text")
    assert row["note"] == "failed: replica 1 needed more than its memory limit of 32M …"
    assert row["result"] == reason


def test_a_capacity_has_its_interval_and_a_very_long_one_is_cut():
    cells = [
        cell("a", 96.0, estimate_rps=100.0, interval_rps=(97.0, 102.0)),
        cell("b", 90.0, estimate_rps=95.0, interval_rps=(10.0, 900.0)),
        cell("c", 50.0),
    ]
    rows = {row["id"]: row for row in marks(rates_chart(cells, searches=True), "rule")}
    assert set(rows) == {"a", "b"}
    assert (rows["a"]["low"], rows["a"]["high"], rows["a"]["estimate"]) == (97.0, 102.0, 100.0)
    assert rows["b"]["high"] == pytest.approx(1.5 * 95)


def test_of_very_many_cells_the_fastest_and_the_recommended_one_are_shown():
    cells = [cell(f"c{i}", float(i), is_chosen=i == 3) for i in range(500)]
    shown = [row["id"] for row in marks(rates_chart(cells, searches=False), "bar")]
    assert len(shown) == MAX_BARS
    assert shown == ["c3", *(f"c{i}" for i in range(500 - MAX_BARS + 1, 500))]


# --- Cost -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "front"),
    [
        ([("a", 1, 100), ("b", 2, 150), ("c", 3, 140)], ["a", "b"]),
        ([("a", 1, 100), ("b", 1, 120)], ["b"]),
        ([("a", 2, 100), ("b", 1, 100)], ["b"]),
        ([("a", 1, None)], []),
        ([], []),
    ],
)
def test_the_front_has_the_cells_than_which_no_cheaper_one_is_as_fast(cells, front):
    found = pareto_front([cell(name, rps, float(price)) for name, price, rps in cells])
    assert [one.id for one in found] == front


def test_only_a_cell_that_holds_the_slo_is_on_the_front():
    cells = [cell("a", 500.0, 0.5, MISSES), cell("b", 100.0, 1.0), cell("c", 200.0, 2.0, UNDECIDED)]
    assert [one.id for one in pareto_front(cells)] == ["b"]
    assert {row["id"] for row in marks(cost_chart(cells, False), "point")} == {"a", "b", "c"}


def test_names_on_the_chart_do_not_cover_each_other():
    close = [cell(f"cell-{i}", 100.0 + i / 100, 1.0 + i / 1000, is_chosen=i == 5) for i in range(9)]
    names = [row["label"] for row in marks(cost_chart(close, True), "text")]
    assert names == ["→ cell-5"]
    apart = [cell("a", 100.0, 1.0), cell("b", 300.0, 3.0)]
    assert {row["label"] for row in marks(cost_chart(apart, True), "text")} == {"a", "b"}


def test_one_measured_cell_has_no_front():
    assert cost_chart([cell("a"), cell("b", None)], False) is None


# --- Latency --------------------------------------------------------------------------------------------------------


def point(p95, rps=10.0, name="a", curve=None, verdict=HOLDS):
    return LatencyPoint(id=name, verdict=verdict, rps=rps, p95_ms=p95, about="x", curve=curve)


@pytest.mark.parametrize(("high", "kind"), [(90.0, None), (900.0, "log")])
def test_latencies_that_differ_much_are_on_a_logarithmic_axis(high, kind):
    spec = latency_chart([point(10.0), point(high)], 50)
    (points,) = [layer for layer in spec["layer"] if layer["mark"]["type"] == "point"]
    assert points["encoding"]["y"]["scale"].get("type") == kind


def test_the_limit_is_a_line_with_its_figure():
    spec = latency_chart([point(10.0), point(20.0)], 40)
    rules = [layer for layer in spec["layer"] if layer["mark"]["type"] == "rule"]
    assert [layer["encoding"]["y"]["datum"] for layer in rules] == [40]
    assert "SLO: 40 ms" in json.dumps(spec)
    assert "SLO: " not in json.dumps(latency_chart([point(10.0)], None))


def test_the_probes_of_a_deployment_are_joined_and_a_closed_load_is_not():
    points = [point(10.0, 5, curve=1), point(20.0, 9, curve=1), point(500.0, 12, verdict=NOT_JUDGED)]
    spec = latency_chart(points, 40)
    assert [row["p95"] for row in marks(spec, "line")] == [10.0, 20.0]
    assert [row["p95"] for row in marks(spec, "point")] == [10.0, 20.0, 500.0]


def test_without_a_latency_there_is_no_chart():
    assert latency_chart([], 40) is None


# --- Scaling --------------------------------------------------------------------------------------------------------


def grid():
    """Replicas 1 to 3 with one and with two workers."""
    return [
        cell(f"r{r}w{w}", 100.0 * r * w, replicas=r, workers=w, likes={"replicas": f"{w} w", "workers": f"{r} r"})
        for r in (1, 2, 3)
        for w in (1, 2)
    ]


def test_a_curve_has_the_cells_that_differ_in_one_axis_alone():
    curves = {(curve.axis, curve.like): [one.id for one in curve.cells] for curve in curves_of(grid())}
    assert curves == {
        ("replicas", "1 w"): ["r1w1", "r2w1", "r3w1"],
        ("replicas", "2 w"): ["r1w2", "r2w2", "r3w2"],
        ("workers", "1 r"): ["r1w1", "r1w2"],
        ("workers", "2 r"): ["r2w1", "r2w2"],
        ("workers", "3 r"): ["r3w1", "r3w2"],
    }
    assert len(scaling_chart(grid(), True)["hconcat"]) == 2
    assert scaling_chart(grid()[:1], True) is None


def test_a_fitted_law_is_a_dashed_line_in_its_panel_and_in_words():
    fit = Fit(axis="replicas", like="1 w", points=[(1, 99.0), (4, 380.0)], words="The next replica brings 90/s.")
    replicas, workers = scaling_chart(grid(), True, [fit])["hconcat"]
    dashed = [layer for layer in replicas["layer"] if "strokeDash" in layer["mark"]]
    assert [row["rps"] for row in dashed[0]["data"]["values"]] == [99.0, 380.0]
    assert not any("strokeDash" in layer["mark"] for layer in workers["layer"])
    assert fit.words in scaling_chart(grid(), True, [fit])["description"]


# --- Timeline -------------------------------------------------------------------------------------------------------


def test_a_timeline_has_both_panels_and_leaves_out_what_was_not_measured():
    spec = timeline_chart([moment(0), moment(1, p95=None), moment(2)], 40, "a")
    rate, latency = spec["vconcat"]
    assert len(rate["data"]["values"]) == 3
    assert [row["start"] for row in latency["layer"][0]["data"]["values"]] == [0, 2]
    assert timeline_chart([moment(0)], 40, "a") is None


def test_probes_are_coloured_by_their_verdict():
    spec = timeline_chart([moment(0, HOLDS), moment(1, MISSES)], None, "a")
    assert spec["vconcat"][0]["encoding"]["color"]["scale"]["domain"] == [HOLDS, MISSES]


# --- Ladder ---------------------------------------------------------------------------------------------------------


def stage(name, rps=100.0, **more):
    usual = {"note": f"{rps}", "mean_ms": 100.0, "parts_percent": {"preparing": 10.0, "inference": 30.0, "rest": 60.0}}
    return ChartStage(id=name, name=name, rps=rps, **(usual | more))


@pytest.mark.parametrize(
    ("rates", "powers"),
    [([1.0], (-1, 0)), ([2.0, 2000.0], (0, 4)), ([0.001, 5000.0], (-4, 4)), ([100.0], (1, 2)), ([], (0, 1))],
)
def test_the_axis_has_whole_powers_of_ten(rates, powers):
    assert decades(rates) == powers


def test_parts_are_joined_without_gaps_and_narrow_ones_have_no_label():
    spec = ladder_chart([stage("a"), stage("b", None, note="failed: died", mean_ms=None, parts_percent={})], PARTS)
    left, right = spec["hconcat"]
    assert [row["stage"] for row in left["layer"][0]["data"]["values"]] == ["a"]
    assert [row["note"] for row in left["layer"][1]["data"]["values"]] == ["100.0", "failed: died"]
    spans = [(row["part"], row["start"], row["end"]) for row in right["layer"][0]["data"]["values"]]
    assert spans == [("preparing", 0, 10), ("inference", 10, 40), ("rest", 40, 100)]
    assert [row["label"] for row in right["layer"][1]["data"]["values"]] == ["30", "60"]


def test_a_ladder_without_metrics_has_one_panel():
    assert len(ladder_chart([stage("a", parts_percent={}, mean_ms=None)], PARTS)["hconcat"]) == 1


# --- Style ----------------------------------------------------------------------------------------------------------


def test_every_colour_has_one_for_dark_pages():
    folder = Path(__file__).parents[3] / "swarmsweep" / "charts"
    used = {colour for path in folder.glob("*.py") for colour in re.findall(r"#[0-9a-f]{6}", path.read_text())}
    # White is that of text on a bar, which is coloured on both.
    assert used - {"#ffffff"} == set(DARK) | set(DARK.values())
    assert {colour for colour, _ in VERDICTS.values()} <= set(DARK)
    assert len({shape for _, shape in VERDICTS.values()}) == len(VERDICTS)


@pytest.mark.parametrize("name", ["x" * 300, "a\x00b\x1b[31m", "<script>", "${alert(1)}", "a.b[0]", "\u202eabc"])
def test_texts_are_data_and_never_expressions(name):
    spec = rates_chart([replace(cell("a"), id=name, note=name)], searches=False)
    assert not re.search(r'"(expr|signal|calculate|test)"', json.dumps(spec))
    assert all(text.isprintable() for row in marks(spec, "text") for text in (row["configuration"], row["note"]))
