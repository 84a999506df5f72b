"""The SLO: met at the limit, missed above it, unknown where the figure is."""

import pytest
from msgspec.structs import replace
from rows import capacity_of, fixed

from swarmsweep.plan.row import EndpointRow, LatencyMs
from swarmsweep.results import slo
from swarmsweep.sweep.slo_limits import SloLimits


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
    assert slo.meets(row, SloLimits(limits)) is meets
    assert [miss.describe() for miss in slo.misses(row, SloLimits(limits))] == missed


def endpoint(name, p95=100.0, failures=0.0, requests=100, bounds=()):
    """The figures of one endpoint."""
    return EndpointRow(
        name=name,
        requests=requests,
        failures=round(requests * failures / 100),
        failure_percent=failures if requests else None,
        latency_ms=LatencyMs(p95, p95, p95, None) if requests else LatencyMs(),
        lower_bounds=list(bounds),
    )


READY, SLOW, ABSENT = endpoint("GET /ready", 4.0), endpoint("POST /predict", 506.0), endpoint("POST /x", requests=0)
# 30 requests of GET /ready for each of POST /predict.
SUM = replace(cell(16.0), endpoints=[READY, SLOW])


@pytest.mark.parametrize(
    ("row", "limits", "meets", "missed"),
    [
        (SUM, {}, True, []),
        (SUM, {"POST /predict": {"p95_ms": 506}}, True, []),
        (SUM, {"POST /predict": {"p95_ms": 200}}, False, ["POST /predict p95 506.0 ms (limit 200 ms)"]),
        (SUM, {"GET /ready": {"p95_ms": 200}}, True, []),
        (SUM, {"POST /predict": {"p99_ms": 900}}, None, ["POST /predict p99 not measured (limit 900 ms)"]),
        # The limits of all requests and those of each endpoint must hold.
        (
            replace(SUM, latency_ms=LatencyMs(50.0, 40.0, 100.5, None)),
            {"POST /predict": {"p95_ms": 600}},
            False,
            ["p95 100.5 ms (limit 100 ms)"],
        ),
        (
            replace(SUM, endpoints=[READY, endpoint("POST /predict", failures=3.0)]),
            {"POST /predict": {"p95_ms": 200, "max_failure_percent": 1}},
            False,
            ["POST /predict failures 3.00 % (limit 1 %)"],
        ),
        # A name that never occurred is not met in silence.
        (replace(SUM, endpoints=[ABSENT, READY]), {"POST /x": {"p95_ms": 200}}, None, ["POST /x never occurred"]),
        (SUM, {"POST /y": {"p95_ms": 200}}, None, ["POST /y p95 not measured (limit 200 ms)"]),
        (
            replace(SUM, endpoints=[ABSENT, SLOW]),
            {"POST /x": {"p95_ms": 9}, "POST /predict": {"p95_ms": 200}},
            False,
            ["POST /x never occurred", "POST /predict p95 506.0 ms (limit 200 ms)"],
        ),
        (
            replace(SUM, endpoints=[endpoint("POST /predict", 90.0, bounds=["p95"])]),
            {"POST /predict": {"p95_ms": 200}},
            None,
            ["POST /predict p95 >= 90.0 ms (limit 200 ms)"],
        ),
        # Requests without a name and a response may be of this endpoint.
        (
            replace(SUM, endpoints=[endpoint("POST /predict", bounds=["p95", "failures"])]),
            {"POST /predict": {"max_failure_percent": 1}},
            None,
            ["POST /predict failures >= 0 % (limit 1 %)"],
        ),
        # An earlier version recorded no names.
        (cell(16.0), {"POST /x": {"p95_ms": 200}}, None, ["POST /x p95 not measured (limit 200 ms)"]),
    ],
)
def test_judgement_by_endpoint(row, limits, meets, missed):
    limits = SloLimits({"p95_ms": 100}, limits)
    assert slo.meets(row, limits) is meets
    assert [miss.describe() for miss in slo.misses(row, limits)] == missed


@pytest.mark.parametrize(
    ("row", "own", "hidden"),
    [
        (SUM, {}, "POST /predict p95 506.0 ms (limit 100 ms)"),
        (cell(16.0), {}, None),
        (replace(SUM, endpoints=[READY]), {}, None),
        # It has a limit of its own, which says what is good.
        (SUM, {"POST /predict": {"p95_ms": 600}}, None),
        # That is a limit for another figure.
        (SUM, {"POST /predict": {"max_failure_percent": 1}}, "POST /predict p95 506.0 ms (limit 100 ms)"),
        # All requests together miss the limit too, so nothing is hidden.
        (replace(SUM, latency_ms=LatencyMs(p95=400.0)), {}, None),
        (
            replace(SUM, endpoints=[endpoint("GET /a", 300.0), endpoint("GET /b", 400.0), READY]),
            {},
            "GET /b p95 400.0 ms (limit 100 ms)",
        ),
        (replace(SUM, endpoints=[endpoint("GET /a", failures=30.0)]), {}, "GET /a failures 30.0 % (limit 1 %)"),
        # All of them have no response: this is no endpoint.
        (replace(SUM, endpoints=[READY, endpoint("unknown", 900.0, 100.0)]), {}, None),
    ],
)
def test_the_endpoint_that_all_requests_together_hide(row, own, hidden):
    found = slo.hidden(row, SloLimits({"p95_ms": 100, "max_failure_percent": 1}, own))
    assert (found.describe() if found else None) == hidden


def test_words():
    own = {"POST /predict": {"p99_ms": 900}, "GET /x": {"max_failure_percent": 0}}
    words = "p95 at most 5 ms; POST /predict: p99 at most 900 ms; GET /x: failures at most 0 %"
    assert slo.describe(SloLimits({"p95_ms": 5}, own)) == words
    assert (
        slo.describe(SloLimits({"p95_ms": 500, "max_failure_percent": 1})) == "p95 at most 500 ms, failures at most 1 %"
    )
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
        # The interval of the estimate reaches the target, or does not.
        (capacity_of(None, estimate_rps=70.0, interval_rps=(60.0, 80.0)), 80, None),
        (capacity_of(None, estimate_rps=70.0, interval_rps=(60.0, 80.0)), 81, False),
        (capacity_of(None, is_lower_bound=True), 80, None),
    ],
)
def test_capacity_against_a_target(capacity, target, sustains):
    assert slo.sustains(capacity, target) is sustains


def test_a_rate_that_held_without_an_estimate_leaves_it_open():
    assert slo.sustains(capacity_of(None), 80, held=True) is None
    assert slo.sustains(capacity_of(None, estimate_rps=70.0), 80, held=True) is False
