"""plots/rps.svg: a horizontal bar of requests per second for each cell, in the order of the plan."""

from typing import Any

from swarmsweep.templating import render
from swarmsweep.units import format_figure

ROW_HEIGHT = 26
CHARACTER_WIDTH = 7.3  # of the 12-pixel monospace font, rounded up
_BAR_WIDTH = 360
_NOTE_LENGTH = 44


def rps_chart(cells: list[dict[str, Any]]) -> str:
    """SVG text. A bar's colour and the words behind it say whether the cell meets the SLO; no bar, no figure."""
    label_width = round(max((len(cell["id"]) for cell in cells), default=10) * CHARACTER_WIDTH) + 16
    highest = max((cell["rps"] or 0 for cell in cells), default=0) or 1
    rows = [_row(cell, highest) | {"y": 44 + i * ROW_HEIGHT} for i, cell in enumerate(cells)]
    width = label_width + _BAR_WIDTH + round((_NOTE_LENGTH + 4) * CHARACTER_WIDTH)
    values = {"rows": rows, "label_width": label_width, "width": width, "height": 56 + len(cells) * ROW_HEIGHT}
    return render("rps.svg.j2", values)


def printable(text: str) -> str:
    """Text on one line without control characters, which no XML may hold."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, length: int) -> str:
    """The text, cut where it is longer."""
    return text if len(text) <= length else f"{text[:length]}…"


def _row(cell: dict[str, Any], highest: float) -> dict[str, Any]:
    kind = _kind(cell)
    rps = cell["rps"]
    words = {"meets": "meets the SLO", "misses": "misses the SLO", "valid": "valid"}.get(kind)
    if words is None:
        words = f"{cell['status']}: {cell['reason']}" if cell["status"] else cell["reason"]
    note = f"{format_figure(rps)} · {words}" if rps is not None else words
    note = printable(note)
    return {
        "id": cell["id"],
        "kind": kind,
        "length": round(_BAR_WIDTH * rps / highest, 1) if rps is not None else 0,
        "note": shortened(note, _NOTE_LENGTH),
        "full_note": note,
    }


def _kind(cell: dict[str, Any]) -> str:
    if cell["status"] == "valid":
        return {True: "meets", False: "misses", None: "valid"}[cell["meets_slo"]]
    return "failed" if cell["status"] in ("failed", "invalid") else "none"
