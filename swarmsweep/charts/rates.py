"""A horizontal bar for each cell: its requests per second, or its verified rate with the interval of the estimate."""

from collections.abc import Sequence

from swarmsweep.charts.cells import ChartCell
from swarmsweep.charts.style import FAINT, INK, Spec, by_verdict, chart, hover, quantity, shortened, values
from swarmsweep.markdown import MISSING
from swarmsweep.units import format_figure

MAX_BARS = 60  # more bars than this do not fit on a screen, and the table has them all
_WIDTH_PX = 360
_NOTE_LENGTH = 44
_REASON_LENGTH = 90  # a cell without a bar leaves more room
_INTERVAL_REACH = 1.5  # times the estimate or the verified rate; the interval of two deployments can be far longer


def rates_chart(cells: Sequence[ChartCell], searches: bool) -> Spec:
    """The bars in the order of the cells. A cell without a figure has its note alone."""
    cells = shown_bars(cells)
    reach = max((_reach(cell) for cell in cells), default=0) or 1
    rows = [_row(cell, reach) for cell in cells]
    bars = [row for row in rows if row["rps"] is not None]
    intervals = [row for row in rows if row["low"] is not None]
    ids = [row["configuration"] for row in values(rows)["values"]]
    y = {
        "field": "configuration",
        "type": "nominal",
        "title": None,
        "scale": {"domain": ids},
        "axis": {"ticks": False, "labelColor": INK, "labelPadding": 8},
    }
    title = "highest rate verified to hold the SLO, requests/s" if searches else "successful requests per second"
    axis = {"orient": "top", "grid": True, "tickCount": 6}
    along: Spec = {"scale": {"domain": [0, reach], "nice": True}, "axis": axis}
    bar: Spec = {"x": quantity("rps", title, **along), "y": y}
    bar["tooltip"] = hover("configuration", "requests/s", "p95 ms", "cost", "result")
    bar["color"] = by_verdict(row["verdict"] for row in bars)
    whisker = {"y": y, "x": quantity("low", title, **along), "x2": {"field": "high"}}
    note: Spec = {"y": y, "x": quantity("end", title, **along), "text": {"field": "note", "type": "nominal"}}
    # A reason may be longer than its place.
    note["tooltip"] = hover("configuration", "result")
    tick = {"type": "tick", "color": INK, "thickness": 2, "size": 14}
    layers: list[Spec] = [
        {"data": values(bars), "mark": {"type": "bar", "height": {"band": 0.72}}, "encoding": bar},
        {"data": values(intervals), "mark": {"type": "rule", "color": INK, "strokeWidth": 1.5}, "encoding": whisker},
        {"data": values(intervals), "mark": tick, "encoding": {"y": y, "x": quantity("estimate", title, **along)}},
        {
            "data": values(rows),
            "mark": {"type": "text", "align": "left", "dx": 8, "color": FAINT},
            "encoding": note,
        },
    ]
    drawn = [layer for layer in layers if layer["data"]["values"]]
    body: Spec = {"width": _WIDTH_PX, "height": {"step": 24}, "layer": drawn or layers[-1:]}
    return chart("; ".join(f"{cell.id}: {_words(cell)}" for cell in cells[:MAX_DESCRIBED]), body)


# A longer description is tedious to hear, and the table has the figures.
MAX_DESCRIBED = 12


def shown_bars(cells: Sequence[ChartCell]) -> list[ChartCell]:
    """The cells that have a bar: all of few, else those with the highest rates, and the recommended one."""
    if len(cells) <= MAX_BARS:
        return list(cells)
    ranked = sorted(cells, key=lambda cell: (not cell.is_chosen, -(cell.rps or 0)))
    kept = {cell.id for cell in ranked[:MAX_BARS]}
    return [cell for cell in cells if cell.id in kept]


def _row(cell: ChartCell, reach: float) -> Spec:
    low, high = cell.interval_rps if cell.interval_rps and cell.estimate_rps is not None else (None, None)
    high = None if high is None else min(high, reach)
    estimate = None if low is None or cell.estimate_rps is None else min(cell.estimate_rps, reach)
    return {
        "id": cell.id,
        "configuration": f"→ {cell.id}" if cell.is_chosen else cell.id,
        "rps": cell.rps,
        "requests/s": MISSING if cell.rps is None else format_figure(cell.rps),
        "p95 ms": MISSING if cell.p95_ms is None else format_figure(cell.p95_ms),
        "cost": f"{cell.cost:.2f}",
        "result": cell.note,
        "verdict": cell.verdict,
        "low": low,
        "high": high,
        "estimate": estimate,
        "end": max(cell.rps or 0, high or 0),
        "note": shortened(_words(cell), _NOTE_LENGTH if cell.rps is not None else _REASON_LENGTH),
    }


def _words(cell: ChartCell) -> str:
    return cell.note if cell.rps is None else f"{format_figure(cell.rps)} · {cell.note}"


def _reach(cell: ChartCell) -> float:
    rps, estimate = cell.rps or 0, cell.estimate_rps or 0
    high = cell.interval_rps[1] if cell.interval_rps and estimate else 0
    return max(rps, estimate, min(high, _INTERVAL_REACH * max(rps, estimate)))
