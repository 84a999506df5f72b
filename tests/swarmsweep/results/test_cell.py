"""Merging the attempts at a cell."""

import numpy as np
import pytest
from capacity_run import deployment
from msgspec import structs
from rows import plan_of

from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import ApiUse, LatencyMs, LoadUse, RequestCounts, Retry, blank_row
from swarmsweep.raw.api_metrics import ApiMetrics, EndpointTimes
from swarmsweep.raw.api_usage import ApiUsage
from swarmsweep.raw.tasks import TaskCounts
from swarmsweep.results.attempt_result import AttemptResult
from swarmsweep.results.cell import merge

PLAN = plan_of({"users": 40}, slo={"p95_ms": 100, "max_failure_percent": 1}, run_id="20261122T114512Z-x")
CELL = PlannedCell(id="r1", config={"replicas": 1}, memory="256M", doubts=["a warning"])


def attempt(number=1, status="valid", reason=None, values=(10.0,) * 100, failures=0, **changes):
    """One attempt of 10 seconds."""
    row = {
        "attempt": number,
        "status": status,
        "reason": reason,
        "window": (0.0, 10.0),
        "requests": len(values),
        "failures": failures,
        "latency_ms": np.array(values),
        "usage": ApiUsage(0.5, 100, 40, 1000, 0, 50.0),
        "oom_kills": 0,
        "restarts": 0,
        "load_cpu_percent_max": 30.0,
        "load_workers": 1,
        "bottleneck": "not_saturated",
        "bottleneck_evidence": "because",
        "checks": (),
    }
    return AttemptResult(**(row | changes))


def test_rates_are_means_counts_are_sums_and_percentiles_are_merged():
    slow = attempt(
        2, values=(90.0,) * 300, failures=4, usage=ApiUsage(0.7, 300, 0, 3000, 0, 60.0), load_cpu_percent_max=60.0
    )
    row = merge(PLAN, CELL, [attempt(1), slow])
    assert (row.attempt_count, row.requests, row.failures, row.users) == (2, 400, 4, 40)
    assert row.rps == pytest.approx((10.0 + 29.6) / 2)
    assert row.rps_range == (10.0, 29.6)
    assert row.failure_percent == 1.0
    assert row.latency_ms == LatencyMs(70.0, 90.0, 90.0, 90.0)
    assert row.api.cpu_cores == 0.6
    assert row.api.throttled_percent == 10.0  # of all 400 periods, not the mean of 40 and 0
    assert row.api.memory_peak_bytes == 3000
    assert row.load == LoadUse(cpu_percent_max=60.0, workers=1)
    assert row.meets_slo is True


def test_failures_and_requests_of_all_attempts_are_added_by_kind():
    counts = RequestCounts(
        client_requests=100, redirects_followed=100, retries=1, other_clients=0, not_sent=2, own_timings=5, haproxy=199
    )
    one = attempt(failures=3, failure_kinds={"status_503": 3}, request_counts=counts)
    two = attempt(2, failures=2, failure_kinds={"timeout": 1, "status_503": 1}, request_counts=counts)
    row = merge(PLAN, CELL, [one, two])
    assert row.failure_kinds == {"status_503": 4, "timeout": 1}
    assert sum(row.failure_kinds.values()) == row.failures
    assert (row.request_counts.client_requests, row.request_counts.haproxy) == (200, 398)
    # A figure that one attempt did not record is unknown for the cell.
    unknown = merge(PLAN, CELL, [one, attempt(2, request_counts=structs.replace(counts, haproxy=None))])
    assert (unknown.failure_kinds, unknown.request_counts.haproxy) == (None, None)
    assert merge(PLAN, CELL, [one, attempt(2)]).request_counts is None


def test_tasks_of_all_attempts_are_counted_together_and_count_for_the_slo():
    first = attempt(1, tasks=TaskCounts(100, 1, {"KeyError: 'x'": 1}))
    second = attempt(2, tasks=TaskCounts(300, 11, {"KeyError: 'x'": 1, "OSError": 5}))
    row = merge(PLAN, CELL, [first, second])
    assert (row.failure_percent, row.failed_task_percent, row.task_exceptions) == (0.0, 3.0, 7)
    assert row.exceptions == {"OSError": 5, "KeyError: 'x'": 2}
    assert row.meets_slo is False
    unknown = merge(PLAN, CELL, [first, attempt(2)])
    assert (unknown.failed_task_percent, unknown.task_exceptions) == (None, None)
    assert unknown.meets_slo is True


