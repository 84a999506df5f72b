"""Seconds of a window: requests in flight and CPU, against the slow way to count them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmsweep.judge.flows import flow_of_users, mean_in_flight, whole_seconds
from swarmsweep.raw.closed_loop import UsersRecord
from swarmsweep.raw.latency import Requests
from swarmsweep.raw.tasks import Tasks
from swarmsweep.shared.request_record import DIFFERENT, OK

EPOCH = 1_763_800_000.25
LOAD = {"users": 3, "wait_seconds": [1.0, 4.0]}
TIMES = st.lists(st.tuples(st.floats(-3, 8), st.floats(0, 6000)), max_size=40)


def record(rows, **others) -> UsersRecord:
    """Of requests (seconds after the epoch used here, latency in ms, outcome)."""
    table = np.array(rows, dtype=float).reshape(-1, 3)
    return UsersRecord(Requests(EPOCH + table[:, 0], table[:, 1], table[:, 2]), files=1, **others)


@pytest.mark.parametrize(
    ("length", "seconds"), [(0.5, 0), (0.999, 0), (1.0, 1), (1.7, 1), (15.003, 15), (14.9999999, 15)]
)
def test_only_whole_seconds_count(length, seconds):
    edges = whole_seconds((EPOCH, EPOCH + length))
    assert len(edges) == seconds + 1
    assert edges[0] == EPOCH
    assert np.all(np.diff(edges) == 1)


@given(TIMES)
def test_requests_in_flight_are_those_counted_one_by_one(rows):
    starts = np.array([start for start, _ in rows])
    latencies = np.array([latency for _, latency in rows])
    edges = np.arange(6.0)
    expected = [
        sum(max(0.0, min(start + ms / 1000, edge + 1) - max(start, edge)) for start, ms in rows) for edge in edges[:-1]
    ]
    assert mean_in_flight(starts, latencies, edges) == pytest.approx(expected, abs=1e-9)
    # Epoch seconds have a quarter of a microsecond of precision.
    shifted = mean_in_flight(starts + EPOCH, latencies, edges + EPOCH)
    assert shifted == pytest.approx(expected, abs=1e-5)


def test_flow_of_users_is_what_was_recorded():
    rows = [(-0.5, 1000.0, 1), (0.0, 500.0, 1), (0.6, 100.0, 0), (2.25, 2000.0, 1), (3.0, 10.0, 1)]
    cpu = ((EPOCH, 99.0), (EPOCH + 0.9, 20.0), (EPOCH + 1.0, 30.0), (EPOCH + 2.9, 40.0), (EPOCH + 3.1, 99.0))
    flow = flow_of_users(
        record(rows, cpu_percent=cpu, served_by={"a/1": 4}, errors={"busy": 1}), (EPOCH, EPOCH + 3), LOAD
    )
    assert (flow.kind, flow.offered, flow.ok, flow.failed) == ("users", 3, 2, 1)
    assert (flow.concurrency, flow.planned_think_seconds) == (3, 2.5)
    assert flow.latency_mean_ms == pytest.approx((500 + 100 + 2000) / 3)
    assert [second.offered for second in flow.seconds] == [2, 0, 1]
    assert [second.in_flight_mean for second in flow.seconds] == pytest.approx([1.1, 0.0, 0.75], abs=1e-5)
    assert flow.in_flight_mean == pytest.approx(1.85 / 3, abs=1e-5)
    assert [second.cpu_percent for second in flow.seconds] == [30.0, None, 40.0]
    assert flow.generator_cpu_percent == 40.0
    assert (flow.served_by, flow.errors) == ({"a/1": 4}, {"busy": 1})


def test_requests_without_a_response_are_neither_ok_nor_failed():
    flow = flow_of_users(record([(0.5, 10.0, 1), (1.0, 20.0, 0), (1.5, 40_000.0, 2)]), (EPOCH, EPOCH + 3), LOAD)
    assert (flow.offered, flow.ok, flow.failed, flow.in_flight_end) == (3, 1, 1, 1)
    assert flow.lower_bounds == ("mean",)
    assert (flow.tasks, flow.users_min) == (None, None)


def test_tasks_and_users_of_the_window_are_those_of_all_workers():
    times = np.array([-1.0, 0.5, 1.5, 9.0]) + EPOCH
    tasks = Tasks(times, np.array([3.0, 3.0, 1.0, 3.0]), ("KeyError: 'prediction'",))
    users = (
        ((EPOCH - 1, 0.0), (EPOCH + 1, 2.0), (EPOCH + 2, 2.0)),
        ((EPOCH + 1, 2.0), (EPOCH + 2, 1.0), (EPOCH + 3, 0.0)),
    )
    flow = flow_of_users(record([(0.5, 10.0, 1)], tasks=(tasks, tasks), users=users), (EPOCH, EPOCH + 3), LOAD)
    assert (flow.tasks.executions, flow.tasks.failed, flow.tasks.raised) == (4, 2, 2)
    assert flow.tasks.exceptions == {"KeyError: 'prediction'": 2}
    assert flow.users_min == 3


def test_a_window_without_requests_has_no_figures():
    flow = flow_of_users(record([]), (EPOCH, EPOCH + 2), LOAD)
    assert (flow.offered, flow.ok, flow.latency_mean_ms, flow.in_flight_mean) == (0, 0, None, 0.0)
    assert [second.offered for second in flow.seconds] == [0, 0]
    assert flow_of_users(UsersRecord(), (EPOCH, EPOCH + 2), LOAD) is None


def test_responses_that_differed_are_counted_in_the_whole_attempt():
    rows = [(-0.5, 10.0, DIFFERENT), (0.5, 10.0, OK), (1.0, 10.0, DIFFERENT), (1.5, 10.0, 503)]
    flow = flow_of_users(record(rows), (EPOCH, EPOCH + 3), LOAD)
    assert (flow.offered, flow.failed, flow.different_responses) == (3, 2, 2)
    # Earlier versions recorded no kinds.
    old = flow_of_users(record([(0.5, 10.0, 1), (1.0, 20.0, 0)]), (EPOCH, EPOCH + 3), LOAD)
    assert old.different_responses is None
