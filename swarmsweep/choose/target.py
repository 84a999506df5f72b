"""What a search must reach: a rate, or a number of users. Cells are compared by rates, so a number becomes one."""

import math
from dataclasses import dataclass

from swarmsweep.plan.row import Row
from swarmsweep.sweep.load import StoredLoad
from swarmsweep.units import counted, format_figure, format_plain


@dataclass(frozen=True)
class Target:
    """``wanted`` requests per second, or users."""

    wanted: float
    is_users: bool = False

    @property
    def key(self) -> str:
        """The key in the sweep file."""
        return "target_users" if self.is_users else "target_rps"

    @property
    def noun(self) -> str:
        """What a cell must have of it."""
        return "conservative number" if self.is_users else "conservative rate"

    def rps_of(self, cell: Row) -> float:
        """The requests per second of the target on this cell: the users there send so many. Infinite if unknown."""
        return self.wanted / self._each(cell) if self._each(cell) else math.inf

    def words(self, value: float) -> str:
        """An amount with its unit, as measured."""
        return counted(math.floor(value + 1e-9), "user") if self.is_users else f"{format_figure(value)} requests/s"

    def words_of(self, cell: Row, rps: float) -> str:
        """A rate of this cell in the unit of the target."""
        return self.words(rps * self._each(cell))

    @property
    def text(self) -> str:
        """The target with its unit, as it was written."""
        unit = "requests/s" if not self.is_users else "user" if self.wanted == 1 else "users"
        return f"{format_plain(self.wanted)} {unit}"

    def _each(self, cell: Row) -> float:
        """Users, or requests per second, for each request per second of the cell; 0 where that is unknown."""
        if not self.is_users:
            return 1.0
        capacity = cell.capacity
        if capacity is None or not capacity.verified_rps or not capacity.verified_users:
            return 0.0
        return capacity.verified_users / capacity.verified_rps


def target_of(load: StoredLoad) -> Target | None:
    """The target of a load as in plan.json; None without one."""
    if users := load.get("target_users"):
        return Target(users, is_users=True)
    rps = load.get("target_rps")
    return Target(rps) if rps else None