def test_a_percentile_that_falls_on_a_missing_response_is_a_lower_bound():
    waited = np.full(6, 60.0)
    values = np.concatenate([np.full(94, 10.0), waited])
    row = merge(PLAN, CELL, [attempt(1), attempt(2, values=values, waited_ms=waited)])
    assert row.lower_bounds == ["mean", "p99"]
    assert row.meets_slo is True  # p95 is exact
    row = merge(PLAN, CELL, [attempt(2, values=values, waited_ms=waited)])
    assert row.lower_bounds == ["mean", "p95", "p99"]
    assert row.meets_slo is None  # 60 ms and more, the limit is 100 ms


def test_one_figure_that_was_not_measured_makes_the_cells_unknown():
    row = merge(PLAN, CELL, [attempt(1), attempt(2, usage=ApiUsage(), restarts=None)])
    assert row.api == ApiUse(oom_kills=0)


@pytest.mark.parametrize(
    ("others", "status", "reason"),
    [
        ([attempt(2)], "valid", None),
        ([attempt(2, "invalid", "no load")], "invalid", "attempt 2: no load"),
        ([attempt(2, "invalid", "no load"), attempt(3, "failed", "died")], "failed", "attempt 3: died"),
        ([attempt(2, "infeasible", "refused"), attempt(3, "invalid", "x")], "infeasible", "attempt 2: refused"),
    ],
)
def test_status_of_a_cell(others, status, reason):
    row = merge(PLAN, CELL, [attempt(1), *others])
    assert (row.status, row.reason) == (status, reason)
    assert row.meets_slo is (True if status == "valid" else None)


def test_a_single_attempt_gives_its_reason_without_a_number():
    assert merge(PLAN, CELL, [attempt(1, "failed", "died")]).reason == "died"


def test_a_cell_that_died_before_any_load_has_no_figure():
    nothing = {"requests": None, "failures": None, "window": None, "usage": ApiUsage(), "restarts": None}
    dead = attempt(
        1, "failed", "died", values=(), load_cpu_percent_max=None, load_workers=None, oom_kills=None, **nothing
    )
    row = merge(PLAN, CELL, [dead])
    blank = blank_row(CELL, "failed", "died", attempt_count=1)
    of_the_attempt = ("bottleneck", "bottleneck_evidence", "attempts", "run_id")
    for name in (name for name in row.__struct_fields__ if name not in of_the_attempt):
        assert getattr(row, name) == getattr(blank, name), name


@pytest.mark.parametrize(
    ("counts", "expected"), [([(2, 2), (2, 2)], 2), ([(9, 5), (5, 9)], [5, 5, 9, 9]), ([(2,), None], None)]
)
def test_server_processes_do_not_depend_on_the_order_of_containers(counts, expected):
    attempts = [attempt(number, usage=ApiUsage(server_processes=of)) for number, of in enumerate(counts, start=1)]
    assert merge(PLAN, CELL, attempts).server_processes == expected


@pytest.mark.parametrize(
    ("ranges", "expected"), [([(6, 6), (5, 7)], (5, 7)), ([(6, 6)], (6, 6)), ([(6, 6), None], None)]
)
def test_the_range_of_all_processes_is_that_of_every_attempt(ranges, expected):
    attempts = [attempt(number, usage=ApiUsage(processes_range=of)) for number, of in enumerate(ranges, start=1)]
    assert merge(PLAN, CELL, attempts).processes_range == expected


def test_the_slo_is_judged_before_rounding():
    row = merge(PLAN, CELL, [attempt(1, values=(100.0000001,) * 100)])
    assert row.latency_ms.p95 == 100.0
    assert row.meets_slo is False


def test_too_few_requests_for_the_slo_leave_it_open():
    row = merge(PLAN, CELL, [attempt(1, values=(10.0,) * 19)])
    assert (row.status, row.latency_ms.p95, row.meets_slo) == ("valid", None, None)


def said(requests, seconds, **parts):
    """What the API says of requests to /predict."""
    return ApiMetrics({"/predict": EndpointTimes(requests, seconds, parts)}, {"variant": "onnx"})


def test_what_the_api_says_is_pooled_by_counts():
    attempts = [attempt(1, metrics=said(10, 1.0, inference=0.5)), attempt(2, metrics=said(30, 9.0, inference=4.5))]
    row = merge(PLAN, CELL, attempts)
    parts = row.request_parts
    assert (parts.requests, parts.mean_ms) == (40, 250.0)  # not the mean of 100 and 300
    assert (parts.parts_ms["inference"], parts.parts_ms["rest"]) == (125.0, 125.0)
    assert row.choices == {"variant": "onnx"}


