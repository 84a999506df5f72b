"""Recorded requests: reading what was written, even where it broke off, and exact percentiles."""

import gzip
import math
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmsweep.errors import LabError
from swarmsweep.raw.latency import (
    decompress,
    describe,
    lower_bounds,
    merge_open,
    percentile,
    read_open_requests,
    read_requests,
)
from swarmsweep.shared.request_record import DROPPED, FAILED, NO_RESPONSE, OK, TIMED_OUT


def packed(count: int, start: float = 0.0) -> bytes:
    """``count`` records, one a second, with the latency counting up."""
    return b"".join(struct.pack("<3d", start + i, float(i + 1), 1.0) for i in range(count))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_the_nearest_rank(values, percent):
    # By hand: the smallest value such that at least `percent` % of all values are not above it.
    ordered = sorted(values)
    rank = next(i for i in range(1, len(ordered) + 1) if 100 * i >= percent * len(ordered))
    assert percentile(np.array(values), percent) == ordered[rank - 1]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, {"mean": None, "p50": None, "p95": None, "p99": None}),
        (1, {"mean": 1, "p50": 1, "p95": None, "p99": None}),
        (19, {"mean": 10, "p50": 10, "p95": None, "p99": None}),
        (20, {"mean": 10.5, "p50": 10, "p95": 19, "p99": None}),
        (99, {"mean": 50, "p50": 50, "p95": 95, "p99": None}),
        (100, {"mean": 50.5, "p50": 50, "p95": 95, "p99": 99}),
    ],
)
def test_tails_of_few_requests_are_null(count, expected):
    assert describe([np.arange(1.0, count + 1)]).by_name() == expected


def test_percentiles_of_trials_are_of_the_merged_latencies_not_averages():
    slow, fast = np.full(100, 900.0), np.full(900, 10.0)
    assert describe([slow, fast]).p95 == 900.0
    assert describe([slow, fast]).p50 == 10.0
    assert describe([slow, fast]).mean == pytest.approx(99.0)


def test_the_window_takes_its_start_and_leaves_its_end(tmp_path):
    path = tmp_path / "requests-a-0.f64.gz"
    path.write_bytes(gzip.compress(packed(10)))
    inside = read_requests([path]).within(3.0, 7.0)
    assert inside.start_seconds.tolist() == [3.0, 4.0, 5.0, 6.0]
    assert inside.latency_ms.tolist() == [4.0, 5.0, 6.0, 7.0]


def test_all_workers_are_read_and_failures_kept_apart(tmp_path):
    first, second = tmp_path / "requests-a-0.f64.gz", tmp_path / "requests-b-0.f64.gz"
    first.write_bytes(gzip.compress(packed(3)))
    second.write_bytes(gzip.compress(struct.pack("<3d", 9.0, 1.0, 0.0)))
    requests = read_requests([first, second])
    assert requests.outcome.tolist() == [OK, OK, OK, FAILED]
    assert requests.complete


def test_members_appended_every_second_are_one_stream():
    data = b"".join(gzip.compress(packed(5, start)) for start in (0, 5, 10))
    assert decompress(data) == (packed(5, 0) + packed(5, 5) + packed(5, 10), True)


def test_a_flushed_stream_without_its_end_is_read_up_to_the_last_whole_record(tmp_path):
    stream = zlib.compressobj(wbits=31)
    data = stream.compress(packed(50)) + stream.flush(zlib.Z_SYNC_FLUSH)
    data += stream.compress(packed(2, 50)[:-5]) + stream.flush(zlib.Z_SYNC_FLUSH)
    path = tmp_path / "requests-a-0.f64.gz"
    path.write_bytes(data)
    requests = read_requests([path])
    assert requests.start_seconds.tolist() == [float(i) for i in range(51)]
    assert not requests.complete


def test_every_cut_of_a_file_yields_a_prefix_of_it(tmp_path):
    members = [gzip.compress(packed(40, start)) for start in (0, 40)]
    whole = b"".join(members)
    path = tmp_path / "requests-a-0.f64.gz"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        requests = read_requests([path])
        assert requests.start_seconds.tolist() == [float(i) for i in range(len(requests))]
        assert requests.complete == (length in (0, len(members[0]))), length


@given(st.binary(max_size=400), st.integers(0, 300))
def test_damaged_bytes_never_raise_anything_else(garbage, position):
    data = gzip.compress(packed(20))
    content, _ = decompress(data[:position] + garbage)
    assert isinstance(content, bytes)


@pytest.mark.parametrize("record", [(math.nan, 1, 1), (1, math.inf, 1), (1, -1, 1), (1, 1, 0.5)])
def test_a_record_that_is_no_request_is_refused(tmp_path, record):
    path = tmp_path / "requests-a-0.f64.gz"
    path.write_bytes(gzip.compress(packed(2) + struct.pack("<3d", *record)))
    with pytest.raises(LabError, match="record 2 is invalid"):
        read_requests([path])


