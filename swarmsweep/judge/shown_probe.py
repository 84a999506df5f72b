"""Which probe of a search has the figures that represent its deployment."""

import math
from collections.abc import Sequence

from swarmsweep.raw.search_files import ProbeEntry
from swarmsweep.search import BAD, GENERATOR, GOOD


def shown_probe(entries: Sequence[ProbeEntry], verified: float | None) -> ProbeEntry | None:
    """The probe at the verified level, else one that does not look better than the deployment is.

    Without a verified level, it is at the highest level that held the SLO, below each level that failed. Without such a
    level, it is at the lowest one that the generator made, or that was ordered. None if no probe was judged by the SLO.
    """
    levels = [(level, entry) for entry in entries if entry.is_searched and (level := entry.level) is not None]
    if verified is not None:
        return longest([entry for level, entry in levels if level == verified and entry.verdict == GOOD])
    failed = min((level for level, entry in levels if entry.verdict == BAD), default=math.inf)
    held = [(level, entry) for level, entry in levels if entry.verdict == GOOD and level < failed]
    if held:
        highest = max(level for level, _ in held)
        return longest([entry for level, entry in held if level == highest])
    made = [(level, entry) for level, entry in levels if entry.verdict != GENERATOR] or levels
    lowest = min((level for level, _ in made), default=None)
    return longest([entry for level, entry in made if level == lowest])


def longest(entries: Sequence[ProbeEntry]) -> ProbeEntry | None:
    """The probe with most measured seconds, or the last of several."""
    return max(entries, key=lambda entry: (entry.seconds_measure, entry.number), default=None)
