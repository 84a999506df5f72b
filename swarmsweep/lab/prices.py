"""The setting `lab_prices`: what a CPU, a GiB of memory and a host cost for an hour."""

import math
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, to_builtins

from swarmsweep.errors import InputError
from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, settings_of
from swarmsweep.record_file import WrittenAmount
from swarmsweep.units import format_plain, quoted

SETTING = "lab_prices"
AMOUNTS = ("cpu_hour", "gib_hour", "host_hour")
# A month of 365 / 12 days.
HOURS_PER_MONTH = 730
# For an hour of one unit. A larger number is a typing error, whatever the currency.
MAX_PRICE = 1_000_000
# Letters alone: a sign such as the dollar begins a formula in the Markdown of GitHub.
_CURRENCY = re.compile(r"[A-Za-z]{1,8}", re.ASCII)
_ALLOWED = (
    "numbers from 0 for cpu_hour, gib_hour and host_hour, of which one is above 0, and letters for currency. "
    "For example: {cpu_hour: 0.04, gib_hour: 0.0045, currency: EUR}"
)


class Prices(Struct, frozen=True, kw_only=True):
    """The price of one CPU, of one GiB of memory, and of one API host, each for an hour.

    A price that the inventory leaves out is 0: a cloud bills CPUs and memory, or whole hosts.
    """

    cpu_hour: WrittenAmount = 0
    gib_hour: WrittenAmount = 0
    host_hour: WrittenAmount = 0
    currency: str

    def as_json(self) -> dict[str, Any]:
        """The prices as plan.json holds them."""
        plain: dict[str, Any] = to_builtins(self)
        return plain

    def describe(self) -> str:
        """As 'cpu_hour 0.04, gib_hour 0.0045, host_hour 0 EUR'."""
        amounts = ", ".join(f"{name} {format_plain(getattr(self, name))}" for name in AMOUNTS)
        return f"{amounts} {self.currency}"


def read_prices(value: Any, inventory: str = DEFAULT_INVENTORY) -> Prices | None:
    """The setting as prices; None where it is empty or missing.

    Raises:
        InputError: the mistake, what is allowed, and the file to change.
    """
    if value is None or value == {} or value == "":
        return None
    fault = _fault(value)
    if fault:
        raise InputError(f"{SETTING}{fault}; allowed: {_ALLOWED}. Fix: change it in {settings_of(inventory)}")
    return Prices(**value)


def prices_from_json(stored: Mapping[str, Any] | None) -> Prices | None:
    """The prices that `Prices.as_json` returned; None for none."""
    return Prices(**stored) if stored else None


def _fault(value: Any) -> str | None:
    """The mistake, to follow the name of the setting; None if there is none."""
    if not isinstance(value, dict):
        return f" is {quoted(value)}"
    if unknown := [key for key in value if key not in (*AMOUNTS, "currency")]:
        return f" has the unknown key {quoted(unknown[0])}"
    for name in AMOUNTS:
        if not _is_price(value.get(name, 0)):
            return f".{name} is {quoted(value[name])}"
    if not any(value.get(name, 0) for name in AMOUNTS):
        return " has no price above 0"
    currency = value.get("currency")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        return f".currency is {quoted(currency)}" if "currency" in value else " has no currency"
    return None


def _is_price(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value <= MAX_PRICE
