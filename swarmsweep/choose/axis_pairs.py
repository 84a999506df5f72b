"""Cells that differ in one axis alone: groups of them, and pairs of neighbours."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from swarmsweep.choose.maximum import Maximum
from swarmsweep.plan.row import Row
from swarmsweep.sweep.matrix import Config

# The axes that say how much is deployed, in the order of the page.
SIZES = ("replicas", "workers", "cpus", "memory_bytes")


@dataclass(frozen=True)
class Measured:
    """A valid cell with its rates."""

    row: Row
    maximum: Maximum

    @property
    def where(self) -> dict[str, Any]:
        """Its axes besides the sizes, as the variant: cells that differ in one of them are other software."""
        return {axis: value for axis, value in self.row.config.items() if axis not in SIZES}


Pair = tuple[Measured, Measured]


def groups(cells: Iterable[Measured], axis: str) -> list[list[Measured]]:
    """The cells in groups that differ in ``axis`` alone, each in the order of its values. Groups of one are left out.

    Cells without rates, and cells that were loaded in another way, are in no group with the others.
    """
    found: dict[Any, dict[Any, Measured]] = {}
    for cell in cells:
        if cell.maximum.rates_rps:
            key = (_others(cell.row.config, axis), cell.maximum.load_kind)
            found.setdefault(key, {}).setdefault(cell.row.config[axis], cell)
    return [[group[value] for value in sorted(group)] for group in found.values() if len(group) > 1]


def steps(cells: Iterable[Measured], axis: str) -> dict[tuple[Any, Any], list[Pair]]:
    """The pairs of neighbours in each group, by the two values of the axis, in the order of these values."""
    found: dict[tuple[Any, Any], list[Pair]] = {}
    for group in groups(cells, axis):
        for smaller, larger in pairwise(group):
            found.setdefault((smaller.row.config[axis], larger.row.config[axis]), []).append((smaller, larger))
    return dict(sorted(found.items()))


def _others(config: Config, axis: str) -> tuple[tuple[str, Any], ...]:
    return tuple((name, config[name]) for name in sorted(config) if name != axis)
