"""The sums of one probe of users, over requests whose times are known."""

import pytest

pytest.importorskip("hdrh", reason="hdrhistogram is not installed")

from loadgen.closed.order import UsersOrder
from loadgen.closed.window import Window
from loadgen.master.merge import merge_users

OK, REFUSED = 1.0, 11.0
# Start from the begin of the window, latency in ms, outcome. The window has 2 s, after 1 s to settle.
REQUESTS = [
    (-1.5, 100, OK),  # before the probe
    (-0.5, 100, OK),
    (0.0, 100, OK),
    (0.9, 400, OK),
    (1.0, 300, REFUSED),
    (1.5, 1000.5, OK),  # its response came too late
    (1.9, 1000, OK),
    (2.0, 100, OK),  # after the window
]


def summary():
    window = Window(1000.0, 1.0, 2.0, 1.0)
    for start, latency_ms, outcome in REQUESTS:
        window.add(1001.0 + start, latency_ms, outcome)
    window.add_waiting(1001.25, 1001.5)
    return {"trial": 1, "host": "h", "index": "0", "stopped": None, "requests_file": "x", **window.summarize()}


def test_each_request_is_in_the_second_of_its_start():
    found = summary()
    assert (found["window_start"], found["window_end"]) == (1001.0, 1003.0)
    counts = [
        (part["second"], part["offered"], part["ok"], part["failed"], part["timed_out"]) for part in found["bins"]
    ]
    assert counts == [(-1, 1, 1, 0, 0), (0, 3, 2, 0, 1), (1, 3, 1, 1, 1)]
    # A late response counts until the timeout of 1 s.
    in_flight = [part["in_flight_mean"] for part in found["bins"]]
    assert in_flight == pytest.approx([0.1, 0.1 + 0.1 + 0.75, 0.3 + 0.25 + 0.3 + 0.5 + 0.1], abs=1e-6)


def test_several_workers_are_added_up():
    classes = {"A": {"users": 1, "waits": 4, "asked_seconds": 6.0}, "B": {"users": 2, "waits": 0, "asked_seconds": 0.0}}
    seen = {"least": 2, "most": 3, "waits": 4, "asked_seconds": 6.0}
    users = {"users": seen | {"classes": classes}, "waited": [3, 4.5]}
    order = UsersOrder(1, 5, 1.0, 2.0, 1.0, workers=2)
    merged = merge_users(order, [summary() | users] * 2, {"p95_ms": 300})
    twice = {name: {key: 2 * value for key, value in one.items()} for name, one in classes.items()}
    assert merged["users"] == {name: 2 * value for name, value in seen.items()} | {"classes": twice}
    assert merged["waited"] == [6, 9.0]
    measured = merged["measured"]
    assert (measured["offered"], measured["ok"], measured["failed"], measured["timed_out"]) == (12, 6, 2, 4)
    assert merged["within_limits"] == {"p95_ms": 2}
    assert merged["order"]["users"] == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "closed"}, "kind is 'closed'"),
        ({"users": None}, "users is None"),
        ({"users": 0}, "users is 0"),
        ({"rate_rps": 5.0}, "rate_rps is 5.0"),
        ({"connections": 4}, "connections is 4"),
        ({"seconds_measure": 0}, "seconds_measure is 0"),
        ({"worker": 2}, "worker is 2"),
        ({"spam": 1}, "unknown spam"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(change, message):
    good = {"trial": 1, "seconds_settle": 1, "seconds_measure": 2, "timeout_seconds": 1, "users": 5}
    assert UsersOrder.from_message(good | {"workers": 2}).users == 5
    with pytest.raises(ValueError, match=message):
        UsersOrder.from_message(good | {"workers": 2} | change)
