"""The records of users as the workers write them: which of them are the requests, and what was sent, by kind."""

import gzip
import json
from array import array

import pytest

from swarmsweep.raw.closed_loop import SentCounts, read_users
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.timeline import Timeline
from swarmsweep.shared.request_record import NO_RESPONSE, OK, TIMEOUT

REQUEST, TIMED_OUT_REQUEST, OWN = (1000.0, 5.0, OK), (1000.5, 900.0, TIMEOUT), (1001.0, 70.0, OK)
COUNTS = {"sent": 3, "redirects": 1, "retries": 0, "other_sends": 0, "own_timings": 1}


def put(folder, index, requests, own=None, events=None, setup=None, **summary):
    """What one worker leaves."""
    kinds = {"requests": requests, "own-timings": own, "user-events": events, "setup": setup}
    for name, rows in kinds.items():
        if rows is not None:
            values = array("d", [figure for row in rows for figure in row])
            (folder / f"{name}-lab-load-{index}.f64.gz").write_bytes(gzip.compress(values.tobytes()))
    (folder / f"worker-lab-load-{index}.json").write_text(json.dumps({"schema": 1, "cpu_percent": []} | summary))


def read(folder, timeline=None):
    problems = []
    record = read_users(folder, ReadOrNote(folder, problems), timeline)
    assert problems == []
    return record


def test_own_timings_are_no_requests(tmp_path):
    put(tmp_path, 0, [REQUEST, TIMED_OUT_REQUEST], [OWN], **COUNTS)
    put(tmp_path, 1, [REQUEST], [], **COUNTS | {"other_sends": 4, "retries": 2, "own_timings": 0})
    found = read(tmp_path)
    assert sorted(found.requests.latency_ms) == [5.0, 5.0, 900.0]
    assert found.sent == SentCounts(
        requests=3, sent=6, redirects=2, retries=2, other_sends=4, own_timings=1, unreached=1
    )
    assert found.sent.not_sent == 1


def test_where_nothing_else_exists_own_timings_are_the_requests(tmp_path):
    put(tmp_path, 0, [], [OWN, OWN], **COUNTS | {"sent": 0, "redirects": 0, "own_timings": 2})
    put(tmp_path, 1, [], [OWN], **COUNTS | {"sent": 0, "redirects": 0, "own_timings": 1})
    found = read(tmp_path)
    assert list(found.requests.latency_ms) == [70.0] * 3
    assert (found.sent.requests, found.sent.own_timings, found.sent.own_figures) == (0, 3, True)


@pytest.mark.parametrize(
    ("requests", "own_figures"),
    [
        # A login before the window, as REQUEST is.
        ([REQUEST], True),
        ([REQUEST, (1030.0, 5.0, OK)], True),
        ([REQUEST, (1019.9, 5.0, OK)], False),
        # It began before the window, and its response came within it, or never.
        ([(1009.99, 20.0, OK)], False),
        ([(1000.0, 60_000.0, NO_RESPONSE)], False),
    ],
)
def test_own_timings_are_the_figures_where_no_request_was_in_flight_in_the_window(tmp_path, requests, own_figures):
    """A request that hangs is in flight. Timings of other work must not hide it."""
    put(tmp_path, 0, requests, [OWN], **COUNTS)
    found = read(tmp_path, Timeline(window_start=1010.0, window_end=1020.0))
    assert found.sent.own_figures is own_figures
    assert list(found.requests.latency_ms) == ([70.0] if own_figures else [ms for _, ms, _ in requests])
    assert found.sent.requests == len(requests)


def test_events_of_users_without_a_client_of_locust_are_requests_beside_those_of_others(tmp_path):
    put(tmp_path, 0, [REQUEST], [], [OWN, OWN], [], **COUNTS | {"own_timings": 2, "user_events": 2})
    put(tmp_path, 1, [TIMED_OUT_REQUEST], [OWN], [], [], **COUNTS | {"user_events": 0})
    found = read(tmp_path, Timeline(window_start=990.0, window_end=1010.0))
    assert sorted(found.requests.latency_ms) == [5.0, 70.0, 70.0, 900.0]
    assert (found.sent.requests, found.sent.own_timings, found.sent.user_events) == (2, 3, 2)
    assert found.sent.own_figures is False


def test_requests_of_on_start_are_counted_and_are_no_figures(tmp_path):
    setup = {"setup_requests": 3, "setup_failures": 1}
    put(tmp_path, 0, [REQUEST], [], [], [TIMED_OUT_REQUEST, REQUEST], **COUNTS | {"own_timings": 1} | setup)
    found = read(tmp_path, Timeline(window_start=990.0, window_end=1010.0))
    assert list(found.requests.latency_ms) == [5.0]
    assert sorted(found.setup.latency_ms) == [5.0, 900.0]
    assert found.sent == SentCounts(
        requests=3, sent=3, redirects=1, own_timings=1, unreached=1, setup_requests=3, setup_failures=1
    )


def test_a_login_that_hangs_in_the_window_hides_no_timing(tmp_path):
    put(tmp_path, 0, [], [OWN], [], [(1000.0, 60_000.0, NO_RESPONSE)], **COUNTS)
    found = read(tmp_path, Timeline(window_start=990.0, window_end=1010.0))
    assert (found.sent.own_figures, list(found.requests.latency_ms)) == (True, [70.0])


def test_timings_of_the_master_alone_are_no_figures(tmp_path):
    put(tmp_path, 0, [REQUEST], [], **COUNTS | {"own_timings": 0})
    found = read(tmp_path, Timeline(window_start=1010.0, window_end=1020.0, own_timings=4, other_sends=2))
    assert (found.sent.own_timings, found.sent.other_sends, found.sent.own_figures) == (4, 2, False)


@pytest.mark.parametrize("kinds", [{}, {"own_timings": 2}])
def test_an_earlier_version_did_not_count_what_was_sent(tmp_path, kinds):
    put(tmp_path, 0, [REQUEST], None, **kinds)
    found = read(tmp_path)
    assert (len(found.requests), found.sent) == (1, None)


def test_the_probe_of_one_user_and_the_mix_after_it_are_those_of_all_workers(tmp_path):
    put(tmp_path, 0, [], unloaded=[[1001.0, 5.0, OK]], unloaded_names=["/b"], by_name={"/a": [2, 30.0], "/b": [1, 4.0]})
    put(tmp_path, 1, [], unloaded=[[1000.0, 7.0, OK]], unloaded_names=["/a"], by_name={"/a": [1, 10.0]})
    found = read(tmp_path)
    assert found.unloaded == ((1000.0, 7.0, OK, "/a"), (1001.0, 5.0, OK, "/b"))
    assert found.by_name == {"/a": (3, 40.0), "/b": (1, 4.0)}


def test_the_probe_of_an_earlier_version_has_no_names(tmp_path):
    put(tmp_path, 0, [], unloaded=[[1001.0, 5.0, OK]])
    found = read(tmp_path)
    assert (found.unloaded, found.by_name) == (((1001.0, 5.0, OK, ""),), {})


def test_names_that_are_not_those_of_the_requests_are_damage(tmp_path):
    put(tmp_path, 0, [], unloaded=[[1001.0, 5.0, OK]], unloaded_names=["/a", "/b"])
    problems = []
    read_users(tmp_path, ReadOrNote(tmp_path, problems))
    assert "unloaded and unloaded_names differ in length" in problems[0]
