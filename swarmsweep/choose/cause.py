"""Whether more of the API may remove what a cell misses. Failures with another cause are corrected first."""

from swarmsweep.judge.next_step import RAISED
from swarmsweep.plan.row import ProbeRow, Row
from swarmsweep.results import slo as slo_of
from swarmsweep.search import BAD, UNLOADED
from swarmsweep.shared.request_record import KIND_NAMES, NO_RESPONSE_NAME, NOT_SENT_NAME, TIMEOUT
from swarmsweep.sweep.slo_limits import SloLimits

# Failed requests of an API that is too small for its load: it responds too late, or it turns requests away.
_STATUSES = (408, 425, 429, 502, 503, 504)
BY_LOAD = frozenset(
    (KIND_NAMES[TIMEOUT], NO_RESPONSE_NAME, NOT_SENT_NAME, *(f"status_{status}" for status in _STATUSES))
)


def has_own_failures(row: Row, slo: SloLimits) -> bool:
    """Whether failures that have nothing to do with the size exceed a limit even without the others.

    They are exceptions of the scenario, and kinds of failed requests as a status 500. Earlier versions recorded no
    kinds. Then the cause is not known, and the size may be the cause.
    """
    missed = [miss for miss in slo_of.misses(row, slo) if miss.exceeds and miss.unit == "%"]
    return any(_own_percent(row, miss) > miss.limit for miss in missed)


def _own_percent(row: Row, miss: slo_of.Miss) -> float:
    """The part of a share of failures that the size did not cause, in percent."""
    part = next((one for one in row.endpoints or () if one.name == miss.endpoint), row)
    failures = part.failures or 0
    # A task with a failed request often raises too. Only further exceptions have a cause of their own.
    raised = max(0, (row.task_exceptions or 0) - failures) if miss.name == slo_of.FAILED_TASKS else 0
    own = raised + sum(count for kind, count in (part.failure_kinds or {}).items() if kind not in BY_LOAD)
    return (miss.value or 0.0) * own / (failures + raised) if failures + raised else 0.0


def raises_at_lowest_load(row: Row) -> bool:
    """Of a search: whether tasks raised exceptions in the probe with the lowest load that missed the SLO."""
    probes = [probe for attempt in row.attempts for probe in attempt.probes if probe.verdict == BAD]
    lowest = min(probes, key=_level, default=None)
    return lowest is not None and RAISED.search(lowest.reason or "") is not None


def is_slow_alone(row: Row, slo: SloLimits) -> bool:
    """Of a search: whether one request at a time already misses the limit of p95. More replicas would not help then."""
    limit = slo.total.get("p95_ms")
    probes = [probe for attempt in row.attempts for probe in attempt.probes if probe.purpose == UNLOADED]
    return limit is not None and any(probe.p95_ms is not None and probe.p95_ms > limit for probe in probes)


def _level(probe: ProbeRow) -> float:
    return probe.rate_rps or probe.users or 0
