"""The latency of a single user, and how many requests an API serves at once."""

import numpy as np
import pytest

from swarmsweep.judge.concurrency import of_users
from swarmsweep.judge.unloaded_latency import unloaded_latency
from swarmsweep.raw.closed_loop import UnloadedRequest, UsersRecord
from swarmsweep.raw.latency import Requests
from swarmsweep.shared.request_record import FAILED, MAX_NAMES, OK

WINDOW = (10.0, 19.0)


def probe(*latencies_ms, name="", outcome=OK):
    """Requests of one user."""
    return tuple(UnloadedRequest(float(at), ms, outcome, name) for at, ms in enumerate(latencies_ms))


@pytest.mark.parametrize(
    ("unloaded", "expected_ms"),
    [
        # The first request opens the connection.
        (probe(500.0, 20.0, 30.0, 40.0), 30.0),
        (probe(500.0, 20.0, 30.0), None),
        (probe(500.0), None),
        (probe(500.0) + probe(*[20.0] * 8, outcome=FAILED), None),
        ((), None),
    ],
)
def test_the_mean_of_one_user_needs_some_good_responses(unloaded, expected_ms):
    assert of_users(UsersRecord(unloaded=unloaded), WINDOW, 100.0).unloaded_ms == expected_ms


@pytest.mark.parametrize(
    ("latencies_ms", "replicas", "expected_ms"),
    [
        # The first request to each replica is slow.
        ([500.0] * 4 + [20.0] * 16, 4, 20.0),
        # At most half of the requests are left out.
        ([500.0] * 3 + [20.0] * 3, 8, 20.0),
        ([500.0] * 12 + [20.0] * 8, 12, (2 * 500.0 + 8 * 20.0) / 10),
    ],
)
def test_cold_replicas_do_not_count(latencies_ms, replicas, expected_ms):
    record = UsersRecord(unloaded=probe(*latencies_ms))
    assert unloaded_latency(record, replicas).mean_ms == pytest.approx(expected_ms)


# The probe met the slow request in a fifth of its requests, and the load in half of them.
MIXED = probe(90.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, name="/fast") + probe(
    200.0, 100.0, 100.0, name="/slow"
)


@pytest.mark.parametrize(
    ("by_name", "expected_ms"),
    [
        ({"/fast": (500, 10_000.0), "/slow": (500, 100_000.0)}, 55.0),
        ({"/fast": (900, 18_000.0), "/slow": (100, 20_000.0)}, 19.0),
        # Another name takes a tenth of the time at most: as much slower under load as the others, twice.
        ({"/fast": (500, 10_000.0), "/slow": (450, 90_000.0), "/rare": (50, 10_000.0)}, 55.0),
        # Records of earlier versions.
        ({}, 28.0),
        # An id in every address is no mix.
        ({f"/items/{number}": (1, 10.0) for number in range(MAX_NAMES + 1)}, 28.0),
    ],
)
def test_each_name_has_the_weight_that_it_has_under_load(by_name, expected_ms):
    found = unloaded_latency(UsersRecord(unloaded=MIXED, by_name=by_name), replicas=1)
    assert (found.mean_ms, found.gap) == (pytest.approx(expected_ms), None)


def test_a_mix_that_the_probe_did_not_meet_is_not_compared():
    by_name = {"/fast": (3000, 30_000.0), "/predict": (100, 50_000.0)}
    record = UsersRecord(unloaded=probe(*[10.0] * 20, name="/fast"), by_name=by_name)
    found = of_users(record, WINDOW, 25.8)
    assert (found.unloaded_ms, found.growth, found.served_at_once) == (None, None, None)
    assert "its probe lacks requests that take 62.5 % of the time, as /predict" in found.text


def loaded(*latencies_ms):
    """Requests that began evenly in the window."""
    starts = np.linspace(*WINDOW, len(latencies_ms), endpoint=False)
    return Requests(starts, np.array(latencies_ms), np.full(len(latencies_ms), OK))


@pytest.mark.parametrize(
    ("unloaded_ms", "loaded_ms", "has_grown", "words"),
    [
        # All requests wait in a queue.
        ([9.0] + [10.0] * 19, [30.0] * 600, True, "mean latency 30.0 ms, and 10.0 ms for a single user"),
        # One of 200 requests is slow by itself, and the probe met none.
        ([9.0] + [10.0] * 19, ([10.0] * 199 + [4000.0]) * 3, False, "a part of the requests is slow"),
        # Requests are short or long by themselves, as texts of a language model are. The probe met short ones.
        ([900.0, 900.0, 700.0, 4100.0], list(range(500, 6000, 10)), False, "differ too much for a comparison"),
        # Such requests in a long queue.
        ([900.0, 900.0, 700.0, 4100.0], list(range(10_500, 16_000, 10)), True, "for a single user"),
        # The first ones of a cache are misses, and the load has hits alone.
        ([50.0] * 6 + [10.0] * 14, [10.0] * 600, False, "mean latency 10.0 ms"),
    ],
)
def test_requests_that_are_slow_by_themselves_are_no_queue(unloaded_ms, loaded_ms, has_grown, words):
    by_name = {"/predict": (len(loaded_ms), float(sum(loaded_ms)))}
    record = UsersRecord(requests=loaded(*loaded_ms), unloaded=probe(*unloaded_ms, name="/predict"), by_name=by_name)
    found = of_users(record, WINDOW, sum(loaded_ms) / len(loaded_ms))
    assert found.has_grown == has_grown
    assert words in found.text


def test_rare_slow_requests_with_an_id_in_each_name_are_no_queue():
    # Of 31 requests, one is slow. Its names are too many to be weighted.
    by_name = {f"/predict/{number}": (1, 500.0) for number in range(MAX_NAMES + 1)}
    latencies_ms = ([4.0] * 30 + [500.0]) * 20
    record = UsersRecord(requests=loaded(*latencies_ms), unloaded=probe(*[4.0] * 20, name="/ready"), by_name=by_name)
    found = of_users(record, WINDOW, sum(latencies_ms) / len(latencies_ms))
    assert found.growth == pytest.approx(5.0)
    assert not found.has_grown


def test_a_queue_before_one_name_of_several_shows_in_the_mean():
    # Most requests are of another name, so the median says nothing.
    by_name = {"/ready": (600, 2400.0), "/predict": (200, 200_000.0)}
    names = probe(*[4.0] * 15, name="/ready") + probe(*[200.0] * 5, name="/predict")
    record = UsersRecord(requests=loaded(*[4.0] * 600, *[1000.0] * 200), unloaded=names, by_name=by_name)
    assert of_users(record, WINDOW, 253.0).has_grown
