"""Rate against cost, with the Pareto front: the cells where no cheaper one is as fast."""

from collections.abc import Sequence
from typing import NamedTuple

from swarmsweep.charts.cells import ChartCell
from swarmsweep.charts.style import (
    AXIS,
    BELOW,
    CHARACTER_PX,
    FONT_PX,
    HOLDS,
    INK,
    REACHES,
    Spec,
    by_verdict,
    chart,
    hover,
    quantity,
    shape_by_verdict,
    shortened,
    values,
)
from swarmsweep.markdown import MISSING
from swarmsweep.units import format_figure

_WIDTH_PX, _HEIGHT_PX = 560, 320
_MARGIN = 1.08  # room above and beside the last point
_LABEL_LENGTH = 40
# Where a name is beside its point: above the line of the front on its left, and below it on its right.
_BESIDE_PX, _RISE_PX, _FALL_PX = 10, 10, 12
_REACH_PX = 5  # half of the size of a point


class _Box(NamedTuple):
    """The place of a name, in pixels."""

    start: float
    end: float
    top: float
    bottom: float

    def has(self, x: float, y: float) -> bool:
        """Whether a point touches the place."""
        inside = self.start - _REACH_PX < x < self.end + _REACH_PX
        return inside and self.top - _REACH_PX < y < self.bottom + _REACH_PX

    def meets(self, other: "_Box") -> bool:
        """Whether the two places overlap."""
        beside = self.end <= other.start or other.end <= self.start
        return not beside and self.top < other.bottom and other.top < self.bottom


def cost_chart(cells: Sequence[ChartCell], searches: bool, cost_unit: str = "CPU equivalents") -> Spec | None:
    """The measured cells; None with fewer than two of them."""
    measured = [cell for cell in cells if cell.rps is not None]
    if len(measured) < 2:
        return None
    front = pareto_front(measured)
    x_end = _MARGIN * max(cell.cost for cell in measured)
    y_end = _MARGIN * max(cell.rps or 0 for cell in measured) or 1
    x = quantity("price", f"cost, {cost_unit}", scale={"domain": [0, x_end], "nice": False})
    title = "verified rate, requests/s" if searches else "successful requests/s at this load"
    y = quantity("rps", title, scale={"domain": [0, y_end], "nice": False})
    steps = [_row(cell) for cell in front]
    if front:
        steps.append({"price": x_end, "rps": front[-1].rps})
    verdicts = [cell.verdict for cell in measured]
    points: Spec = {
        "x": x,
        "y": y,
        "color": by_verdict(verdicts),
        "shape": shape_by_verdict(verdicts),
        "tooltip": hover("configuration", "requests/s", "p95 ms", "cost", "result"),
    }
    layers: list[Spec] = [
        {
            "data": values(steps),
            "mark": {"type": "line", "interpolate": "step-after", "color": AXIS, "strokeWidth": 1.5},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": values(_row(cell) for cell in measured),
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": points,
        },
        *_labels(front, measured, x, y, x_end, y_end),
    ]
    names = ", ".join(f"{cell.id} ({format_figure(cell.rps or 0)} requests/s at {cell.cost:.2f})" for cell in front[:8])
    goal = goal_of(measured)
    description = f"No cheaper cell that {goal} is as fast as these: {names}" if front else f"No cell {goal}"
    return chart(description, {"width": _WIDTH_PX, "height": _HEIGHT_PX, "layer": layers})


def goal_of(cells: Sequence[ChartCell]) -> str:
    """What a good cell does: it reaches the target of a search, or else holds the SLO."""
    return REACHES if any(cell.verdict in (REACHES, BELOW) for cell in cells) else HOLDS


def pareto_front(cells: Sequence[ChartCell]) -> list[ChartCell]:
    """The cells that hold the SLO, or reach the target, and are faster than all others of no higher cost, by cost."""
    good = [cell for cell in cells if cell.verdict in (HOLDS, REACHES) and cell.rps is not None]
    front: list[ChartCell] = []
    for cell in sorted(good, key=lambda cell: (cell.cost, -(cell.rps or 0), cell.id)):
        if not front or (cell.rps or 0) > (front[-1].rps or 0):
            front.append(cell)
    return front


def _row(cell: ChartCell) -> Spec:
    return {
        "id": cell.id,
        "configuration": cell.id,
        "price": cell.cost,
        "cost": f"{cell.cost:.2f}",
        "rps": cell.rps,
        "requests/s": format_figure(cell.rps or 0),
        "p95 ms": MISSING if cell.p95_ms is None else format_figure(cell.p95_ms),
        "result": cell.note,
        "verdict": cell.verdict,
    }


def _labels(
    front: list[ChartCell], measured: list[ChartCell], x: Spec, y: Spec, x_end: float, y_end: float
) -> list[Spec]:
    """The names of the recommended cell and of the front, without those that would cover another name."""
    chosen = [cell for cell in measured if cell.is_chosen]
    points = [(_WIDTH_PX * cell.cost / x_end, _HEIGHT_PX * (1 - (cell.rps or 0) / y_end)) for cell in measured]
    placed: list[_Box] = []
    left: list[Spec] = []
    right: list[Spec] = []
    for cell in {cell.id: cell for cell in (*chosen, *front)}.values():
        text = shortened(f"→ {cell.id}" if cell.is_chosen else cell.id, _LABEL_LENGTH)
        width = CHARACTER_PX * len(text)
        at_x, at_y = _WIDTH_PX * cell.cost / x_end, _HEIGHT_PX * (1 - (cell.rps or 0) / y_end)
        to_left = at_x > _WIDTH_PX / 2
        middle = at_y + (-_RISE_PX if to_left else _FALL_PX)
        start = at_x - _BESIDE_PX - width if to_left else at_x + _BESIDE_PX
        box = _Box(start, start + width, middle - FONT_PX / 2 - 2, middle + FONT_PX / 2 + 2)
        hidden = (
            box.bottom > _HEIGHT_PX
            or any(box.has(*point) for point in points)
            or any(box.meets(other) for other in placed)
        )
        if hidden and not cell.is_chosen:
            continue
        placed.append(box)
        (left if to_left else right).append(_row(cell) | {"label": text})
    sides = (("right", -_BESIDE_PX, -_RISE_PX, left), ("left", _BESIDE_PX, _FALL_PX, right))
    return [
        {
            "data": values(rows),
            "mark": {"type": "text", "align": align, "dx": dx, "dy": dy, "color": INK},
            "encoding": {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}},
        }
        for align, dx, dy, rows in sides
        if rows
    ]
