"""The chart is well-formed and shows each cell once."""

import xml.etree.ElementTree as ElementTree

from test_choose import cell

from swarmsweep.chart import rps_chart

SVG = "{http://www.w3.org/2000/svg}"


def drawn(cells):
    """Bars by class, and all text, of the chart."""
    root = ElementTree.fromstring(rps_chart(cells))
    bars = [(bar.get("class"), float(bar.get("width"))) for bar in root.iter(f"{SVG}rect")]
    return bars, [text.text for text in root.iter(f"{SVG}text")]


def test_bars_are_in_proportion_and_coloured_by_the_slo():
    bars, texts = drawn(
        [
            cell("a", rps=200.0),
            cell("b", rps=100.0, p95=300),
            cell("c", status="failed", reason="<died> & 'gone'\x00"),
            cell("d", status=None, reason="not measured"),
            cell("e", rps=50.0, status="invalid", reason="no load"),
        ]
    )
    assert bars == [("meets", 360.0), ("misses", 180.0), ("failed", 90.0)]
    assert "failed: <died> & 'gone'" in texts
    assert [text for text in texts if text in "abcde"] == list("abcde")


def test_nothing_measured_draws_no_bar():
    assert drawn([cell("a", status="infeasible", reason="x" * 500)])[0] == []
    assert drawn([])[0] == []