def test_a_request_without_a_response_is_kept_with_the_time_that_it_waited(tmp_path):
    path = tmp_path / "requests-a-0.f64.gz"
    path.write_bytes(gzip.compress(packed(2) + struct.pack("<3d", 2.0, 40_000.0, NO_RESPONSE)))
    requests = read_requests([path])
    assert [requests.count(outcome) for outcome in (OK, FAILED, NO_RESPONSE)] == [2, 0, 1]
    assert requests.waited_ms.tolist() == [40_000.0]
    assert requests.within(0, 2).waited_ms.tolist() == []


FAST = [10.0] * 990


@pytest.mark.parametrize(
    ("latencies", "waited", "bounds"),
    [
        (FAST, [], []),
        # 1.0 % had no response: the 99th percentile is that of the last one that had.
        (FAST, [40_000.0] * 10, ["mean"]),
        (FAST, [40_000.0] * 11, ["mean", "p99"]),
        (FAST[:900], [40_000.0] * 60, ["mean", "p95", "p99"]),
        # They waited for less time than other requests took, so higher percentiles are unknown.
        (FAST[:900] + [200.0] * 100, [50.0], ["mean", "p95", "p99"]),
        ([10.0] * 10, [40_000.0], ["mean"]),
    ],
)
def test_lower_bounds(latencies, waited, bounds):
    assert lower_bounds([np.array(latencies + waited)], [np.array(waited)]) == bounds


@given(
    st.lists(st.integers(0, 50), min_size=100, max_size=140),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=30),
)
def test_what_is_no_lower_bound_is_exact_however_long_the_missing_take(latencies, missing):
    waited = [float(so_far) for so_far, _ in missing]
    true = np.array([*latencies, *(so_far + more for so_far, more in missing)], float)
    seen = np.array([*latencies, *waited], float)
    bounds = lower_bounds([seen], [np.array(waited)])
    figures, truth = describe([seen]).by_name(), describe([true]).by_name()
    for name, value in figures.items():
        if name in bounds:
            assert value <= truth[name] + 1e-9
        else:
            assert value == pytest.approx(truth[name])


def test_recorded_files_hold_what_locust_counted(recorded):
    files = sorted((recorded / "locust").glob("requests-*.gz"))
    requests = read_requests(files)
    assert (len(files), len(requests), requests.count(FAILED)) == (2, 1332, 14)
    assert float(requests.latency_ms.mean()) == pytest.approx(6.296274400152536)  # Locust's own average, exact


def open_file(folder, *rows, name="open-requests-a-0-trial-1.f64.gz"):
    """A file of open-loop records: (intended start, latency ms, outcome, lag ms, number of the replica)."""
    path = folder / name
    path.write_bytes(gzip.compress(b"".join(struct.pack("<5d", *row) for row in rows)))
    return path


def test_open_requests_are_distinguished_by_their_outcome(tmp_path):
    rows = [(1, 5, OK, 0.1, 0), (2, 9, FAILED, 0.2, -1), (3, 1000, TIMED_OUT, 0.3, -1)]
    requests = read_open_requests(open_file(tmp_path, *rows, (4, math.nan, DROPPED, math.nan, -1)))
    assert [requests.count(outcome) for outcome in (OK, FAILED, TIMED_OUT, DROPPED)] == [1, 1, 1, 1]
    assert requests.sent.latency_ms.tolist() == [5, 9, 1000]
    assert requests.within(2, 4).due_seconds.tolist() == [2, 3]
    assert (len(requests), len(requests.sent), requests.complete) == (4, 3, True)


def test_open_requests_of_several_workers_are_merged(tmp_path):
    first = open_file(tmp_path, (1, 5, OK, 0.1, 0))
    second = open_file(tmp_path, (2, 6, OK, 0.1, 0), (3, 7, OK, 0.1, 0), name="open-requests-a-1-trial-1.f64.gz")
    second.write_bytes(second.read_bytes()[:-9])
    merged = merge_open([read_open_requests(path) for path in (first, second)])
    assert merged.latency_ms.tolist()[:2] == [5, 6]
    assert not merged.complete
    assert len(merge_open([])) == 0


@pytest.mark.parametrize(
    "row",
    [
        (math.nan, 1, OK, 0, 0),
        (1, math.nan, OK, 0, 0),
        (1, -1, OK, 0, 0),
        (1, 1, OK, -1, 0),
        (1, 1, OK, math.inf, 0),
        (1, 1, 4, 0, 0),
        (1, 1, OK, 0, math.nan),
    ],
)
def test_an_open_record_that_is_no_request_is_refused(tmp_path, row):
    with pytest.raises(LabError, match="record 1 is invalid"):
        read_open_requests(open_file(tmp_path, (1, 1, OK, 0, 0), row))
