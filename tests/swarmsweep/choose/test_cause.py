"""Which failures a larger configuration may remove, and which have a cause of their own."""

import pytest
from capacity_run import probe
from msgspec.structs import replace
from rows import fixed

from swarmsweep.choose.cause import has_own_failures, is_slow_alone, raises_at_lowest_load
from swarmsweep.choose.fixed_load import before_size
from swarmsweep.plan.row import AttemptEntry, EndpointRow
from swarmsweep.sweep.slo_limits import SloLimits

SLO = SloLimits({"p95_ms": 100, "max_failure_percent": 1})
OF_ENDPOINT = SloLimits({"p95_ms": 100}, {"POST /x": {"max_failure_percent": 1}})


def failing(percent=10.0, count=100, **more):
    """A row with this share of failed requests."""
    return replace(fixed("a", failures=percent), failures=count, requests=1000, bottleneck="cpu_throttled", **more)


def with_endpoint(kinds):
    """A row of which only one endpoint fails."""
    part = EndpointRow(name="POST /x", requests=100, failures=100, failure_percent=100.0, failure_kinds=kinds)
    return replace(fixed("a"), endpoints=[part], bottleneck="cpu_throttled")


# A row, the SLO, and whether its failures have a cause of their own.
FAILURES = {
    "a status of the API": (failing(failure_kinds={"status_500": 100}), SLO, True),
    "a request that is not right": (failing(failure_kinds={"status_422": 100}), SLO, True),
    "the judgement of the scenario": (failing(failure_kinds={"failed_by_scenario": 100}), SLO, True),
    "too slow": (failing(failure_kinds={"no_response": 60, "timeout": 40}), SLO, False),
    "turned away": (failing(failure_kinds={"status_503": 90, "status_429": 10}), SLO, False),
    "few of their own": (failing(failure_kinds={"status_503": 95, "status_500": 5}), SLO, False),
    "enough of their own": (failing(failure_kinds={"status_503": 80, "status_500": 20}), SLO, True),
    "no kinds": (failing(), SLO, False),
    "no failures": (fixed("a", p95=300.0), SLO, False),
    "exceptions": (failing(0.0, 0, failed_task_percent=20.0, task_exceptions=200), SLO, True),
    "exceptions after failed requests": (
        failing(failed_task_percent=20.0, task_exceptions=100, failure_kinds={"status_503": 100}), SLO, False
    ),
    "an endpoint": (with_endpoint({"status_404": 100}), OF_ENDPOINT, True),
    "an endpoint that is too slow": (with_endpoint({"timeout": 100}), OF_ENDPOINT, False),
}  # fmt: skip


@pytest.mark.parametrize(("row", "slo", "has_own"), FAILURES.values(), ids=FAILURES)
def test_failures_have_a_cause_of_their_own_or_not(row, slo, has_own):
    assert has_own_failures(row, slo) is has_own
    # What is corrected first is said, and is not the size.
    assert ("Correct the scenario" in before_size(row, slo)) is has_own


@pytest.mark.parametrize(
    ("reasons", "raises"),
    [
        ({10.0: "50 % of tasks raised an exception (limit 1 %)", 20.0: "90 % of requests were over 100 ms"}, True),
        ({10.0: "90 % of requests were over 100 ms", 20.0: "50 % of tasks raised an exception (limit 1 %)"}, False),
        ({}, False),
    ],
)
def test_the_lowest_load_that_failed_shows_whether_tasks_raise(reasons, raises):
    probes = [replace(probe(1, "bracket", rate, 5.0, "bad", 0.0), reason=text) for rate, text in reasons.items()]
    row = replace(fixed("a"), attempts=[AttemptEntry(attempt=1, status="valid", probes=probes)])
    assert raises_at_lowest_load(row) is raises


@pytest.mark.parametrize(("p95_ms", "limit", "is_slow"), [(120.0, 100, True), (80.0, 100, False), (None, 100, False)])
def test_one_request_at_a_time_may_be_too_slow(p95_ms, limit, is_slow):
    alone = replace(probe(1, "unloaded", None, 5.0, "probe", 0.0), p95_ms=p95_ms)
    later = replace(probe(2, "bracket", 4.0, 5.0, "bad", 0.0), p95_ms=900.0)
    row = replace(fixed("a"), attempts=[AttemptEntry(attempt=1, status="valid", probes=[alone, later])])
    assert is_slow_alone(row, SloLimits({"p95_ms": limit})) is is_slow
    assert not is_slow_alone(row, SloLimits({"p99_ms": limit}))
