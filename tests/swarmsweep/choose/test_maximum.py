"""Whether the rate of a cell is the most that it serves: recorded cells, and the bounds against exact queues."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rows import searched

from swarmsweep.choose.maximum import busy_share, of_fixed_load, of_search
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import ApiUse, Row
from swarmsweep.plan.row_file import read_row

CELLS = Path(__file__).parents[2] / "data" / "cells"


def recorded(name: str) -> Row:
    path = CELLS / f"{name}.json"
    stored = json.loads(path.read_text())
    return read_row(path, path.parent, PlannedCell(id=stored["id"], config=stored["config"], memory=""))


@pytest.mark.parametrize(
    ("name", "gap"),
    [
        ("cpu_throttled", None),  # 96 % of its CPU limit
        ("database", None),  # 16 users, 5.4 times the latency of one: at least 87 % busy
        ("host_cpu", None),
        ("threads", None),  # 39 of 40 threads
        ("pool", None),
        ("lock", None),
        ("mlflow", "did not reach its limit"),  # 2 users, 1.6 times the latency: perhaps 76 %
        ("hot_worker", "did not reach its limit"),  # one user
        ("not_saturated", "did not reach its limit"),
        ("none_w1", "did not reach its limit"),
        ("none_w2", "did not reach its limit"),
        ("generator", "was limited by the load generator"),
        ("proxy", "was limited by HAProxy"),
        ("network", "was limited by the network"),
        ("hot_replica", "had an idle replica"),
    ],
)
def test_recorded_cells(name, gap):
    row = recorded(name)
    maximum = of_fixed_load(row)
    assert (maximum.gap, maximum.is_lower_bound) == (gap, gap is not None)
    assert maximum.rates_rps == {1: row.rps}


@pytest.mark.parametrize(
    ("changes", "gap"),
    [
        ({"failure_percent": 1.0}, None),
        ({"failure_percent": 1.1}, "had more than 1 % failed requests"),
        ({"bottleneck": None}, "has no known bottleneck"),
        ({"api": ApiUse()}, "lacks the figures that show its limit"),
    ],
)
def test_the_same_cell_with_other_figures(changes, gap):
    assert of_fixed_load(replace(recorded("cpu_throttled"), **changes)).gap == gap


def test_short_bursts_of_throttling_are_no_limit():
    row = recorded("cpu_throttled")
    assert of_fixed_load(replace(row, api=replace(row.api, cpu_cores=0.13))).gap == "did not reach its limit"


def test_a_cell_without_an_attempt_has_no_rate():
    assert of_fixed_load(recorded("memory")).rates_rps == {}


LOAD = {"mode": "capacity", "arrivals": "poisson", "timeout_seconds": 1, "locustfile": "predict_open.py"}


def test_searches_have_their_capacities():
    maximum = of_search(searched("a", 100.0, 110.0), LOAD)
    assert (maximum.rates_rps, maximum.gap) == ({1: 100.0, 2: 110.0}, None)
    assert of_search(searched("a", 100.0, is_lower_bound=True), LOAD).is_lower_bound
    without = of_search(searched("a", 100.0, verified_rps=None), LOAD)
    assert (without.rates_rps, without.gap) == ({}, "has no verified rate")


@pytest.mark.parametrize(
    ("change", "same"),
    [({"arrivals": "constant"}, False), ({"timeout_seconds": 2}, False), ({"profile": "smoke"}, True)],
)
def test_searches_with_another_load_are_of_another_kind(change, same):
    row = searched("a", 100.0)
    assert (of_search(row, LOAD).load_kind == of_search(row, LOAD | change).load_kind) is same


def exact(demands_seconds: list[float], think_seconds: float, users: int) -> tuple[float, float]:
    """Latency growth, and how busy the busiest queue is, by exact mean value analysis of a closed network."""
    waiting = [0.0] * len(demands_seconds)
    for count in range(1, users + 1):
        times = [demand * (1 + queue) for demand, queue in zip(demands_seconds, waiting, strict=True)]
        rate = count / (think_seconds + sum(times))
        waiting = [rate * time for time in times]
    return sum(times) / sum(demands_seconds), rate * max(demands_seconds)


# Without a deadline, because a busy machine is no fault.
@settings(deadline=None)
@given(
    st.lists(st.floats(0.001, 1.0), min_size=1, max_size=6),
    st.floats(0.0, 20.0),
    st.integers(2, 60),
)
def test_the_share_is_a_lower_bound_for_every_network_of_queues(demands, think, users):
    growth, busy = exact(demands, think, users)
    assert busy_share(growth, users) <= busy + 1e-9


def test_the_share_is_exact_for_balanced_queues_without_think_time():
    growth, busy = exact([0.1] * 4, 0.0, 12)
    assert busy_share(growth, 12) == pytest.approx(busy)


@pytest.mark.parametrize(("growth", "users"), [(1.0, 40), (0.8, 40), (5.0, 1)])
def test_without_a_wait_nothing_is_known(growth, users):
    assert busy_share(growth, users) == 0.0


def erlang_c(servers: int, busy: float) -> float:
    """The share of requests that wait in a queue of so many servers."""
    offered = servers * busy
    last = offered**servers / math.factorial(servers) / (1 - busy)
    return last / (sum(offered**i / math.factorial(i) for i in range(servers)) + last)


@pytest.mark.parametrize("servers", [2, 5, 40])
@pytest.mark.parametrize("busy", [0.5, 0.8, 0.95, 0.99])
def test_a_pool_is_not_called_busier_than_it_is(servers, busy):
    growth = 1 + erlang_c(servers, busy) / (servers * (1 - busy))
    pool = replace(
        recorded("pool"), latency_growth=growth, served_at_once=servers * busy, users=10_000, bottleneck="concurrency"
    )
    assert busy >= 0.8 or of_fixed_load(pool).is_lower_bound
