"""The outcome of a search for the capacity: the reported probe, the one with the highest load, and the capacity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from swarmsweep.judge.capacity import Capacity, capacity_of
from swarmsweep.judge.capacity_sentence import GENERATOR_LIMIT, ITERATIONS, REQUESTS
from swarmsweep.judge.next_step import Counts
from swarmsweep.judge.shown_probe import shown_probe
from swarmsweep.raw.search_record import Probe, SearchRecord
from swarmsweep.search import BAD, Slo
from swarmsweep.units import format_figure


@dataclass(frozen=True)
class SearchOutcome:
    """The probes of one deployment that could be read, in order, and the capacity that follows from them."""

    probes: tuple[Probe, ...] = ()
    capacity: Capacity | None = None

    @property
    def is_by_users(self) -> bool:
        """Whether the search varied the number of users."""
        return any(probe.entry.users is not None for probe in self.probes)

    @property
    def peak(self) -> Probe | None:
        """The probe with the highest load that the generator could make. If it could make none, all probes are
        considered.

        The closed probe counts too: it gives the API as much load as it can serve.
        """
        loads = [probe for probe in self.probes if not probe.is_unloaded]
        return _highest([probe for probe in loads if probe.was_made]) or _highest(loads)

    @property
    def reported(self) -> Probe | None:
        """The probe whose figures represent the cell, see `shown_probe`.

        If no probe was judged by the SLO, it is the one with the highest load.
        """
        number = self.capacity.verified_probe if self.capacity is not None else None
        if number is None:
            shown = shown_probe([probe.entry for probe in self.probes], None)
            number = None if shown is None else shown.number
        return next((probe for probe in self.probes if probe.number == number), None) or _highest(self.probes)

    @property
    def generator_limit(self) -> str | None:
        """The lowest load that the generator could not make, and why, if the generator and not the API limited the
        search.

        This is so if no load failed. It is also so if no rate is verified, and the generator could not make a lower
        rate than those that failed. Otherwise None.
        """
        rates = [(level, probe) for probe in self.probes if probe.is_open and (level := probe.entry.level) is not None]
        late = [(rate, probe) for rate, probe in rates if not probe.was_made]
        if self.capacity is None or not late:
            return None
        rate, missed = min(late, key=lambda pair: pair[0])
        failed = min((rate for rate, probe in rates if probe.entry.verdict == BAD), default=math.inf)
        unproven = self.capacity.verified_rps is None and rate < failed
        if self.capacity.limited_by != GENERATOR_LIMIT and not unproven:
            return None
        if missed.entry.users is not None:
            return f"with {rate:.0f} users, {missed.entry.reason}"
        unit = REQUESTS if missed.summary.measured.iterations is None else ITERATIONS
        return f"at {format_figure(rate)} {unit}, {missed.entry.reason}"


def search_outcome(record: SearchRecord | None, slo: Slo) -> SearchOutcome | None:
    """The outcome of a search that was read and judged by ``slo``; without a capacity when no probe could be read.

    None for a load that is not a search.
    """
    if record is None:
        return None
    if record.search is None:
        return SearchOutcome()
    counts = {
        probe.number: Counts(
            probe.summary.measured.offered,
            probe.summary.within_limits,
            probe.summary.measured.failed,
            probe.summary.measured.ok / probe.summary.measured.seconds,
        )
        for probe in record.probes
    }
    return SearchOutcome(record.probes, capacity_of(record.search, counts, slo))


def _highest(probes: Sequence[Probe]) -> Probe | None:
    return max(probes, key=lambda probe: probe.achieved_rps, default=None)
