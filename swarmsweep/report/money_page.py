"""The part of summary.md on money: each configuration for a month, and for a million requests."""

from msgspec import Struct

from swarmsweep.choose.modes import Choice
from swarmsweep.choose.money import Money
from swarmsweep.lab.prices import HOURS_PER_MONTH
from swarmsweep.markdown import MISSING, markdown
from swarmsweep.plan.tariff import format_money
from swarmsweep.report.page_rows import figure


class MoneySection(Struct, frozen=True, kw_only=True):
    """The template's values, as text that is already safe in Markdown. ``hours`` are those of a month."""

    currency: str
    prices: str
    hours: int
    header: list[str]
    rows: list[list[str]]


def money_section(choice: Choice, money: Money | None) -> MoneySection | None:
    """The section; None without prices."""
    if money is None:
        return None
    currency = money.prices.currency
    rates = {row.id: choice.rate_of(row) for row in choice.rows}
    chosen = choice.recommendation.cell_id
    return MoneySection(
        currency=markdown(currency),
        prices=markdown(money.prices.describe()),
        hours=HOURS_PER_MONTH,
        header=["cell", f"{currency} a month", f"{currency} for a million requests", "at requests/s"],
        rows=[
            [
                ("**→** " if cell.id == chosen else "") + markdown(cell.id),
                format_money(cell.month),
                MISSING if cell.million_requests is None else format_money(cell.million_requests),
                figure(rates[cell.id]),
            ]
            for cell in money.cells
        ],
    )
