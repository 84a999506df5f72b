"""The chart is well-formed and shows each cell once."""

import xml.etree.ElementTree as ElementTree

import pytest
from msgspec.structs import replace
from rows import fixed, searched

from swarmsweep.report.rps_chart import rps_chart

SVG = "{http://www.w3.org/2000/svg}"


def drawn(cells):
    """Bars by class, and all text, of the chart."""
    root = ElementTree.fromstring(rps_chart(cells))
    bars = [(bar.get("class"), float(bar.get("width"))) for bar in root.iter(f"{SVG}rect")]
    return bars, [text.text for text in root.iter(f"{SVG}text")]


def test_bars_are_in_proportion_and_coloured_by_the_slo():
    bars, texts = drawn(
        [
            fixed("a", rps=200.0),
            fixed("b", rps=100.0, p95=300),
            fixed("c", status="failed", reason="<died> & 'gone'\x00"),
            fixed("d", status=None, reason="not measured"),
            fixed("e", rps=50.0, status="invalid", reason="no load"),
        ]
    )
    assert bars == [("meets", 360.0), ("misses", 180.0), ("failed", 90.0)]
    assert "failed: <died> & 'gone'" in texts
    assert [text for text in texts if text in "abcde"] == list("abcde")


def test_nothing_measured_draws_no_bar():
    assert drawn([fixed("a", status="infeasible", reason="x" * 500)])[0] == []
    assert drawn([])[0] == []


def whiskers(cells):
    """Whiskers of the chart, as their paths."""
    root = ElementTree.fromstring(rps_chart(cells, capacity=True))
    return [path.get("d") for path in root.iter(f"{SVG}path")]


def test_capacities_are_bars_with_their_interval():
    cells = [
        searched("a", 400.0, 404.0, 396.0),
        searched("b", 200.0, verified_rps=None, estimate_rps=None, interval_rps=None),
        searched("c", 100.0, is_lower_bound=True, estimate_rps=None, interval_rps=None, limited_by="generator"),
        searched("d", 100.0, 900.0),
        fixed("e", status="failed", reason="died"),
    ]
    root = ElementTree.fromstring(rps_chart(cells, capacity=True))
    widths = [float(bar.get("width")) for bar in root.iter(f"{SVG}rect")]
    assert len(widths) == 3 and max(widths) < 360  # the whisker needs room
    assert widths[0] / widths[1] == pytest.approx(0.96 * 396 / 96, rel=0.01)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"380.2 · verified", "no rate was verified", "96.0 · at least", "failed: died"} <= set(texts)
    paths = whiskers(cells)
    assert len(paths) == 2  # without an estimate there is none
    assert "m0 -4v8M" in paths[0] and "m0 -4v8M" not in paths[1]  # an interval of two deployments is cut


def test_a_twin_and_a_missed_target_are_named():
    rows = [searched("a", 100.0), replace(searched("a-twin", 100.0), twin_of="a"), searched("b", 50.0)]
    texts = [text.text for text in ElementTree.fromstring(rps_chart(rows, True)).iter(f"{SVG}text")]
    assert "96.0 · verified, twin of a" in texts
    rows[2] = replace(rows[2], meets_slo=False)
    texts = [text.text for text in ElementTree.fromstring(rps_chart(rows, True)).iter(f"{SVG}text")]
    assert "48.0 · verified, misses the target" in texts


def test_a_fixed_load_has_no_whiskers():
    assert "whisker" not in rps_chart([fixed("a")])
