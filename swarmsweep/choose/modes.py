"""How the choice of a cell differs between a fixed load and a search."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

from swarmsweep.choose import capacity_load, fixed_load
from swarmsweep.choose.comparisons import compare_with_each, noise_in
from swarmsweep.choose.maximum import Maximum, of_fixed_load, of_search
from swarmsweep.choose.paired_test import Noise
from swarmsweep.choose.recommendation import Recommendation
from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import Row
from swarmsweep.plan.tariff import tariff_of
from swarmsweep.sweep.load import CAPACITY, FIXED, StoredLoad, mode_of
from swarmsweep.sweep.matrix import LOCUSTFILE_AXIS
from swarmsweep.units import format_figure


class Choice(ABC):
    """The choice among the rows of a run. The recommendation is computed once.

    ``rows`` are the rows of the plan's cells, all or some. ``candidates`` are the rows that may win. ``rate_noun`` is
    what `maximum_of` has, in words.
    """

    rate_noun: str

    def __init__(self, plan: Plan, rows: list[Row]) -> None:
        self.plan = plan
        self.rows = rows
        self.candidates = _candidates(plan, rows)
        self.tariff = tariff_of(plan)

    @cached_property
    def recommendation(self) -> Recommendation:
        """The chosen cell, and the reason."""
        if not self.is_measured:
            # The page counts the same rows: all of them.
            return fixed_load.nothing_measured(self.rows)
        return self._recommend()

    @property
    def is_measured(self) -> bool:
        """Whether a row that may win is valid. Otherwise there is no figure to rely on."""
        return any(row.status == "valid" and not row.twin_of for row in self.candidates)

    @property
    def chosen(self) -> Row | None:
        """The row of the recommended cell."""
        cell_id = self.recommendation.cell_id
        return next((row for row in self.rows if row.id == cell_id), None)

    @abstractmethod
    def rate_of(self, row: Row) -> float | None:
        """The requests per second that a valid row served; of a search, its conservative rate. None if unknown."""

    @abstractmethod
    def verdict(self, row: Row) -> str:
        """What a valid row shows, as the rest of a sentence: 'holds the SLO, ...'."""

    @abstractmethod
    def against(self, row: Row) -> str:
        """The chosen row against another valid one, as a sentence. Both exist."""

    @abstractmethod
    def nearest(self) -> Row | None:
        """The row that is nearest to a choice when none is chosen; None when there is no such row."""

    @property
    @abstractmethod
    def noise(self) -> Noise:
        """How much two measurements of one configuration differ, as far as a control pair shows it."""

    @abstractmethod
    def maximum_of(self, row: Row) -> Maximum:
        """The most that a valid cell serves, as far as its figures show it."""

    @abstractmethod
    def sensitivity(self) -> list[str]:
        """Sentences on how other limits, or another headroom, would change the choice."""

    @abstractmethod
    def _recommend(self) -> Recommendation: ...


class FixedChoice(Choice):
    """The choice among rows of a fixed load."""

    rate_noun = "requests/s"

    @cached_property
    def noise(self) -> Noise:
        """Users of a fixed load have no control pair."""
        return Noise(None, None, None, "")

    def maximum_of(self, row: Row) -> Maximum:
        """The rate of each attempt, if the cell was at its limit."""
        return of_fixed_load(row)

    def nearest(self) -> Row | None:
        """The valid row that misses the SLO by least, or the cheapest of several; None when no row is valid."""
        return fixed_load.nearest(self.candidates, self.plan.limits, self.tariff)

    def sensitivity(self) -> list[str]:
        """Sentences on how other limits would change the choice."""
        return fixed_load.sensitivity(self.candidates, self.plan.limits, self.recommendation.cell_id, self.tariff)

    def rate_of(self, row: Row) -> float | None:
        """The requests per second that a valid row served."""
        return row.rps if row.status == "valid" else None

    def verdict(self, row: Row) -> str:
        """Whether the row holds the SLO, with its figures."""
        if row.meets_slo:
            return f"holds the SLO, with {fixed_load.figures_in_words(row, self.plan.limits)}"
        return fixed_load.why_not(row, self.plan.limits)

    def against(self, row: Row) -> str:
        """The requests per second of both."""
        chosen = self.chosen
        if chosen is None or not chosen.rps or not row.rps:
            return "The requests/s of the two were not measured."
        return f"It served {format_figure(chosen.rps)} requests/s, and the baseline {format_figure(row.rps)}."

    def _recommend(self) -> Recommendation:
        return fixed_load.recommend(self.candidates, self.plan.limits, self.tariff)


class CapacityChoice(Choice):
    """The choice among rows of a search."""

    rate_noun = "capacity"

    @cached_property
    def noise(self) -> Noise:
        """How much the anchor and its twin differ."""
        return noise_in(self.plan, self.rows)

    def maximum_of(self, row: Row) -> Maximum:
        """The capacity of each deployment."""
        return of_search(row, self._loads.get(row.id, self.plan.load))

    @cached_property
    def _loads(self) -> dict[str, StoredLoad]:
        return {cell.id: self.plan.load_of(cell) for cell in self.plan.cells}

    def nearest(self) -> Row | None:
        """The valid row with the highest verified rate; None when no rate was verified."""
        return capacity_load.highest_verified(self.candidates)

    def sensitivity(self) -> list[str]:
        """Sentences on how another headroom would change the choice; empty without a target."""
        return capacity_load.sensitivity(self.plan, self.candidates)

    def rate_of(self, row: Row) -> float | None:
        """The conservative rate of a valid row."""
        return capacity_load.conservative_rps(row) if row.status == "valid" else None

    def verdict(self, row: Row) -> str:
        """The rate that was verified."""
        rate = self.rate_of(row)
        if rate is None:
            return "has no verified rate"
        return f"has a conservative rate of {format_figure(rate)} requests/s"

    def against(self, row: Row) -> str:
        """The comparison of both over the blocks, among all comparisons of the chosen row."""
        chosen, able = self.chosen, capacity_load.eligible_cells(self.candidates)
        if chosen is None or all(row is not other for other in able):
            return "Without a rate that was verified, the two cannot be compared."
        return capacity_load.in_words(compare_with_each(chosen, able, self.noise)[row.id])

    def _recommend(self) -> Recommendation:
        return capacity_load.recommend(self.plan, self.candidates, self.noise)


def choice_of(plan: Plan, rows: list[Row]) -> Choice:
    """The choice among ``rows``, by the mode of the sweep's load."""
    return CHOICES[mode_of(plan.load)](plan, rows)


CHOICES: dict[str, Callable[[Plan, list[Row]], Choice]] = {FIXED: FixedChoice, CAPACITY: CapacityChoice}


def _candidates(plan: Plan, rows: list[Row]) -> list[Row]:
    """The rows that may win. An endpoint that does no prediction is faster, but cannot be recommended."""
    usual = plan.load["locustfile"]
    return [row for row in rows if row.config.get(LOCUSTFILE_AXIS, usual) == usual] or rows
