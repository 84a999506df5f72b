"""The latency of a single user, and how many requests an API serves at once."""

import pytest

from swarmsweep.judge.concurrency import of_users
from swarmsweep.raw.closed_loop import UsersRecord
from swarmsweep.shared.request_record import FAILED, OK

WINDOW = (10.0, 19.0)


@pytest.mark.parametrize(
    ("unloaded", "expected_ms"),
    [
        # The first request opens the connection.
        ([(0.1, 500.0, OK), (0.2, 20.0, OK), (0.3, 30.0, OK), (0.4, 40.0, OK)], 30.0),
        ([(0.1, 500.0, OK), (0.2, 20.0, OK), (0.3, 30.0, OK)], None),
        ([(0.1, 500.0, OK)], None),
        ([(0.1, 500.0, OK), *((float(at), 20.0, FAILED) for at in range(1, 9))], None),
        ([], None),
    ],
)
def test_the_mean_of_one_user_needs_some_good_responses(unloaded, expected_ms):
    assert of_users(UsersRecord(unloaded=tuple(unloaded)), WINDOW, 100.0).unloaded_ms == expected_ms
