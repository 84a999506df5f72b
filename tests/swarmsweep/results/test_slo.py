"""The SLO: met at the limit, missed above it, unknown where the figure is."""

import pytest
from msgspec.structs import replace
from rows import capacity_of, fixed

from swarmsweep.plan.row import LatencyMs
from swarmsweep.results import slo


def cell(p95=100.0, p99=None, failures=0.0, failed_tasks=None, bounds=()):
    """A row with these figures."""
    return replace(
        fixed("a"),
        latency_ms=LatencyMs(50.0, 40.0, p95, p99),
        failure_percent=failures,
        failed_task_percent=failed_tasks,
        lower_bounds=list(bounds),
    )


@pytest.mark.parametrize(
    ("row", "limits", "meets", "missed"),
    [
        (cell(100.0), {"p95_ms": 100}, True, []),
        (cell(100.01), {"p95_ms": 100}, False, ["p95 100.0 ms (limit 100 ms)"]),
        (cell(failures=1.0), {"p95_ms": 100, "max_failure_percent": 1}, True, []),
        (cell(failures=1.5), {"p95_ms": 100, "max_failure_percent": 1}, False, ["failures 1.50 % (limit 1 %)"]),
        (cell(failures=0.1), {"max_failure_percent": 0}, False, ["failures 0.10 % (limit 0 %)"]),
        (cell(), {"p99_ms": 100}, None, ["p99 not measured (limit 100 ms)"]),
        (
            cell(200.0),
            {"p95_ms": 100, "p99_ms": 100},
            False,
            ["p95 200.0 ms (limit 100 ms)", "p99 not measured (limit 100 ms)"],
        ),
        (cell(), {"mean_ms": 50, "p50_ms": 39.5}, False, ["p50 40.0 ms (limit 39.5 ms)"]),
        # The larger of failed requests and failed tasks counts.
        (cell(failed_tasks=30.0), {"max_failure_percent": 1}, False, ["failed tasks 30.0 % (limit 1 %)"]),
        (cell(failures=2.0, failed_tasks=1.5), {"max_failure_percent": 1}, False, ["failures 2.00 % (limit 1 %)"]),
        (cell(failures=0.5, failed_tasks=0.6), {"max_failure_percent": 1}, True, []),
        # A lower bound above the limit is a miss. Below it, the result is unknown.
        (cell(100.0, 40_000.0, bounds=["p99"]), {"p99_ms": 500}, False, ["p99 >= 40000.0 ms (limit 500 ms)"]),
        (cell(100.0, 400.0, bounds=["p99"]), {"p99_ms": 500}, None, ["p99 >= 400.0 ms (limit 500 ms)"]),
        (cell(100.0, 400.0, bounds=["p99"]), {"p95_ms": 100}, True, []),
        (
            cell(100.0, 400.0, failures=3.0, bounds=["p99"]),
            {"p99_ms": 500, "max_failure_percent": 1},
            False,
            ["p99 >= 400.0 ms (limit 500 ms)", "failures 3.00 % (limit 1 %)"],
        ),
    ],
)
def test_judgement(row, limits, meets, missed):
    assert slo.meets(row, limits) is meets
    assert [miss.describe() for miss in slo.misses(row, limits)] == missed


def test_words():
    assert slo.describe({"p95_ms": 500, "max_failure_percent": 1}) == "p95 at most 500 ms, failures at most 1 %"
    assert slo.Miss("failures", 2.0, 0, "%").factor == float("inf")
    assert slo.Miss("p95", 150.0, 100, "ms").factor == 1.5
    assert slo.Miss("p95", 150.0, 100, "ms", is_lower_bound=True).factor == 1.5
    assert slo.Miss("p95", 50.0, 100, "ms", is_lower_bound=True).factor == float("inf")


@pytest.mark.parametrize(
    ("capacity", "target", "sustains"),
    [
        (None, None, None),
        (None, 100, None),
        (capacity_of(None), None, False),
        (capacity_of(50.0), None, True),
        (capacity_of(99.0), 100, False),
        (capacity_of(99.0, is_lower_bound=True), 100, False),
        (capacity_of(416.6), 416.625, True),  # the search rounds rates to four digits
        # A rate held, but not for long enough to be verified.
        (capacity_of(None, estimate_rps=70.0), None, None),
        (capacity_of(None, estimate_rps=70.0), 60, None),
        (capacity_of(None, estimate_rps=70.0), 80, False),
        (capacity_of(None, is_lower_bound=True), 80, None),
    ],
)
def test_capacity_against_a_target(capacity, target, sustains):
    assert slo.sustains(capacity, target) is sustains
