"""How the judgement of a cell differs between a fixed load and a search."""

from collections.abc import Callable

from swarmsweep.plan.row import Row
from swarmsweep.results import slo as slo_of
from swarmsweep.search import GOOD
from swarmsweep.sweep.load import CAPACITY, FIXED, StoredLoad, mode_of
from swarmsweep.sweep.slo_limits import SloLimits


def meets_slo(row: Row, load: StoredLoad, slo: SloLimits) -> bool | None:
    """Whether a valid cell with this load holds the SLO; None where that is unknown."""
    return VERDICTS[mode_of(load)](row, load, slo)


def _holds_limits(row: Row, _load: StoredLoad, slo: SloLimits) -> bool | None:
    return slo_of.meets(row, slo)


def _holds_target(row: Row, load: StoredLoad, _slo: SloLimits) -> bool | None:
    held = [any(probe.verdict == GOOD for probe in attempt.probes) for attempt in row.attempts]
    in_each = bool(held) and all(held)
    return slo_of.sustains(row.capacity, load.get("target_rps"), load.get("target_users"), held=in_each)


VERDICTS: dict[str, Callable[[Row, StoredLoad, SloLimits], bool | None]] = {
    FIXED: _holds_limits,
    CAPACITY: _holds_target,
}
