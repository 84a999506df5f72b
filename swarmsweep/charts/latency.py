"""Latency over rate, with the limit of the SLO: a curve for each cell of a search, a point for each other cell."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmsweep.charts.style import (
    SERIES,
    Spec,
    by_verdict,
    chart,
    hover,
    latency_scale,
    limit_line,
    quantity,
    shape_by_verdict,
    values,
)
from swarmsweep.units import format_figure

MAX_CURVES = len(SERIES)  # each curve has a colour of its own
_WIDTH_PX, _HEIGHT_PX = 560, 320


@dataclass(frozen=True, kw_only=True)
class LatencyPoint:
    """A cell, or a probe of its search, at one rate. ``curve`` joins the probes of one deployment; None: no curve."""

    id: str
    verdict: str
    rps: float
    p95_ms: float
    about: str
    curve: int | None = None


def latency_chart(points: Sequence[LatencyPoint], limit_ms: float | None) -> Spec | None:
    """The chart; None without a point. ``limit_ms`` is the limit of p95, if the SLO has one."""
    points = [point for point in points if point.p95_ms > 0]
    if not points:
        return None
    curves = any(point.curve is not None for point in points)
    ids = list(dict.fromkeys(point.id for point in points))
    rows = [_row(point) for point in points]
    verdicts = [point.verdict for point in points]
    scale = latency_scale([*(point.p95_ms for point in points), *([limit_ms] if limit_ms else [])])
    x = quantity("rps", "requests/s", scale={"zero": True, "nice": True})
    y = quantity("p95", "p95 of the latency, ms" + (", logarithmic" if scale.get("type") else ""), scale=scale)
    colour: Spec = by_verdict(verdicts)
    if curves:
        domain = [row["id"] for row in values({"id": name} for name in ids)["values"]]
        palette = {"domain": domain, "range": list(SERIES[: len(domain)])}
        legend = {"orient": "bottom", "columns": 2, "symbolType": "stroke", "symbolStrokeWidth": 3, "symbolOpacity": 1}
        colour = {"field": "id", "type": "nominal", "title": None, "scale": palette, "legend": legend}
    encoding: Spec = {
        "x": x,
        "y": y,
        "color": colour,
        "shape": shape_by_verdict(verdicts),
        "tooltip": hover("configuration", "requests/s", "p95 ms", "about", "result"),
    }
    line: Spec = {
        "data": values(row for row in rows if row["curve"] is not None),
        "mark": {"type": "line", "strokeWidth": 1.5, "opacity": 0.55},
        "encoding": {"x": x, "y": y, "color": colour, "detail": {"field": "curve", "type": "nominal"}},
    }
    layers: list[Spec] = [
        *([line] if curves else []),
        {
            "data": values(rows),
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": encoding,
        },
        *(limit_line(limit_ms, _WIDTH_PX) if limit_ms else []),
    ]
    low, high = min(points, key=lambda point: point.p95_ms), max(points, key=lambda point: point.p95_ms)
    description = (
        f"p95 is between {format_figure(low.p95_ms)} ms ({low.id}) and {format_figure(high.p95_ms)} ms ({high.id})"
    )
    return chart(description, {"width": _WIDTH_PX, "height": _HEIGHT_PX, "layer": layers})


def _row(point: LatencyPoint) -> Spec:
    return {
        "id": point.id,
        "configuration": point.id,
        "rps": point.rps,
        "requests/s": format_figure(point.rps),
        "p95": point.p95_ms,
        "p95 ms": format_figure(point.p95_ms),
        "about": point.about,
        "result": point.verdict,
        "verdict": point.verdict,
        "curve": point.curve,
    }
