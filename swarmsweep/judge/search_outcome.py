"""What a search for the capacity brought: the trial that is shown, the one with the highest load, and the capacity."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarmsweep.judge.capacity import GENERATOR_LIMIT, Capacity, capacity_of
from swarmsweep.raw.search_record import Probe, SearchRecord
from swarmsweep.search import BAD
from swarmsweep.units import format_figure


@dataclass(frozen=True)
class SearchOutcome:
    """The trials of one deployment that could be read, in order, and the capacity that follows from them."""

    trials: tuple[Probe, ...] = ()
    capacity: Capacity | None = None

    @property
    def peak(self) -> Probe | None:
        """The trial with the highest load that the generator could make; of all, where it could make none.

        The probe counts too: it gives the API as much as it can answer.
        """
        return _highest([trial for trial in self.trials if trial.was_made]) or _highest(self.trials)

    @property
    def reported(self) -> Probe | None:
        """The trial whose figures stand for the cell: that of the verified rate, else the highest open load."""
        verified = self.capacity.verified_trial if self.capacity is not None else None
        opened = [trial for trial in self.trials if trial.is_open]
        return (
            next((trial for trial in opened if trial.number == verified), None)
            or _highest([trial for trial in opened if trial.was_made])
            or _highest(opened)
            or _highest(self.trials)
        )

    @property
    def generator_limit(self) -> str | None:
        """The lowest load that the generator could not make, and why, where more could have been found but for that:
        no load failed, or none is proven and a lower one than those that failed was not made."""
        late = [trial for trial in self.trials if not trial.was_made]
        if self.capacity is None or not late:
            return None
        missed = min(late, key=lambda trial: trial.entry["rate_rps"])
        failed = [trial.entry["rate_rps"] for trial in self.trials if trial.entry["verdict"] == BAD]
        unproven = self.capacity.verified_rps is None and missed.entry["rate_rps"] < min(failed, default=math.inf)
        if self.capacity.limited_by != GENERATOR_LIMIT and not unproven:
            return None
        return f"at {format_figure(missed.entry['rate_rps'])} requests/s {missed.entry['reason']}"


def search_outcome(record: SearchRecord | None, slo: Mapping[str, float]) -> SearchOutcome | None:
    """The outcome of a search that was read and judged by ``slo``; without a capacity when no trial could be read.

    None for a load that is no search.
    """
    if record is None:
        return None
    if record.search is None:
        return SearchOutcome()
    summaries = {trial.number: trial.summary for trial in record.trials}
    return SearchOutcome(record.trials, capacity_of(record.search, summaries, slo))


def _highest(trials: Sequence[Probe]) -> Probe | None:
    return max(trials, key=lambda trial: trial.achieved_rps, default=None)
