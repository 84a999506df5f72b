"""Checks of the orders that a master sends to its workers, and their reading from a message."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from math import inf
from typing import Any, TypeVar

Order = TypeVar("Order")


def refuse_invalid(order: Any, rules: Iterable[tuple[str, bool, str]]) -> None:
    """Refuse an order with a setting whose rule does not hold.

    Args:
        rules: the setting, whether it is valid, and what is allowed.

    Raises:
        ValueError: which setting, and what is allowed.
    """
    for name, holds, allowed in rules:
        if not holds:
            raise ValueError(f"order of a probe: {name} is {getattr(order, name)!r}; allowed: {allowed}")


def order_from(kind: type[Order], data: Mapping[str, Any]) -> Order:
    """The order of this kind in a message. Raises ValueError also for unknown or missing settings."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - known):
        raise ValueError(f"order of a probe: unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    try:
        return kind(**data)
    except TypeError as error:
        raise ValueError(f"order of a probe: {error}") from None


def is_whole(value: Any, least: float, most: float = inf) -> bool:
    """Whether a value is a whole number from ``least`` to ``most``."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_positive(value: Any, most: float) -> bool:
    """Whether a value is a number above 0, and at most ``most``."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most


def is_settle(value: Any, most: float) -> bool:
    """Whether a value is a number from 0 to ``most``: a probe may measure from its start."""
    return (value == 0 and not isinstance(value, bool)) or is_positive(value, most)
