"""What is shown of the running load, and what is not taken from a load host."""

import json
import time

import pytest
from msgspec import convert

from swarmsweep.report.live_load import (
    FILE,
    MISSING_FILE,
    STALE_SECONDS,
    LiveFiles,
    LiveLoad,
    NoFigures,
    keep_live,
    read_live,
    read_missing,
)

WINDOW = {"stage": "window", "stage_started": 1.0, "stage_seconds": 30.0, "measured_at": 5.0, "rps": 412.4,
          "failures_per_second": 0.0, "p50_ms": 3.1, "p95_ms": 12.34, "users": 40}  # fmt: skip
PROBE = WINDOW | {"stage": "bisect", "probe": 4, "offered": 210.0, "offered_unit": "requests/s"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (WINDOW, "window; 412 requests/s, p95 12.3 ms, 40 users"),
        (WINDOW | {"stage": "warmup", "p95_ms": None}, "warm-up; 412 requests/s, p95 not known yet, 40 users"),
        (WINDOW | {"failures_per_second": 2.5}, "window; 412 requests/s, 2.50 failures/s, p95 12.3 ms, 40 users"),
        (PROBE, "probe 4, bisect, 210.0 requests/s; 412 requests/s, p95 12.3 ms, 40 users"),
        (
            PROBE | {"stage": "unloaded", "offered": 1, "offered_unit": "connections"},
            "probe 4, unloaded, 1 connection; 412 requests/s, p95 12.3 ms, 40 users",
        ),
        (
            PROBE | {"stage": "verify", "offered": 60, "offered_unit": "users"},
            "probe 4, verify, 60 users; 412 requests/s, p95 12.3 ms, 40 users",
        ),
        (WINDOW | {"stage": "pause"}, "pause between probes; 412 requests/s, p95 12.3 ms, 40 users"),
    ],
)
def test_in_words(given, words):
    load = convert(given, LiveLoad)
    assert f"{load.stage_words()}; {load.figures()}" == words


def test_figures_are_kept_and_old_ones_are_not_shown(tmp_path):
    assert read_live(tmp_path, time.time()) is None
    keep_live(json.dumps(WINDOW), tmp_path / FILE)
    now = (tmp_path / FILE).stat().st_mtime
    assert read_live(tmp_path, now) == convert(WINDOW, LiveLoad)
    assert read_live(tmp_path, now + STALE_SECONDS + 1) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{}",
        "{",
        json.dumps(WINDOW | {"stage": "\x1b[2J"}),
        json.dumps(WINDOW | {"users": "<b>"}),
        json.dumps(WINDOW | {"rps": -1}),
        json.dumps(WINDOW | {"rps": 1e300}),
        json.dumps(WINDOW | {"offered_unit": "x" * 100}),
        "NaN",
    ],
)
def test_a_line_that_is_not_such_figures_changes_nothing(tmp_path, line):
    keep_live(json.dumps(WINDOW), tmp_path / FILE)
    before = (tmp_path / FILE).read_bytes()
    keep_live(line, tmp_path / FILE)
    assert (tmp_path / FILE).read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / FILE]


def test_other_keys_of_the_line_are_not_kept(tmp_path):
    keep_live(json.dumps(WINDOW | {"secret": "hunter2"}), tmp_path / FILE)
    assert b"hunter2" not in (tmp_path / FILE).read_bytes()


def missing(run_dir, now=None, begun=0.0):
    return read_missing(run_dir, time.time() + 2 * STALE_SECONDS if now is None else now, begun)


def test_why_there_are_no_figures_is_kept_until_some_come(tmp_path):
    before = time.time()
    files = LiveFiles(tmp_path / FILE)
    first = missing(tmp_path)
    assert before <= first.since and first.reason == "the load host has sent none yet"
    # The first figures take a moment.
    assert missing(tmp_path, first.since + STALE_SECONDS - 1) is None
    assert first.words(first.since + 12) == "no figures of the load for 12 s: the load host has sent none yet"
    files.lost("ended\x1b[2J\nwith 255")
    assert missing(tmp_path) == NoFigures(since=first.since, reason="ended [2J with 255")
    files.keep(json.dumps(WINDOW))
    assert not (tmp_path / MISSING_FILE).exists()
    files.keep("no figures")
    again = missing(tmp_path)
    # The time is that of the last figures.
    assert again.since > first.since and again.reason == "this version cannot read what the load host sends"
    files.remove()
    assert list(tmp_path.iterdir()) == []
    assert missing(tmp_path) is None


def test_a_connection_that_is_silent_is_named_too(tmp_path):
    LiveFiles(tmp_path / FILE).keep(json.dumps(WINDOW))
    since = (tmp_path / FILE).stat().st_mtime
    assert missing(tmp_path) == NoFigures(since=since, reason="the load host sends no new ones")


def test_what_an_earlier_load_left_is_not_said_of_this_one(tmp_path):
    files = LiveFiles(tmp_path / FILE)
    now = time.time() + 2 * STALE_SECONDS
    assert missing(tmp_path, now, begun=now - 1) is None
    files.keep(json.dumps(WINDOW))
    assert missing(tmp_path, now, begun=now - 1) is None
    (tmp_path / MISSING_FILE).write_text("{")
    assert missing(tmp_path, now, begun=now - 1) is None
