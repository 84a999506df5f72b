"""How rates grow with replicas and with workers: for each group of cells, the fitted law, or why there is none."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from swarmsweep.choose import rule_text
from swarmsweep.choose.axis_pairs import Measured, groups
from swarmsweep.choose.modes import Choice
from swarmsweep.choose.rules import measured_cells
from swarmsweep.choose.scaling_law import MIN_POINTS, ScalingLaw, fit
from swarmsweep.record_file import Number, Whole
from swarmsweep.stats import geometric_mean

# Memory and CPU have no such law: more of them serve nothing by themselves.
AXES = ("replicas", "workers")


class ScalingPoint(Struct, frozen=True, kw_only=True):
    """One cell. With ``at_least``, it may serve more, and the law does not use it."""

    cell_id: str
    count: Whole
    rps: Number
    at_least: bool = False


class Scaling(Struct, frozen=True, kw_only=True):
    """The cells that differ in ``axis`` alone, and their law. It is None with fewer than three rates, and where it does
    not fit.

    ``config`` has the other axes. ``fitted`` has the rates of the law at the values of the axis that the law uses, up
    to the next one. ``residual_percent`` is also known where the law does not fit.
    """

    axis: str
    config: dict[str, Any]
    points: list[ScalingPoint]
    law: ScalingLaw | None = None
    residual_percent: Number | None = None
    fitted: list[tuple[Whole, Number]] = []
    sentence: str = ""


def scalings_of(choice: Choice) -> list[Scaling]:
    """A scaling for each group of three or more cells, by axis and in the order of the plan."""
    cells = measured_cells(choice)
    return [
        _scaling(axis, group, choice.rate_noun)
        for axis in AXES
        for group in groups(cells, axis)
        if len(group) >= MIN_POINTS
    ]


def _scaling(axis: str, group: list[Measured], noun: str) -> Scaling:
    points = [
        ScalingPoint(
            cell_id=cell.row.id,
            count=cell.row.config[axis],
            rps=round(geometric_mean(cell.maximum.rates_rps.values()), 4),
            at_least=cell.maximum.is_lower_bound,
        )
        for cell in group
    ]
    config = {name: value for name, value in group[0].row.config.items() if name != axis}
    rates = {point.count: float(point.rps) for point in points if not point.at_least}
    law = fit(rates)
    scaling = Scaling(
        axis=axis,
        config=config,
        points=points,
        residual_percent=None if law is None else round(law.residual_percent, 4),
        sentence=rule_text.scaling(axis, config, law, list(rates), len(points), noun),
    )
    if law is None or not law.fits:
        return scaling
    counts = range(min(rates), max(rates) + 2)
    return replace(scaling, law=_rounded(law), fitted=[(count, round(law.rate_at(count), 4)) for count in counts])


def _rounded(law: ScalingLaw) -> ScalingLaw:
    return ScalingLaw(
        rate_of_one_rps=round(law.rate_of_one_rps, 4),
        contention=round(law.contention, 6),
        coherency=round(law.coherency, 6),
        residual_percent=round(law.residual_percent, 4),
    )
