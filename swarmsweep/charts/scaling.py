"""Rate over replicas and over workers: a curve for each group of cells that differ in this axis alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from swarmsweep.charts.cells import ChartCell
from swarmsweep.charts.style import SERIES, Spec, chart, hover, quantity, values
from swarmsweep.units import format_figure

AXES = ("replicas", "workers")
MAX_CURVES = 6  # of one axis; more colours are hard to distinguish
_WIDTH_PX, _HEIGHT_PX = 300, 260


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A law that was fitted to a curve: its points (number, requests/s), and what it says in words."""

    axis: str
    like: str
    points: Sequence[tuple[float, float]]
    words: str


@dataclass(frozen=True)
class Curve:
    """The cells that differ in ``axis`` alone. ``like`` names what they share."""

    axis: str
    like: str
    cells: list[ChartCell] = field(default_factory=list)


def curves_of(cells: Sequence[ChartCell]) -> list[Curve]:
    """The curves with at least two numbers of replicas or workers, the longest first."""
    found: list[Curve] = []
    for axis in AXES:
        groups: dict[str, Curve] = {}
        for cell in cells:
            if cell.rate_rps is not None and axis in cell.likes:
                like = cell.likes[axis]
                groups.setdefault(like, Curve(axis, like)).cells.append(cell)
        several = [curve for curve in groups.values() if len({getattr(cell, axis) for cell in curve.cells}) > 1]
        found += sorted(several, key=lambda curve: -len(curve.cells))[:MAX_CURVES]
    return found


def scaling_chart(cells: Sequence[ChartCell], searches: bool, fits: Sequence[Fit] = ()) -> Spec | None:
    """A panel for each axis with a curve; None without one. Each of ``fits`` is a dashed line in its panel."""
    curves = curves_of(cells)
    if not curves:
        return None
    panels = [
        _panel(axis, own, searches, [fit for fit in fits if fit.axis == axis])
        for axis in AXES
        if (own := [curve for curve in curves if curve.axis == axis])
    ]
    words = [*(_words(curve) for curve in curves), *(fit.words for fit in fits)]
    body: Spec = {"hconcat": panels, "spacing": 48, "resolve": {"scale": {"color": "independent"}}}
    return chart("; ".join(words), body)


def _panel(axis: str, curves: list[Curve], searches: bool, fits: list[Fit]) -> Spec:
    measured = {float(getattr(cell, axis)) for curve in curves for cell in curve.cells}
    # A law goes on to the next number.
    numbers = sorted(measured | {float(number) for fit in fits for number, _ in fit.points})
    rows = [_row(cell, axis, curve) for curve in curves for cell in curve.cells]
    likes = [row["like"] for row in values({"like": curve.like} for curve in curves)["values"]]
    ticks = {"values": numbers, "format": "d", "grid": False}
    x = quantity("number", axis, scale={"domain": [0, numbers[-1] * 1.05], "nice": False}, axis=ticks)
    y = quantity("rps", "capacity, requests/s" if searches else "successful requests/s")
    colour = {
        "field": "like",
        "type": "nominal",
        "title": None,
        "scale": {"domain": likes, "range": list(SERIES[: len(likes)])},
        "legend": {"orient": "bottom", "columns": 1, "symbolType": "stroke", "symbolStrokeWidth": 3},
    }
    encoding = {"x": x, "y": y, "color": colour}
    tooltip = hover("configuration", axis, "requests/s", "result")
    layers: list[Spec] = [
        {"data": values(rows), "mark": {"type": "line", "strokeWidth": 1.5}, "encoding": encoding},
        {
            "data": values(rows),
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": encoding | {"tooltip": tooltip},
        },
    ]
    fitted = [{"like": fit.like, "number": number, "rps": rps} for fit in fits for number, rps in fit.points]
    if fitted:
        dashed = {"type": "line", "strokeDash": [5, 4], "strokeWidth": 1.5, "interpolate": "monotone"}
        layers.append({"data": values(fitted), "mark": dashed, "encoding": encoding})
    return {"width": _WIDTH_PX, "height": _HEIGHT_PX, "title": f"over {axis}", "layer": layers}


def _row(cell: ChartCell, axis: str, curve: Curve) -> Spec:
    number = getattr(cell, axis)
    return {
        "id": cell.id,
        "configuration": cell.id,
        "number": number,
        axis: number,
        "rps": cell.rate_rps,
        "requests/s": format_figure(cell.rate_rps or 0),
        "like": curve.like,
        "result": cell.note,
    }


def _words(curve: Curve) -> str:
    steps = ", ".join(
        f"{getattr(cell, curve.axis)}: {format_figure(cell.rate_rps or 0)}"
        for cell in sorted(curve.cells, key=lambda cell: getattr(cell, curve.axis))
    )
    return f"requests/s over {curve.axis} with {curve.like}: {steps}"
