"""Intervals of latencies: how often they hold the true figure, and what their width is."""

import numpy as np
import pytest
from queue_world import finish_times

from swarmsweep.judge.bootstrap import MAX_PARTS, MIN_SHARE, Timed, latency_intervals


def queue(seed, rate_rps=85.0, seconds=60, service_ms=10.0):
    """One server near its capacity, whose latencies depend on each other; exponential service times."""
    random = np.random.default_rng(seed)
    arrivals = np.sort(random.uniform(0, seconds, random.poisson(rate_rps * seconds)))
    ends = finish_times(arrivals, random.exponential(service_ms / 1000, len(arrivals)), 1)
    return Timed(arrivals, 1000 * (ends - arrivals))


def p95_of(*attempts):
    return float(np.percentile(np.concatenate([attempt.latency_ms for attempt in attempts]), 95, method="inverted_cdf"))


def interval(*attempts):
    return latency_intervals(attempts, {"p95": p95_of(*attempts)})["p95"]


def test_most_intervals_near_the_capacity_hold_the_true_percentile():
    """A queue of one server with 85 % utilisation: the p95 of its latency is 10 ms x ln(20) / (1 - 0.85).

    With windows of 60 s, block bootstraps of a percentile hold fewer than their 95 %. Intervals that take requests as
    independent hold far fewer.
    """
    truth = 10.0 * np.log(20) / 0.15
    held = sum(low <= truth <= high for low, high in (interval(queue(seed)) for seed in range(60)))
    assert held >= 48
    near = sum(0.97 * p95_of(queue(seed)) <= truth <= 1.03 * p95_of(queue(seed)) for seed in range(60))
    assert near < 20  # 3 % is about what independent requests would have


@pytest.mark.parametrize(("count", "share"), [(1, MIN_SHARE), (4, MIN_SHARE / 2)])
def test_a_steady_latency_has_the_smallest_interval(count, share):
    steady = Timed(np.arange(0, 30, 0.01), np.full(3000, 40.0))
    low, high = interval(*[steady] * count)
    assert (low, high) == (pytest.approx(40 * (1 - share), rel=1e-6), pytest.approx(40 * (1 + share), rel=1e-6))


def test_attempts_that_differ_widen_it_to_all_of_them():
    attempts = [Timed(np.arange(0, 30, 0.01), np.full(3000, p95)) for p95 in (37.0, 39.6, 51.6)]
    low, high = interval(*attempts)
    assert low <= 37.1 and high >= 51.6


def test_a_second_of_slow_requests_is_a_group_and_no_proof():
    """6 % of the requests are slow, all in the same two seconds: a window without them has a low p95."""
    slow = Timed(np.arange(0, 30, 0.01), np.where(np.arange(3000) < 180, 500.0, 10.0))
    low, high = interval(slow)
    assert low < 20 and high >= 500


def test_each_figure_that_was_measured_has_an_interval_and_no_other():
    found = latency_intervals([queue(1)], {"mean": 50.0, "p50": 40.0, "p95": 150.0, "p99": None})
    assert list(found) == ["mean", "p50", "p95"]
    assert all(low < value < high for (low, high), value in zip(found.values(), (50.0, 40.0, 150.0), strict=True))
    assert found == latency_intervals([queue(1)], {"mean": 50.0, "p50": 40.0, "p95": 150.0, "p99": None})


@pytest.mark.parametrize("attempts", [[], [Timed(np.empty(0), np.empty(0))]])
def test_without_requests_there_is_none(attempts):
    assert latency_intervals(attempts, {"p95": 10.0} if attempts else {"p95": None}) == {}


def test_a_long_window_is_cut_into_parts_of_several_seconds():
    seconds = np.linspace(0, 4 * MAX_PARTS, 20_000)
    low, high = interval(Timed(seconds, np.full(20_000, 40.0)))
    assert low < 40 < high


@pytest.mark.parametrize("latency_ms", [0.0, 1e-9, 1e8])
def test_extreme_latencies_are_counted(latency_ms):
    low, high = latency_intervals([Timed(np.array([0.0, 0.5]), np.full(2, latency_ms))], {"mean": latency_ms})["mean"]
    assert low <= latency_ms <= high
