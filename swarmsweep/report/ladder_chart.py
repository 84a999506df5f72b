"""plots/ladder.svg: for each stage its requests per second on a logarithmic axis, and the parts of a request's time."""

import math

from msgspec import Struct

from swarmsweep.report.ladder import PART_NAMES, Stage
from swarmsweep.report.rps_chart import CHARACTER_WIDTH, ROW_HEIGHT, printable, shortened
from swarmsweep.report.templating import render
from swarmsweep.units import format_figure, format_plain

_TOP = 88  # title, legend and the labels of the axis are above the first row
_RPS_WIDTH = 300
_RPS_NOTE_WIDTH = round(18 * CHARACTER_WIDTH)  # as "1234.5 · x1234.5"
_STACK_WIDTH = 260
_STACK_NOTE_WIDTH = round(17 * CHARACTER_WIDTH)  # as "1454.3 ms"; the legend above is as wide
_REASON_LENGTH = 60  # characters up to the other panel, which is empty in that case
_LABEL_FROM_WIDTH = 30  # pixels; a narrower piece has its share in its title alone


class Tick(Struct, frozen=True):
    """A mark of the axis."""

    x: float
    label: str


class LegendEntry(Struct, frozen=True):
    """A part of a request's time, and its name."""

    part: str
    name: str
    x: float


class Piece(Struct, frozen=True):
    """The share of a part; a narrow one has no label."""

    part: str
    x: float
    width: float
    label: str
    title: str


class LadderRow(Struct, frozen=True, kw_only=True):
    """A stage. ``length`` and ``pieces`` are its bars, ``note`` and ``inside`` the texts beside them."""

    name: str
    title: str
    y: int
    length: float
    note: str
    pieces: list[Piece]
    inside: str


def ladder_chart(stages: list[Stage]) -> str:
    """SVG text. A stage without figures shows its reason instead of bars."""
    label_width = round(max((len(stage.name) for stage in stages), default=10) * CHARACTER_WIDTH) + 16
    stack_x = label_width + _RPS_WIDTH + _RPS_NOTE_WIDTH
    low, high = _decades([stage.rps for stage in stages if stage.rps])
    values = {
        "rows": [_row(stage, low, high, stack_x, y=_TOP + i * ROW_HEIGHT) for i, stage in enumerate(stages)],
        "ticks": [_tick(exponent, low, high) for exponent in range(low, high + 1)],
        "legend": _legend(stack_x),
        "label_width": label_width,
        "stack_x": stack_x,
        "stack_width": _STACK_WIDTH,
        "top": _TOP,
        "bottom": _TOP + len(stages) * ROW_HEIGHT,
        "width": stack_x + _STACK_WIDTH + _STACK_NOTE_WIDTH,
        "description": printable("; ".join(_sentence(stage) for stage in stages)),
    }
    return render("ladder.svg.j2", values)


def factor_text(factor: float) -> str:
    """A factor as text: 'x1', 'x1.07', 'x12.3', 'x1234'."""
    digits = 0 if factor >= 100 else 1 if factor >= 10 else 2
    text = f"{factor:.{digits}f}"
    return f"x{text.rstrip('0').rstrip('.')}" if "." in text else f"x{text}"


def _decades(values: list[float]) -> tuple[int, int]:
    """Powers of ten around the values, with enough room for a bar of the smallest."""
    if not values:
        return 0, 1
    low = math.floor(math.log10(min(values)) - 0.1)
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def _position(rps: float, low: int, high: int) -> float:
    return round(_RPS_WIDTH * (math.log10(rps) - low) / (high - low), 1)


def _tick(exponent: int, low: int, high: int) -> Tick:
    label = f"{10**exponent:,}" if exponent >= 0 else format_plain(10.0**exponent)
    return Tick(_position(10.0**exponent, low, high), label)


def _legend(x: float) -> list[LegendEntry]:
    entries = []
    for part, name in PART_NAMES.items():
        entries.append(LegendEntry(part, name, round(x, 1)))
        x += 26 + len(name) * CHARACTER_WIDTH
    return entries


def _row(stage: Stage, low: int, high: int, stack_x: float, y: int) -> LadderRow:
    note = _note(stage)
    return LadderRow(
        name=stage.name,
        title=printable(_sentence(stage)),
        y=y,
        length=_position(stage.rps, low, high) if stage.rps else 0,
        note=shortened(note, _REASON_LENGTH),
        pieces=_pieces(stage, stack_x),
        inside=_inside(stage),
    )


def _note(stage: Stage) -> str:
    if stage.status != "valid":
        return printable(f"{stage.status}: {stage.reason}" if stage.status else f"{stage.reason}")
    factor = f" · {factor_text(stage.factor)}" if stage.factor is not None else ""
    return "not measured" if stage.rps is None else format_figure(stage.rps) + factor


def _inside(stage: Stage) -> str:
    if stage.status != "valid":
        return ""
    return f"{format_figure(stage.mean_ms)} ms" if stage.mean_ms is not None else "not measured"


def _pieces(stage: Stage, x: float) -> list[Piece]:
    pieces = []
    for part, name in PART_NAMES.items():
        share = stage.shares_percent.get(part)
        if not share:
            continue
        width = round(_STACK_WIDTH * share / 100, 1)
        label = f"{share:.0f}" if width >= _LABEL_FROM_WIDTH else ""
        title = f"{stage.name}: {name} {format_figure(share)} %"
        pieces.append(Piece(part, round(x, 1), width, label, title))
        x += width
    return pieces


def _sentence(stage: Stage) -> str:
    """The row as a sentence, for readers who cannot see it."""
    note = _note(stage)
    if stage.status == "valid" and stage.rps is not None:
        note = f"{format_figure(stage.rps)} requests/s"
    shares = [f"{PART_NAMES[part]} {share:.0f} %" for part, share in stage.shares_percent.items() if share]
    return f"{stage.name}: {note}" + (f", {', '.join(shares)}" if shares else "")
