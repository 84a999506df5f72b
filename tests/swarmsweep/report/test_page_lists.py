"""The lines of the page on failed requests, and on requests that are not simply those that HAProxy counted."""

import pytest
from msgspec.structs import replace
from rows import fixed

from swarmsweep.plan.row import RequestCounts
from swarmsweep.report.page_lists import failure_kinds_of, request_notes_of

PLAIN = RequestCounts(
    client_requests=900, redirects_followed=0, retries=0, other_clients=0, not_sent=0, own_timings=0, haproxy=900
)


@pytest.mark.parametrize(
    ("failures", "kinds", "expected"),
    [
        (0, {}, []),
        # Runs of earlier versions.
        (40, None, []),
        (40, {"status_503": 30, "timeout": 10}, ["status 503 (30), timeout (10)"]),
        (
            15,
            {f"status_5{n:02}": n for n in range(1, 6)},
            ["status 505 (5), status 504 (4), status 503 (3), status 502 (2), other kinds (1)"],
        ),
    ],
)
def test_failed_requests_are_named_by_kind(failures, kinds, expected):
    cell = replace(fixed("a"), requests=900, failures=failures, failure_kinds=kinds)
    assert [line.kinds for line in failure_kinds_of([cell])] == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"redirects_followed": 9, "haproxy": 909}, ["9 redirects. Users made 900 requests, and HAProxy counted 909"]),
        ({"redirects_followed": 900, "haproxy": None}, ["HAProxy counted an unknown number"]),
        ({"other_clients": 7}, ["sent 7 requests with other clients than self.client"]),
        ({"own_timings": 50}, ["fired 50 timings of its own. They are not in the figures"]),
        ({"own_timings": 50, "client_requests": 0}, ["all figures are of 50 timings that the scenario fired itself"]),
        ({"own_timings": 50, "other_clients": 50}, ["sent 50 requests", "fired 50 timings"]),
    ],
)
def test_requests_of_other_kinds_are_named_with_their_numbers(changes, words):
    cell = replace(fixed("a"), request_counts=replace(PLAIN, **changes))
    notes = [note.text for note in request_notes_of([cell])]
    assert len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True))


def test_runs_of_earlier_versions_have_no_counts():
    assert request_notes_of([fixed("a")]) == []
