"""Figures by endpoint: exact over workers and attempts, and without a request counted at the wrong name."""

import numpy as np
import pytest
from msgspec.structs import replace
from rows import fixed

from swarmsweep.raw.latency import Requests
from swarmsweep.raw.request_names import Names
from swarmsweep.results.endpoints import (
    MAX_ENDPOINTS,
    endpoints_of,
    merge_endpoints,
    user_classes_of,
    without_verdicts,
)
from swarmsweep.shared.request_record import FAILED, NO_RESPONSE, OK, TIMEOUT
from swarmsweep.sweep.slo_limits import SloLimits

WINDOW = (10.0, 20.0)
NO_LIMITS = SloLimits({"p95_ms": 100})


def attempt(*groups, table=None, window=WINDOW):
    """An attempt with so many requests of each name: (name, count, latency in ms, outcome)."""
    names = list(dict.fromkeys(name for name, *_ in groups if isinstance(name, str))) if table is None else table
    rows = [
        (window[0] + index / count * (window[1] - window[0]), ms, outcome, names.index(name) if name in names else name)
        for name, count, ms, outcome in groups
        for index in range(count)
    ]
    start, latency, outcome, number = np.array(rows, dtype=float).reshape(-1, 4).T
    return endpoints_of(Requests(start, latency, outcome, True, Names(number.astype(int), tuple(names))), window)


def by_name(rows):
    return {row.name: row for row in rows}


def test_figures_of_two_attempts_are_those_of_all_their_requests():
    first = attempt(("GET /a", 300, 4.0, OK), ("POST /b", 10, 500.0, OK), ("POST /b", 10, 900.0, TIMEOUT))
    second = attempt(("GET /a", 280, 4.0, OK), ("GET /a", 20, 8.0, 503.0))
    ready, predict = merge_endpoints([first, second], NO_LIMITS)
    assert (ready.name, ready.requests, ready.failures, ready.rps) == ("GET /a", 600, 20, (30 + 28) / 2)
    assert (ready.latency_ms.p50, ready.latency_ms.p99, ready.latency_ms.mean) == (
        4.0,
        8.0,
        pytest.approx(4 + 80 / 600),
    )
    assert ready.failure_percent == pytest.approx(100 * 20 / 600)
    # In the second attempt, this name never occurred.
    assert (predict.name, predict.requests, predict.failures, predict.rps) == ("POST /b", 20, 10, 0.5)
    assert (predict.latency_ms.p50, predict.latency_ms.p95, predict.latency_ms.p99) == (500.0, 900.0, None)
    assert (ready.failure_kinds, predict.failure_kinds) == ({"status_503": 20}, {"timeout": 10})
    assert (ready.meets_slo, predict.meets_slo) == (None, None)


def test_only_requests_of_the_window_count():
    inside = attempt(("GET /a", 10, 4.0, OK))
    whole = Requests(
        np.array([9.9, 10.0, 20.0]),
        np.array([1.0, 2.0, 3.0]),
        np.full(3, OK),
        True,
        Names(np.arange(3), ("a", "b", "c")),
    )
    found = endpoints_of(whole, WINDOW)
    assert (set(found.parts), found.names, found.seconds) == ({"b"}, {"a", "b", "c"}, 10.0)
    assert set(inside.parts) == {"GET /a"}


def test_records_of_an_earlier_version_have_no_endpoints():
    assert endpoints_of(Requests(np.array([11.0]), np.array([2.0]), np.array([OK])), WINDOW) is None


def test_figures_by_user_class():
    """A class that is not known makes all figures lower bounds."""
    numbers = np.array([0, 0, 1, 2, 0])
    start = np.array([11.0, 12.0, 13.0, 14.0, 25.0])
    names, classes = Names(numbers, ("GET /a", "GET /a", "GET /b")), Names(numbers, ("Reader", "Buyer", ""))
    requests = Requests(start, np.array([1.0, 2.0, 9.0, 5.0, 7.0]), np.full(5, OK), True, names, classes)
    rows = merge_endpoints([user_classes_of(requests, WINDOW)], SloLimits({}))
    assert [(row.name, row.requests) for row in rows] == [("Reader", 2), ("Buyer", 1), ("unknown", 1)]
    assert "mean" in by_name(rows)["Buyer"].lower_bounds
    assert user_classes_of(Requests(start, start, np.full(5, OK), True, names), WINDOW) is None


def test_failures_of_an_earlier_version_have_no_kinds():
    (row,) = merge_endpoints([attempt(("GET /a", 2, 4.0, OK), ("GET /a", 1, 4.0, FAILED))], NO_LIMITS)
    assert (row.failures, row.failure_kinds) == (1, None)


