"""What all charts share: colours, shapes and fonts, and the frame of a Vega-Lite specification."""

import re
from collections.abc import Iterable
from typing import Any

from swarmsweep.units import format_plain

# A Vega-Lite specification, or a part of one.
Spec = dict[str, Any]

# A browser compares it with its own version of Vega-Lite. Only the first number counts.
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# These fonts are equally wide, so a text takes as much space in a browser as it did when the chart was drawn.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
FONT_PX = 12
CHARACTER_PX = 6.7  # the mean width of a character at this size, rounded up

INK, FAINT, AXIS, GRID = "#1f2328", "#59636e", "#8c959f", "#d1d9e0"
BLUE, VIOLET, OCHRE, TEAL, PINK, BROWN = "#0969da", "#8250df", "#9a6700", "#0e7490", "#bf3989", "#7d4e00"
GREEN, ORANGE, RED, GREY = "#1a7f37", "#bc4c00", "#cf222e", "#6e7781"
# The same colours on a dark page. Each light colour is used for nothing else, so a style sheet can replace it.
DARK = {
    INK: "#f0f6fc",
    FAINT: "#9198a1",
    AXIS: "#6e7681",
    GRID: "#3d444d",
    BLUE: "#58a6ff",
    VIOLET: "#bc8cff",
    OCHRE: "#d29922",
    TEAL: "#39c5cf",
    PINK: "#f778ba",
    BROWN: "#e0b472",
    GREEN: "#3fb950",
    ORANGE: "#f0883e",
    RED: "#ff7b72",
    GREY: "#8b949e",
}
SERIES = (BLUE, ORANGE, GREEN, VIOLET, OCHRE, PINK, TEAL, BROWN)

HOLDS, MISSES, UNDECIDED = "holds the SLO", "misses the SLO", "undecided"
# Of a search with a target. A cell below it holds the SLO too, up to its own rate.
REACHES, BELOW = "reaches the target", "below the target"
NOT_VALID, NOT_JUDGED = "not valid", "not judged"
# Each verdict has a shape and words too, because some readers do not see the colours.
VERDICTS = {
    HOLDS: (GREEN, "circle"),
    REACHES: (GREEN, "triangle-up"),
    BELOW: (OCHRE, "triangle-right"),
    MISSES: (ORANGE, "triangle-down"),
    UNDECIDED: (VIOLET, "diamond"),
    NOT_VALID: (RED, "cross"),
    NOT_JUDGED: (GREY, "square"),
}

_CONFIG: Spec = {
    "font": FONT,
    "background": "transparent",
    # The chart has a description, and a table has its figures. So a screen reader does not read each mark.
    "aria": False,
    "mark": {"aria": False},
    "view": {"stroke": None},
    "axis": {
        "labelColor": FAINT,
        "titleColor": INK,
        "domainColor": AXIS,
        "tickColor": AXIS,
        "gridColor": GRID,
        "labelFontSize": FONT_PX,
        "titleFontSize": FONT_PX,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelLimit": 420,
        # Otherwise the last label is moved to the left, over the one beside it.
        "labelFlush": False,
    },
    "legend": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": FONT_PX,
        "titleFontSize": FONT_PX,
        "titleFontWeight": "normal",
        "labelLimit": 420,
        "symbolSize": 90,
    },
    "title": {"color": INK, "fontSize": FONT_PX + 1, "anchor": "start", "fontWeight": "bold"},
    "text": {"fontSize": FONT_PX},
}


def chart(description: str, body: Spec) -> Spec:
    """A whole specification. ``description`` says in words what the chart shows."""
    return {"$schema": SCHEMA, "description": printable(description), "config": _CONFIG, **body}


def values(rows: Iterable[Spec]) -> Spec:
    """Rows as the data of a chart. Text in them is shown as it is, and never evaluated."""
    return {"values": [{key: printable(v) if isinstance(v, str) else v for key, v in row.items()} for row in rows]}


def by_verdict(used: Iterable[str], title: str | None = None) -> Spec:
    """The colour of marks by their verdict, with a legend of those that occur."""
    found = set(used)
    domain = [verdict for verdict in VERDICTS if verdict in found]
    return {
        "field": "verdict",
        "type": "nominal",
        "title": title,
        "scale": {"domain": domain, "range": [VERDICTS[verdict][0] for verdict in domain]},
        "legend": {"orient": "top", "symbolOpacity": 1},
    }


def shape_by_verdict(used: Iterable[str], title: str | None = None) -> Spec:
    """The shape of marks by their verdict; its legend is one with that of `by_verdict`."""
    coloured = by_verdict(used, title)
    shapes = [VERDICTS[verdict][1] for verdict in coloured["scale"]["domain"]]
    return coloured | {"scale": {"domain": coloured["scale"]["domain"], "range": shapes}}


def quantity(field: str, title: str | None, **more: Any) -> Spec:
    """A channel of a position, on a linear axis from zero unless ``more`` says otherwise."""
    return {"field": field, "type": "quantitative", "title": title} | more


def hover(*fields: str) -> list[Spec]:
    """What a live chart shows of a mark. The names of the fields are their titles."""
    return [{"field": field, "type": "nominal", "title": field} for field in fields]


def limit_line(limit_ms: float, width_px: int) -> list[Spec]:
    """The layers of a horizontal line at a limit of the SLO. Its label is beside the panel, where no mark is."""
    at = {"datum": limit_ms, "type": "quantitative"}
    line = {"mark": {"type": "rule", "color": RED, "strokeDash": [6, 4], "strokeWidth": 1.5}, "encoding": {"y": at}}
    label = f"SLO: {format_plain(limit_ms)} ms"
    text = {"type": "text", "align": "left", "baseline": "middle", "dx": 6, "color": RED, "text": label, "clip": False}
    return [
        {"data": values([{}]), **line},
        {"data": values([{}]), "mark": text, "encoding": {"x": {"value": width_px}, "y": at}},
    ]


def latency_scale(latencies_ms: Iterable[float]) -> Spec:
    """A logarithmic scale where latencies differ much, so that small ones can be read too."""
    positive = [value for value in latencies_ms if value > 0]
    wide = bool(positive) and max(positive) > WIDE * min(positive)
    return {"type": "log", "nice": True} if wide else {"zero": True, "nice": True}


# A clause of a reason ends here.
_CLAUSE_END = re.compile(r"[.:;] ")
# On a linear axis, a value that is smaller by this factor has a tenth of the height.
WIDE = 10


def printable(text: str) -> str:
    """Text on one line without control characters, which XML does not allow."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, length: int) -> str:
    """The text if it is short, else its first clauses or words. The table has it whole."""
    if len(text) <= length:
        return text
    head = text[: length + 1]
    clauses = [end.start() for end in _CLAUSE_END.finditer(head)]
    words = head.rfind(" ")
    # Less than half of the text that has room would say too little.
    end = next((place for place in reversed(clauses) if 2 * place >= length), words if 2 * words >= length else length)
    return f"{text[:end].rstrip(' ,.:;')} …"
