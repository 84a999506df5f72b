"""The ladder: for each stage its requests per second on a logarithmic axis, and the parts of a request's time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from swarmsweep.charts.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    OCHRE,
    ORANGE,
    VIOLET,
    Spec,
    chart,
    hover,
    quantity,
    shortened,
    values,
)
from swarmsweep.units import format_figure

_RPS_PX, _PARTS_PX = 300, 260
_REASON_LENGTH = 60
_LABEL_FROM_PERCENT = 12  # a narrower part shows its share on hover, and in the table
_COLOURS = (BLUE, VIOLET, OCHRE, GREEN, GREY, ORANGE)


@dataclass(frozen=True, kw_only=True)
class ChartStage:
    """A stage. ``parts_percent`` are the shares of ``mean_ms`` by the names of the parts, for those that it has.

    ``note`` is shown beside its bar, or in its place where ``rps`` is None.
    """

    id: str
    name: str
    note: str
    rps: float | None = None
    mean_ms: float | None = None
    parts_percent: dict[str, float]


def ladder_chart(stages: Sequence[ChartStage], parts: Sequence[str]) -> Spec:
    """Two panels with a line for each stage. ``parts`` are all parts of a request, in their order."""
    names = [row["name"] for row in values({"name": stage.name} for stage in stages)["values"]]
    low, high = decades([stage.rps for stage in stages if stage.rps])
    step = {"step": 26}
    left = {
        "width": _RPS_PX,
        "height": step,
        "title": "requests per second, logarithmic axis",
        "layer": _rates(stages, names, low, high),
    }
    panels: list[Spec] = [left]
    if any(stage.parts_percent for stage in stages):
        title = "time of a request inside the API, %"
        panels.append({"width": _PARTS_PX, "height": step, "title": title, "layer": _parts(stages, names, parts)})
    body: Spec = {"hconcat": panels, "spacing": 24, "resolve": {"scale": {"y": "independent"}}}
    return chart("; ".join(_sentence(stage) for stage in stages), body)


def decades(rates: Sequence[float]) -> tuple[int, int]:
    """Powers of ten around the rates, with enough room for a bar of the smallest."""
    if not rates:
        return 0, 1
    low = math.floor(math.log10(min(rates)) - 0.1)
    return low, max(low + 1, math.ceil(math.log10(max(rates))))


def _place(names: list[str], labels: bool) -> Spec:
    axis = {"ticks": False, "labelColor": INK, "labelPadding": 8} if labels else None
    return {"field": "stage", "type": "nominal", "title": None, "scale": {"domain": names}, "axis": axis}


def _rates(stages: Sequence[ChartStage], names: list[str], low: int, high: int) -> list[Spec]:
    start = 10.0**low
    rows = [
        {
            "id": stage.id,
            "stage": stage.name,
            "rps": stage.rps or None,
            "end": stage.rps or start,
            "start": start,
            "result": stage.note,
            "note": shortened(stage.note, _REASON_LENGTH),
        }
        for stage in stages
    ]
    y = _place(names, labels=True)
    scale = {"type": "log", "domain": [start, 10.0**high], "nice": False}
    axis = {"orient": "top", "values": [10.0**power for power in range(low, high + 1)], "format": "~g", "grid": True}
    x = quantity("end", None, scale=scale, axis=axis)
    bars = [row for row in rows if row["rps"] is not None]
    return [
        {
            "data": values(bars),
            "mark": {"type": "bar", "height": {"band": 0.7}, "color": BLUE},
            "encoding": {"y": y, "x": x, "x2": {"field": "start"}, "tooltip": hover("stage", "result")},
        },
        {
            "data": values(rows),
            "mark": {"type": "text", "align": "left", "dx": 8, "color": FAINT},
            "encoding": {"y": y, "x": x, "text": {"field": "note", "type": "nominal"}},
        },
    ]


def _parts(stages: Sequence[ChartStage], names: list[str], parts: Sequence[str]) -> list[Spec]:
    rows: list[Spec] = []
    for stage in stages:
        begin = 0.0
        for part in parts:
            share = stage.parts_percent.get(part)
            if not share:
                continue
            row = {"id": stage.id, "stage": stage.name, "part": part, "start": begin, "end": begin + share}
            rows.append(
                row | {"middle": begin + share / 2, "share": f"{format_figure(share)} %", "label": f"{share:.0f}"}
            )
            begin += share
    inside = [
        {"stage": stage.name, "at": 100.0, "text": f"{format_figure(stage.mean_ms)} ms"}
        for stage in stages
        if stage.mean_ms is not None
    ]
    y = _place(names, labels=False)
    axis = {"orient": "top", "values": [0, 50, 100], "grid": True}
    scale = {"domain": [0, 100], "nice": False}
    colour = {
        "field": "part",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(parts), "range": list(_COLOURS[: len(parts)])},
        "legend": {"orient": "bottom", "direction": "horizontal", "symbolType": "square"},
    }
    white: Spec = {"type": "text", "color": "#ffffff"}
    tooltip = hover("stage", "part", "share")
    return [
        {
            "data": values(rows),
            "mark": {"type": "bar", "height": {"band": 0.7}},
            "encoding": {
                "y": y,
                "x": quantity("start", None, scale=scale, axis=axis),
                "x2": {"field": "end"},
                "color": colour,
                "tooltip": tooltip,
            },
        },
        {
            "data": values(row for row in rows if row["end"] - row["start"] >= _LABEL_FROM_PERCENT),
            "mark": white,
            "encoding": {
                "y": y,
                "x": quantity("middle", None, scale=scale, axis=axis),
                "text": {"field": "label", "type": "nominal"},
            },
        },
        {
            "data": values(inside),
            "mark": {"type": "text", "align": "left", "dx": 8, "color": FAINT},
            "encoding": {
                "y": y,
                "x": quantity("at", None, scale=scale, axis=axis),
                "text": {"field": "text", "type": "nominal"},
            },
        },
    ]


def _sentence(stage: ChartStage) -> str:
    """The stage as a sentence, for readers who cannot see it."""
    shares = [f"{part} {share:.0f} %" for part, share in stage.parts_percent.items() if share]
    return f"{stage.name}: {stage.note}" + (f", {', '.join(shares)}" if shares else "")