def test_a_missing_response_bounds_the_figures_of_its_endpoint_alone():
    groups = [("GET /a", 95, 4.0, OK), ("POST /b", 90, 4.0, OK), ("POST /b", 10, 5000.0, NO_RESPONSE)]
    rows = by_name(
        merge_endpoints([attempt(*groups)], SloLimits({}, {"POST /b": {"p50_ms": 9}, "GET /a": {"p50_ms": 9}}))
    )
    assert (rows["GET /a"].lower_bounds, rows["POST /b"].lower_bounds) == ([], ["mean", "p95", "p99"])
    assert (rows["GET /a"].meets_slo, rows["POST /b"].meets_slo) == (True, True)
    assert rows["POST /b"].failure_kinds == {"no_response": 10}


def test_a_missing_response_without_a_name_may_be_of_any_endpoint():
    limits = {"GET /a": {"p95_ms": 9}, "POST /b": {"p95_ms": 9}}
    groups = [("GET /a", 95, 4.0, OK), ("POST /b", 40, 50.0, OK), (-2, 1, 5000.0, NO_RESPONSE)]
    rows = merge_endpoints([attempt(*groups)], SloLimits({}, limits))
    assert [(row.name, row.requests) for row in rows] == [("GET /a", 95), ("POST /b", 40), ("unknown", 1)]
    assert [row.meets_slo for row in rows] == [None, False, None]
    assert rows[0].lower_bounds == ["mean", "p50", "p95", "failures"]


@pytest.mark.parametrize(("limit", "meets"), [(130, True), (101, None), (99, None), (70, False)])
def test_a_limit_in_the_interval_is_undecided(limit, meets):
    """One attempt shows a latency to a quarter."""
    (row,) = merge_endpoints([attempt(("GET /a", 100, 100.0, OK))], SloLimits({}, {"GET /a": {"p95_ms": limit}}))
    assert row.latency_intervals_ms["p95"] == pytest.approx((75, 125), rel=0.02)
    assert row.meets_slo is meets


def test_a_cell_that_is_not_valid_has_no_verdicts():
    rows = merge_endpoints([attempt(("GET /a", 100, 4.0, OK))], SloLimits({}, {"GET /a": {"p95_ms": 90}}))
    row = replace(fixed("a"), endpoints=rows)
    assert (row.meets_slo, row.endpoints[0].meets_slo) == (True, True)
    invalid = without_verdicts(row)
    assert (invalid.meets_slo, invalid.endpoints) == (None, [replace(rows[0], meets_slo=None)])
    assert without_verdicts(fixed("a")).meets_slo is None


def test_a_limit_for_a_name_that_never_occurred_is_not_held():
    rows = merge_endpoints([attempt(("GET /a", 30, 4.0, OK))], SloLimits({}, {"POST /x": {"p95_ms": 9}}))
    assert [(row.name, row.requests, row.meets_slo, row.rps) for row in rows] == [
        ("POST /x", 0, None, None),
        ("GET /a", 30, None, 3.0),
    ]


def test_the_most_frequent_names_have_a_row_and_those_with_limits():
    groups = [(f"GET /{index:03}", 1 + (index == 70), 4.0, OK) for index in range(80)]
    rows = merge_endpoints([attempt(*groups)], SloLimits({}, {"GET /075": {"p50_ms": 9}}))
    assert len(rows) == MAX_ENDPOINTS + 1
    assert [row.name for row in rows[:3]] == ["GET /075", "GET /070", "GET /000"]
    assert (rows[0].meets_slo, rows[-1].name, rows[-1].requests) == (True, "other", 30)


def test_a_name_that_looks_like_a_row_of_ours_is_in_quotes():
    """A scenario may fire a timing without a method."""
    rows = merge_endpoints([attempt(("other", 10, 4.0, OK), (-1, 5, 70.0, OK), ("unknown", 2, 9.0, OK))], NO_LIMITS)
    assert [(row.name, row.requests) for row in rows] == [('"other"', 10), ('"unknown"', 2), ("other", 5)]
    assert [row.lower_bounds for row in rows] == [[], [], []]


def test_a_name_that_may_be_among_the_others_of_an_attempt_is_one_of_them():
    """The table of the second attempt was full before the first POST /b."""
    first = attempt(("GET /a", 10, 4.0, OK), ("POST /b", 10, 90.0, OK))
    second = attempt(("GET /a", 10, 4.0, OK), (-1, 5, 70.0, OK))
    rows = by_name(merge_endpoints([first, second], SloLimits({}, {"POST /b": {"p50_ms": 9}})))
    assert {name: row.requests for name, row in rows.items()} == {"POST /b": 0, "GET /a": 20, "other": 15}
    assert rows["other"].rps == 0.75
