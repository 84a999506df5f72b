"""What each configuration costs in money: for a month, and for a million requests. Only with prices."""

from msgspec import Struct

from swarmsweep.choose.modes import Choice
from swarmsweep.lab.prices import Prices


class CellMoney(Struct, frozen=True, kw_only=True):
    """The cost of a configuration. ``million_requests`` is null where no rate is known."""

    id: str
    month: float
    million_requests: float | None


class Money(Struct, frozen=True, kw_only=True):
    """The prices of the run, and the cost of each configuration. Twins are left out."""

    prices: Prices
    cells: list[CellMoney]


def money_of(choice: Choice) -> Money | None:
    """The costs of the rows of a run; None without prices.

    The cost of a million requests is that of a configuration that always serves the rate that was measured.
    """
    tariff = choice.tariff
    if tariff.prices is None:
        return None
    return Money(
        prices=tariff.prices,
        cells=[
            CellMoney(
                id=row.id,
                month=tariff.cost(row.config),
                million_requests=tariff.cost_per_million(row.config, choice.rate_of(row)),
            )
            for row in choice.rows
            if not row.twin_of
        ],
    )
