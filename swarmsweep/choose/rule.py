"""A rule of thumb, as summary.json has it."""

from msgspec import Struct, field

from swarmsweep.plan.row import Interval
from swarmsweep.record_file import Number, Whole
from swarmsweep.sweep.matrix import AxisValue


class Rule(Struct, frozen=True, kw_only=True):
    """What the step from ``smaller`` to ``larger`` on an axis brought, the others being equal.

    ``factor`` is the larger rate divided by the smaller one, as the geometric mean over ``pairs`` of cell ids; None
    where the data do not show it: ``sentence`` says why. ``interval`` is at 95 %, over ``blocks``, and None with one
    block. ``pair_range`` has the lowest and the highest factor of several pairs. ``factor_per_cost`` is ``factor``
    divided by ``cost_factor``. ``verdict`` is as in `paired_test`: whether the larger cell is better. ``where`` has the
    axes besides the four sizes, ``bottlenecks`` those of the larger cells. Without a pair, ``smaller`` is None.
    """

    axis: str
    smaller: Number | None = None
    larger: Number | None = None
    where: dict[str, AxisValue] = {}
    factor: Number | None = None
    is_lower_bound: bool = field(name="at_least", default=False)
    interval: Interval | None = None
    pair_range: Interval | None = None
    blocks: Whole = 0
    cost_factor: Number | None = None
    factor_per_cost: Number | None = None
    verdict: str | None = None
    pairs: list[tuple[str, str]] = []
    bottlenecks: list[str] = []
    sentence: str = ""
