"""Whether a measurement is valid. One small pure function per check: `Evidence` -> `Check`.

A function returns None where its check does not apply: to this mode of load, to a single replica, or to an attempt that
ended before it. The limits are in one table, `LIMITS`.
"""

from collections.abc import Callable

from swarmsweep.judge.checks.answers import answers_correct, errors_explained
from swarmsweep.judge.checks.check import Check
from swarmsweep.judge.checks.counts import (
    counted_by_haproxy,
    counted_by_locust,
    requests_conserved,
    requests_recorded_whole,
    responses_complete,
    some_requests,
)
from swarmsweep.judge.checks.deployment import (
    limits_as_labelled,
    placement_as_planned,
    replicas_all_used,
    replicas_share_load,
    replicas_unchanged,
    workers_all_used,
)
from swarmsweep.judge.checks.generator import (
    generator_cpu,
    generator_kept_rate,
    listeners_ran,
    load_as_planned,
    load_host_cpu,
    users_stayed,
    workers_present,
)
from swarmsweep.judge.checks.machines import (
    api_host_alone,
    clock_offset,
    foreign_cpu,
    sampling_cheap,
    steal_cpu,
    window_sampled,
)
from swarmsweep.judge.checks.queueing_laws import littles_law, steady_state
from swarmsweep.judge.checks.thresholds import LIMITS, Limit
from swarmsweep.judge.evidence import Evidence

__all__ = ["CHECKS", "LIMITS", "Check", "Limit", "checks_of"]

# In the order of the report: an earlier failure is the best explanation of a later one.
CHECKS: tuple[Callable[[Evidence], Check | None], ...] = (
    limits_as_labelled,
    placement_as_planned,
    replicas_unchanged,
    workers_present,
    load_as_planned,
    users_stayed,
    listeners_ran,
    generator_cpu,
    generator_kept_rate,
    some_requests,
    requests_conserved,
    counted_by_locust,
    counted_by_haproxy,
    answers_correct,
    errors_explained,
    replicas_all_used,
    littles_law,
    steady_state,
    foreign_cpu,
    api_host_alone,
    steal_cpu,
    clock_offset,
    load_host_cpu,
    replicas_share_load,
    workers_all_used,
    responses_complete,
    requests_recorded_whole,
    window_sampled,
    sampling_cheap,
)


def checks_of(evidence: Evidence) -> tuple[Check, ...]:
    """The checks that apply to an attempt whose deployment became ready."""
    return tuple(check for judge in CHECKS if (check := judge(evidence)) is not None)
