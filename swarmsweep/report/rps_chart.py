"""plots/rps.svg: a horizontal bar of requests per second for each cell, in the order of the plan."""

from msgspec import Struct

from swarmsweep.plan.row import Row
from swarmsweep.report.templating import render
from swarmsweep.units import format_figure

ROW_HEIGHT = 26
CHARACTER_WIDTH = 7.3  # of the 12-pixel monospace font, rounded up
_BAR_WIDTH = 360
_NOTE_LENGTH = 44
_WHISKER_REACH = 1.5  # times the estimate or the verified rate


class Whisker(Struct, frozen=True):
    """Ends of the interval and the place of the estimate, in pixels; ``cut`` if its end is beyond the chart."""

    start: float
    middle: float
    end: float
    cut: bool


class Bar(Struct, frozen=True, kw_only=True):
    """A row of the chart; lengths in pixels. ``note`` is ``full_note``, shortened to its space."""

    id: str
    kind: str
    y: int
    length: float
    whisker: Whisker | None
    note_x: float
    note: str
    full_note: str


def rps_chart(cells: list[Row], capacity: bool = False) -> str:
    """SVG text. A bar's colour and text say whether the cell meets the SLO. A cell without a figure has no bar.

    With ``capacity``, a bar is the verified rate, and the whisker on it the interval of the estimate.
    """
    label_width = round(max((len(cell.id) for cell in cells), default=10) * CHARACTER_WIDTH) + 16
    highest = max((_reach(cell, capacity) for cell in cells), default=0) or 1
    rows = [_bar(cell, highest, capacity, y=44 + i * ROW_HEIGHT) for i, cell in enumerate(cells)]
    width = label_width + _BAR_WIDTH + round((_NOTE_LENGTH + 4) * CHARACTER_WIDTH)
    values = {"rows": rows, "label_width": label_width, "width": width, "height": 56 + len(cells) * ROW_HEIGHT}
    return render("rps.svg.j2", values | {"capacity": capacity})


def printable(text: str) -> str:
    """Text on one line without control characters, which XML does not allow."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, length: int) -> str:
    """The text, shortened if it is too long."""
    return text if len(text) <= length else f"{text[:length]}…"


def _bar(cell: Row, highest: float, capacity: bool, y: int) -> Bar:
    kind = _kind(cell)
    rps = _shown_rps(cell, capacity)
    words = {"meets": "meets the SLO", "misses": "misses the SLO", "valid": "valid"}.get(kind)
    if words is None:
        words = f"{cell.status}: {cell.reason}" if cell.status else str(cell.reason)
    elif capacity:
        words = _capacity_words(cell)
    note = f"{format_figure(rps)} · {words}" if rps is not None else words
    note = printable(note)
    length = round(_BAR_WIDTH * rps / highest, 1) if rps is not None else 0
    whisker = _whisker(cell, highest) if capacity else None
    return Bar(
        id=cell.id,
        kind=kind,
        y=y,
        length=length,
        whisker=whisker,
        note_x=max(length, whisker.end if whisker else 0),
        note=shortened(note, _NOTE_LENGTH),
        full_note=note,
    )


def _shown_rps(cell: Row, capacity: bool) -> float | None:
    return cell.capacity_rps if capacity else cell.rps


def _capacity_words(cell: Row) -> str:
    if cell.capacity is None or cell.capacity.verified_rps is None:
        return "no rate was verified"
    least = "at least" if cell.capacity.is_lower_bound else "verified"
    return f"{least}{', misses the target' if cell.meets_slo is False else ''}{_twin(cell)}"


def _twin(cell: Row) -> str:
    return f", twin of {cell.twin_of}" if cell.twin_of else ""


def _reach(cell: Row, capacity: bool) -> float:
    """The right end of a row. The interval of two deployments can be many times its estimate, so it is cut."""
    rps = _shown_rps(cell, capacity) or 0
    if not capacity or not cell.capacity:
        return rps
    estimate = cell.capacity.estimate_rps or 0
    _, high = cell.capacity.interval_rps or (0, 0)
    return max(rps, estimate, min(high, _WHISKER_REACH * max(rps, estimate)))


def _whisker(cell: Row, highest: float) -> Whisker | None:
    capacity = cell.capacity
    if capacity is None or capacity.estimate_rps is None or capacity.interval_rps is None:
        return None
    low, high = capacity.interval_rps
    start, middle, end = (
        round(_BAR_WIDTH * min(value / highest, 1), 1) for value in (low, capacity.estimate_rps, high)
    )
    return Whisker(start, middle, end, cut=high > highest)


def _kind(cell: Row) -> str:
    if cell.status == "valid":
        return {True: "meets", False: "misses", None: "valid"}[cell.meets_slo]
    return "failed" if cell.status in ("failed", "invalid") else "none"
