"""The timeline of one attempt: its rate and its latency, second by second or probe by probe."""

from collections.abc import Sequence
from dataclasses import dataclass

from swarmsweep.charts.style import (
    BLUE,
    GREY,
    Spec,
    by_verdict,
    chart,
    hover,
    latency_scale,
    limit_line,
    quantity,
    values,
)
from swarmsweep.markdown import MISSING
from swarmsweep.units import format_figure

MEASURED, BESIDE = "measured", "not measured"
_WIDTH_PX, _RATE_PX, _LATENCY_PX = 600, 150, 170


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A part of an attempt, in seconds since its start. ``verdict`` is that of a probe; None of a second."""

    start_seconds: float
    end_seconds: float
    rps: float
    p95_ms: float | None
    about: str
    verdict: str | None = None
    is_measured: bool = True


def timeline_chart(moments: Sequence[Moment], limit_ms: float | None, cell_id: str) -> Spec | None:
    """Two panels over the same seconds; None with fewer than two moments."""
    if len(moments) < 2:
        return None
    rows = [_row(moment, cell_id) for moment in moments]
    latencies = [moment.p95_ms for moment in moments if moment.p95_ms is not None]
    whole = max(moment.end_seconds for moment in moments)
    verdicts = [moment.verdict for moment in moments if moment.verdict is not None]
    colour: Spec = by_verdict(verdicts) if verdicts else _by_window(rows)
    mark = {"type": "rule", "strokeWidth": 4, "strokeCap": "butt"}
    tooltip = hover("seconds", "requests/s", "p95 ms", "about")
    x = {"scale": {"domain": [0, whole], "nice": False}}
    encoding: Spec = {"x2": {"field": "end"}, "color": colour, "tooltip": tooltip}
    rate: Spec = {
        "width": _WIDTH_PX,
        "height": _RATE_PX,
        "data": values(rows),
        "mark": mark,
        "encoding": encoding
        | {
            "x": quantity("start", None, axis={"labels": False, "tickCount": 8}, **x),
            "y": quantity("rps", "requests/s", scale={"zero": True}),
        },
    }
    scale = latency_scale([*latencies, *([limit_ms] if limit_ms else [])])
    across = quantity("start", "seconds since the attempt began to load", axis={"tickCount": 8}, **x)
    unit = "ms, logarithmic" if scale.get("type") else "ms"
    slow: Spec = {
        "width": _WIDTH_PX,
        "height": _LATENCY_PX,
        "layer": [
            {
                "data": values(row for row in rows if row["p95"] is not None),
                "mark": mark,
                "encoding": encoding | {"x": across, "y": quantity("p95", f"p95, {unit}", scale=scale)},
            },
            *(limit_line(limit_ms, _WIDTH_PX) if limit_ms else []),
        ],
    }
    rates = [moment.rps for moment in moments]
    words = f"{cell_id}: {format_figure(min(rates))} to {format_figure(max(rates))} requests/s"
    if latencies:
        words += f", p95 {format_figure(min(latencies))} to {format_figure(max(latencies))} ms"
    panels = [rate, slow] if latencies else [rate]
    return chart(f"{words}, over {format_figure(whole)} s", {"vconcat": panels, "spacing": 12})


def _by_window(rows: list[Spec]) -> Spec:
    """The colour of seconds: those of the measured window, and the others."""
    colours = {MEASURED: BLUE, BESIDE: GREY}
    domain = [name for name in colours if any(row["window"] == name for row in rows)]
    scale = {"domain": domain, "range": [colours[name] for name in domain]}
    return {"field": "window", "type": "nominal", "title": None, "scale": scale, "legend": {"orient": "top"}}


def _row(moment: Moment, cell_id: str) -> Spec:
    return {
        "id": cell_id,
        "start": round(moment.start_seconds, 3),
        "end": round(moment.end_seconds, 3),
        "seconds": f"{format_figure(moment.start_seconds)} to {format_figure(moment.end_seconds)}",
        "rps": moment.rps,
        "requests/s": format_figure(moment.rps),
        "p95": moment.p95_ms if moment.p95_ms is None or moment.p95_ms > 0 else None,
        "p95 ms": MISSING if moment.p95_ms is None else format_figure(moment.p95_ms),
        "about": moment.about,
        "verdict": moment.verdict,
        "window": MEASURED if moment.is_measured else BESIDE,
    }
