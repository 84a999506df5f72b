"""What a page says of own timings: whether the figures are theirs, and what HAProxy counted beside them."""

import pytest
from msgspec.structs import replace
from rows import fixed

from swarmsweep.plan.row import RequestCounts
from swarmsweep.report.page_lists import request_notes_of

COUNTS = {"client_requests": 3, "redirects_followed": 0, "retries": 0, "other_clients": 0, "not_sent": 0}
NOT_THEIRS = "the scenario fired 90 timings of its own. They are not in the figures."
THEIRS = "all figures are of timings that the scenario fired itself: 90 in the whole attempt. HAProxy counted "


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"own_timings": 0, "haproxy": 3, "own_figures": False}, None),
        ({"own_timings": 90, "haproxy": 3, "own_figures": False}, NOT_THEIRS),
        (
            {"own_timings": 90, "haproxy": 93, "own_figures": True},
            f"{THEIRS}93 requests, 3 of them by self.client outside the window. One timing may take any number of "
            "requests.",
        ),
        (
            {"own_timings": 90, "client_requests": 0, "own_figures": True},
            f"{THEIRS}an unknown number of requests. One timing may take any number of requests.",
        ),
        # A row of an earlier version does not say it.
        ({"own_timings": 90, "haproxy": 3}, NOT_THEIRS),
        (
            {"own_timings": 90, "haproxy": 90, "client_requests": 0},
            f"{THEIRS}90 requests. One timing may take any number of requests.",
        ),
        (
            {"own_timings": 90, "haproxy": 40, "client_requests": 0, "own_figures": True, "user_events": 90},
            "all figures are of the events that its users fired: 90 events in the whole attempt. Such users are "
            "neither HttpUser nor FastHttpUser. HAProxy counted 40 requests, and one may carry many events.",
        ),
        (
            {"own_timings": 90, "haproxy": 43, "own_figures": False, "user_events": 80},
            "the figures are of the requests of self.client, and of the events that users of other classes fired: 80 "
            "events in the whole attempt. Such users are neither HttpUser nor FastHttpUser. HAProxy counted 43 "
            "requests, and one may carry many events.",
        ),
        (
            {"own_timings": 0, "haproxy": 3, "setup_requests": 2, "setup_failures": 1, "user_events": 0},
            "users made 2 requests in on_start or on_stop, of which 1 failed. They loaded the API and are not in the "
            "figures.",
        ),
    ],
)
def test_a_note_says_whose_the_figures_are(changes, note):
    notes = request_notes_of([replace(fixed("a"), request_counts=RequestCounts(**COUNTS | changes))])
    assert [one.text for one in notes] == ([] if note is None else [note])
