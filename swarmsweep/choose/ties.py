"""The order of cells that do not differ clearly: the cheapest, then the one with the fewest workers."""

import math
from collections.abc import Sequence

from swarmsweep.choose.paired_test import MIN_MARGIN, TIE_SHARE
from swarmsweep.plan.row import Row
from swarmsweep.plan.tariff import CPU_EQUIVALENTS, Tariff


def plain_order(cell: Row, tariff: Tariff = CPU_EQUIVALENTS) -> tuple[float, int, int, str]:
    """Sort key: cost, workers of all replicas, replicas, id. No figure of the measurement is in it."""
    config = cell.config
    return round(tariff.cost(config), 9), config["replicas"] * config["workers"], config["replicas"], cell.id


def cheapest(cells: Sequence[Row], tariff: Tariff = CPU_EQUIVALENTS) -> Row:
    """The cheapest cell. Of several with the same cost, the one with the most requests per second, or one that ties
    with it and is first in `plain_order`.
    """
    price = min(plain_order(cell, tariff)[0] for cell in cells)
    same = [cell for cell in cells if plain_order(cell, tariff)[0] == price]
    same.sort(key=lambda cell: plain_order(cell, tariff))
    fastest = max(same, key=lambda cell: cell.rps or 0)
    return next(cell for cell in same if cell is fastest or _ties(cell, fastest))


def _ties(cell: Row, fastest: Row) -> bool:
    """Whether the two may serve equally many requests per second.

    One attempt does not show how much attempts differ, so 10 % are a tie. With several, these show it.
    """
    if not cell.rps or not fastest.rps:
        return False
    share = math.log(fastest.rps / cell.rps)
    if cell.rps_range is None or fastest.rps_range is None:
        return share <= -math.log(1 - TIE_SHARE)
    return share <= MIN_MARGIN or cell.rps_range[1] >= fastest.rps_range[0]
