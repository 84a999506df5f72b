"""How the judgement of a cell differs between a fixed load and a search."""

from collections.abc import Callable, Mapping

from swarmsweep.plan.row import Row
from swarmsweep.record_file import Number
from swarmsweep.results import slo as slo_of
from swarmsweep.sweep.load import CAPACITY, FIXED, StoredLoad, mode_of

Limits = Mapping[str, Number]


def meets_slo(row: Row, load: StoredLoad, slo: Limits) -> bool | None:
    """Whether a valid cell with this load holds the SLO; None where that is unknown."""
    return VERDICTS[mode_of(load)](row, load, slo)


def _holds_limits(row: Row, _load: StoredLoad, slo: Limits) -> bool | None:
    return slo_of.meets(row, slo)


def _holds_target(row: Row, load: StoredLoad, _slo: Limits) -> bool | None:
    return slo_of.sustains(row.capacity, load.get("target_rps"))


VERDICTS: dict[str, Callable[[Row, StoredLoad, Limits], bool | None]] = {FIXED: _holds_limits, CAPACITY: _holds_target}
