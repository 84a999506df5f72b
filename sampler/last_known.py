"""Sums of counters whose owners come and go."""

from __future__ import annotations

from collections.abc import Mapping


class LastKnown:
    """A sum over items that come and go. An item that has gone keeps its last value, so that the sum never falls."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def total(self, current: Mapping[str, float | None]) -> float:
        for name, value in current.items():
            if value is not None and value >= self.values.get(name, 0):
                self.values[name] = value
        return sum(self.values.values())
