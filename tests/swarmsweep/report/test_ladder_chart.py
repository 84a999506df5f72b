"""The picture of the ladder is well-formed, in proportion, and says in words what it shows."""

import itertools
import xml.etree.ElementTree as ElementTree

import pytest
from msgspec.structs import replace
from rows import ladder, staged

from swarmsweep.report.ladder_chart import factor_text, ladder_chart

SVG = "{http://www.w3.org/2000/svg}"
PARTS = ("database", "mlflow", "preparing", "inference", "rest")


def drawn(*cells):
    """The tree of the picture."""
    return ElementTree.fromstring(ladder_chart(ladder(*cells)))


def texts(root):
    return [text.text for text in root.iter(f"{SVG}text")]


def bars(root, *classes):
    """(class, width) of the bars of these classes, without the legend's squares."""
    found = [bar for bar in root.iter(f"{SVG}rect") if bar.get("class") in classes and bar.get("height") == "18"]
    return [(bar.get("class"), float(bar.get("width"))) for bar in found]


def test_rps_is_on_a_logarithmic_axis_with_labels():
    root = drawn(staged("a", rps=2.0), staged("b", rps=20.0), staged("c", rps=200.0), staged("d", rps=2000.0))
    widths = [width for _, width in bars(root, "rps")]
    steps = [after - before for before, after in itertools.pairwise(widths)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)  # ten times as much is as far again
    ticks = [text for text in texts(root) if text in ("1", "10", "100", "1,000", "10,000")]
    assert ticks[:5] == ["1", "10", "100", "1,000", "10,000"]
    assert "requests per second, logarithmic axis" in texts(root)
    assert [text for text in texts(root) if " · " in (text or "")] == [
        "2.00 · x1",
        "20.0 · x10",
        "200.0 · x100",
        "2000.0 · x1000",
    ]


@pytest.mark.parametrize(
    "rates", [(1.0, 1.0), (0.001, 5000.0), (9.99, 10.0), (1e-9, 1e9), (100.0,), (0.0, 5.0), (0.0, 0.0)]
)
def test_bars_stay_in_their_panel_whatever_the_rates(rates):
    root = drawn(*(staged(f"v{i}", rps=rate) for i, rate in enumerate((*rates, 3.0))))
    widths = [width for _, width in bars(root, "rps")]
    assert len(widths) == sum(rate > 0 for rate in (*rates, 3.0))
    assert all(0 < width <= 300 for width in widths)


def test_parts_are_stacked_without_gaps():
    root = drawn(staged("a"), staged("b"))
    pieces = [bar for bar in root.iter(f"{SVG}rect") if bar.get("class") in PARTS and bar.get("height") == "18"]
    assert [(piece.get("class"), float(piece.get("width"))) for piece in pieces[:3]] == [
        ("preparing", 26.0),
        ("inference", 78.0),
        ("rest", 156.0),
    ]
    for left, right in itertools.pairwise(pieces[:3]):
        assert float(left.get("x")) + float(left.get("width")) == pytest.approx(float(right.get("x")))
    assert {"30", "60"} <= set(texts(root))  # too narrow for a label: the 10 of preparing
    assert {"database", "MLflow", "preparing", "inference", "rest"} <= set(texts(root))  # the legend
    assert "100.0 ms" in texts(root)


def test_a_stage_that_is_not_valid_shows_its_reason_and_no_bar():
    root = drawn(
        staged("good"),
        staged("dead", status="failed", reason="<died> & 'gone'\x00"),
        staged("odd", status="invalid", reason="no load"),
        staged("open", status=None, reason="not measured"),
    )
    assert len(bars(root, "rps")) == 1
    assert len(bars(root, *PARTS)) == 3
    assert {"failed: <died> & 'gone'", "invalid: no load", "not measured"} <= set(texts(root))


def test_a_stage_without_metrics_says_so():
    root = drawn(staged("a"), replace(staged("b"), request_parts=None))
    assert len(bars(root, "rps")) == 2
    assert texts(root).count("not measured") == 1


def test_the_picture_has_a_title_and_describes_every_stage(golden):
    root = drawn(staged("a", rps=2.0), staged("b", status="failed", reason="died"))
    named = {root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")}
    assert root.get("role") == "img" and set(root.get("aria-labelledby").split()) == named
    title, words = root.find(f"{SVG}title").text, root.find(f"{SVG}desc").text
    golden("ladder_chart.yml", {"title": title, "description": words})
    figures = ["a: 2.00", "preparing 10 %", "inference 30 %", "rest 60 %", "b: failed: died"]
    assert [figure for figure in figures if figure not in words] == []


def test_both_modes_colour_every_part():
    light, dark = ladder_chart(ladder(staged("a"), staged("b"))).split("@media (prefers-color-scheme: dark)")
    for part in (*PARTS, "rps"):
        assert f".{part} {{ fill:" in light and f".{part} {{ fill:" in dark


@pytest.mark.parametrize(
    ("factor", "text"),
    [(1.0, "x1"), (1.07, "x1.07"), (0.5, "x0.5"), (2.0, "x2"), (12.34, "x12.3"), (100.0, "x100"), (1234.5, "x1234")],
)
def test_factors_in_words(factor, text):
    assert factor_text(factor) == text