def test_an_attempt_that_said_nothing_leaves_the_parts_unknown():
    row = merge(PLAN, CELL, [attempt(1, metrics=said(10, 1.0)), attempt(2, metrics_problem="replica 1: status 404")])
    assert (row.request_parts, row.choices) == (None, None)
    assert row.metrics_problem == "replica 1: status 404"


def test_users_are_those_of_the_cells_own_load():
    row = merge(PLAN, structs.replace(CELL, load={"users": 2}), [attempt(1, target="POST /predict")])
    assert (row.users, row.target) == (2, "POST /predict")


# --- Capacity -------------------------------------------------------------------------------------------------------

SEARCHED = structs.replace(PLAN, load={"mode": "capacity", "profile": "standard", "target_rps": None})


def test_a_fixed_load_has_no_capacity():
    row = merge(PLAN, CELL, [attempt(1)])
    assert (row.capacity, row.capacity_rps, row.twin_of, row.retries) == (None, None, None, [])
    assert (row.attempts[0].capacity_rps, row.attempts[0].probes) == (None, [])


def test_capacities_of_deployments_are_one_row():
    row = merge(SEARCHED, CELL, [deployment(1, 400.0), deployment(2, 410.0), deployment(3, 390.0)])
    capacity = row.capacity
    assert row.capacity_rps == capacity.verified_rps == pytest.approx(0.96 * 390)
    assert capacity.estimate_rps == pytest.approx((400 * 410 * 390) ** (1 / 3), abs=1e-5)
    assert (capacity.deployments, capacity.between_deployments, capacity.is_lower_bound) == (3, True, False)
    low, high = capacity.interval_rps
    assert low < capacity.lower_bound_rps < capacity.estimate_rps < high
    assert (row.users, row.meets_slo) == (None, True)
    assert [attempt.capacity_rps for attempt in row.attempts] == [400.0, 410.0, 390.0]
    assert row.attempts[1].verified_rps == pytest.approx(0.96 * 410)
    assert [entry.purpose for entry in row.attempts[0].probes][:2] == ["probe", "bracket"]


def test_a_single_deployment_has_its_own_interval_and_no_lower_bound():
    capacity = merge(SEARCHED, CELL, [deployment(1, 400.0)]).capacity
    assert (capacity.interval_rps, capacity.lower_bound_rps) == ((388.0, 408.0), None)
    assert (capacity.deployments, capacity.between_deployments) == (1, False)


def test_a_deployment_without_a_search_leaves_the_capacity_unknown():
    row = merge(SEARCHED, CELL, [deployment(1, 400.0), deployment(2, 400.0, capacity=None, probes=())])
    assert (row.capacity, row.capacity_rps, row.meets_slo) == (None, None, None)


def test_what_stopped_the_search_is_kept():
    least = deployment(1, 400.0, is_lower_bound=True, estimate_rps=None, interval_rps=None, limited_by="generator")
    capacity = merge(SEARCHED, CELL, [least]).capacity
    assert (capacity.is_lower_bound, capacity.limited_by, capacity.estimate_rps) == (True, "generator", None)


@pytest.mark.parametrize(
    ("verified", "estimate", "target", "meets"),
    [
        (384.0, 400.0, None, True),
        (None, None, None, False),
        (None, 400.0, None, None),  # a rate held, but not for long enough to be verified
        (384.0, 400.0, 384, True),
        (384.0, 400.0, 384.1, True),
        (384.0, 400.0, 385, False),
        (None, None, 1, False),
        (None, 400.0, 1, None),
        (None, 400.0, 408, None),  # the interval of the estimate ends there
        (None, 400.0, 409, False),
    ],
)
def test_a_capacity_meets_the_slo_where_a_rate_was_verified_and_reaches_the_target(verified, estimate, target, meets):
    plan = structs.replace(SEARCHED, load=SEARCHED.load | {"target_rps": target})
    found = {} if estimate else {"interval_rps": None, "probes": ()}
    row = merge(plan, CELL, [deployment(1, 400.0, verified_rps=verified, estimate_rps=estimate, **found)])
    assert row.meets_slo is meets


def test_a_rate_that_held_in_each_deployment_leaves_the_verdict_open():
    lost = {"verified_rps": None, "estimate_rps": None, "interval_rps": None}
    held, never = deployment(1, 400.0, **lost), deployment(2, 400.0, **lost, probes=())
    assert merge(SEARCHED, CELL, [held]).meets_slo is None
    assert merge(SEARCHED, CELL, [held, never]).meets_slo is False


def test_retries_and_the_twin_are_reported():
    again = Retry(attempt=1, reason="2 % stolen")
    row = merge(SEARCHED, structs.replace(CELL, twin_of="r0"), [deployment(1, 400.0)], [again])
    assert (row.twin_of, row.retries) == ("r0", [again])
