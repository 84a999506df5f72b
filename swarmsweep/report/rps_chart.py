"""plots/rps.svg: a horizontal bar of requests per second for each cell, in the order of the plan."""

from typing import Any

from swarmsweep.report.templating import render
from swarmsweep.units import format_figure

ROW_HEIGHT = 26
CHARACTER_WIDTH = 7.3  # of the 12-pixel monospace font, rounded up
_BAR_WIDTH = 360
_NOTE_LENGTH = 44
_WHISKER_REACH = 1.5  # times the estimate or the verified rate


def rps_chart(cells: list[dict[str, Any]], capacity: bool = False) -> str:
    """SVG text. A bar's colour and the words behind it say whether the cell meets the SLO; no bar, no figure.

    With ``capacity`` a bar is the verified rate, and the whisker on it the interval of the estimate.
    """
    label_width = round(max((len(cell["id"]) for cell in cells), default=10) * CHARACTER_WIDTH) + 16
    highest = max((_reach(cell, capacity) for cell in cells), default=0) or 1
    rows = [_row(cell, highest, capacity) | {"y": 44 + i * ROW_HEIGHT} for i, cell in enumerate(cells)]
    width = label_width + _BAR_WIDTH + round((_NOTE_LENGTH + 4) * CHARACTER_WIDTH)
    values = {"rows": rows, "label_width": label_width, "width": width, "height": 56 + len(cells) * ROW_HEIGHT}
    return render("rps.svg.j2", values | {"capacity": capacity})


def printable(text: str) -> str:
    """Text on one line without control characters, which no XML may hold."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, length: int) -> str:
    """The text, cut where it is longer."""
    return text if len(text) <= length else f"{text[:length]}…"


def _row(cell: dict[str, Any], highest: float, capacity: bool) -> dict[str, Any]:
    kind = _kind(cell)
    rps = _shown_rps(cell, capacity)
    words = {"meets": "meets the SLO", "misses": "misses the SLO", "valid": "valid"}.get(kind)
    if words is None:
        words = f"{cell['status']}: {cell['reason']}" if cell["status"] else cell["reason"]
    elif capacity:
        words = _capacity_words(cell)
    note = f"{format_figure(rps)} · {words}" if rps is not None else words
    note = printable(note)
    length = round(_BAR_WIDTH * rps / highest, 1) if rps is not None else 0
    whisker = _whisker(cell, highest) if capacity else None
    return {
        "id": cell["id"],
        "kind": kind,
        "length": length,
        "whisker": whisker,
        "note_x": max(length, whisker["end"] if whisker else 0),
        "note": shortened(note, _NOTE_LENGTH),
        "full_note": note,
    }


def _shown_rps(cell: dict[str, Any], capacity: bool) -> float | None:
    rps: float | None = cell["capacity_rps"] if capacity else cell["rps"]
    return rps


def _capacity_words(cell: dict[str, Any]) -> str:
    found = cell["capacity"] or {}
    if found.get("verified_rps") is None:
        return "no rate was verified"
    least = "at least" if found["at_least"] else "verified"
    return f"{least}{', misses the target' if cell['meets_slo'] is False else ''}{_twin(cell)}"


def _twin(cell: dict[str, Any]) -> str:
    return f", twin of {cell['twin_of']}" if cell["twin_of"] else ""


def _reach(cell: dict[str, Any], capacity: bool) -> float:
    """How far to the right a row reaches. An interval of two deployments can be many times its estimate: it is cut."""
    rps = _shown_rps(cell, capacity) or 0
    if not capacity or not cell["capacity"]:
        return rps
    estimate = cell["capacity"]["estimate_rps"] or 0
    _, high = cell["capacity"]["interval_rps"] or (0, 0)
    return max(rps, estimate, min(high, _WHISKER_REACH * max(rps, estimate)))


def _whisker(cell: dict[str, Any], highest: float) -> dict[str, Any] | None:
    """Ends of the interval and the place of the estimate, in pixels; ``cut`` where its end lies beyond the chart."""
    found = cell["capacity"] or {}
    if found.get("estimate_rps") is None or found.get("interval_rps") is None:
        return None
    low, high = found["interval_rps"]
    start, middle, end = (
        round(_BAR_WIDTH * min(value / highest, 1), 1) for value in (low, found["estimate_rps"], high)
    )
    return {"start": start, "middle": middle, "end": end, "cut": high > highest}


def _kind(cell: dict[str, Any]) -> str:
    if cell["status"] == "valid":
        return {True: "meets", False: "misses", None: "valid"}[cell["meets_slo"]]
    return "failed" if cell["status"] in ("failed", "invalid") else "none"
