"""The latency of a single user, and how many requests an API serves at once."""

import pytest

from swarmsweep.judge.concurrency import of_users
from swarmsweep.judge.unloaded_latency import unloaded_latency
from swarmsweep.raw.closed_loop import UnloadedRequest, UsersRecord
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
    assert found == (pytest.approx(expected_ms), None)


def test_a_mix_that_the_probe_did_not_meet_is_not_compared():
    by_name = {"/fast": (3000, 30_000.0), "/predict": (100, 50_000.0)}
    record = UsersRecord(unloaded=probe(*[10.0] * 20, name="/fast"), by_name=by_name)
    found = of_users(record, WINDOW, 25.8)
    assert (found.unloaded_ms, found.growth, found.served_at_once) == (None, None, None)
    assert "its probe lacks requests that take 62.5 % of the time, as /predict" in found.text
