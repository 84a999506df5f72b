"""A recorded search: its trials judged anew, the windows that are shown, and what each damage leads to.

The recorded server serves 100 requests a second, one after the other (see record.py beside the data).
"""

import gzip
import json
import re
import shutil
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search_folder import SEARCHED, SENT

from swarmsweep.judge.flows import flow_of_probe, mean_in_flight
from swarmsweep.judge.search_outcome import search_outcome
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.search_record import read_search

VERDICTS = ["probe", "good", "bad", "bad", "good", "good", "good"]
SLO = {"p95_ms": 100, "max_failure_percent": 1}
VERIFIED, PROBE = 7, 1


def read(folder, slo=SLO):
    """(the search in the folder, what was noted on the way)."""
    problems = []

    return search_outcome(read_search(folder, slo, ReadOrNote(folder, problems)), slo), problems


@pytest.fixture(scope="module")
def search():
    found, problems = read(SEARCHED)
    assert problems == []
    return found


@pytest.fixture
def folder(tmp_path):
    """A copy of the recorded search, to be damaged."""
    return shutil.copytree(SEARCHED, tmp_path / "locust")


def new_histogram():
    """As the workers make theirs."""
    return pytest.importorskip("hdrh.histogram", reason="hdrhistogram is not installed").HdrHistogram(
        1, 3_600_000_000, 3
    )


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def make_late(folder, verdict):
    """The generator sent the requests of a verdict's probes too late."""
    for number in [number for number, found in enumerate(VERDICTS, start=1) if found == verdict]:
        path = folder / f"trial-{number}.json"
        change(path, measured=json.loads(path.read_text())["measured"] | {"lag_ms": {"p50": 9.0, "p99": 41.7}})


def test_trials_are_judged_as_they_were_on_the_load_host(search):
    entries = json.loads((SEARCHED / "capacity.json").read_text())["trials"]
    # The version that recorded them had other words for the reason of a probe.
    for entry in entries:
        # Keys of a search with users.
        entry |= {"users": None, "seconds_ramp": 0.0}
        reason = entry["reason"].replace("right answers/s", "good responses/s")
        entry["reason"] = re.sub(
            r"requests over (\d+) ms, (\d+) % are allowed", r"requests were over \1 ms (limit \2 %)", reason
        )
    assert [msgspec.to_builtins(probe.entry) | {"over_percent": None} for probe in search.probes] == [
        entry | {"over_percent": None} for entry in entries
    ]
    for probe, before in zip(search.probes, entries, strict=True):
        assert probe.entry.over_percent == pytest.approx(before["over_percent"])
    assert [probe.entry.verdict for probe in search.probes] == VERDICTS


def test_the_capacity_is_the_rate_that_held_for_long_enough(search):
    assert (search.capacity.verified_rps, search.capacity.verified_probe) == (80.0, VERIFIED)
    assert not search.capacity.is_lower_bound
    assert 80 < search.capacity.estimate_rps < 87.5


def test_the_verified_load_is_shown_and_the_probe_is_the_highest(search):
    assert search.reported.number == VERIFIED
    assert search.peak.number == PROBE
    assert search.peak.achieved_rps == 100.0


@pytest.mark.parametrize(
    ("limit_ms", "shown"),
    [
        (1, 6),  # no load passes: the lowest one, of 76.8 requests/s
        (1000, 7),  # all pass, but only 80 requests/s was tried for long enough
    ],
)
def test_another_slo_is_judged_by_the_same_files(folder, limit_ms, shown):
    for path in folder.glob("trial-*.json"):
        summary = json.loads(path.read_text())
        total = new_histogram()
        for part in summary["bins"]:
            if part["second"] >= 0:
                total.decode_and_add(part["latency_histogram"])
        within = sum(
            item.count_added_in_this_iter_step
            for item in total.get_recorded_iterator()
            if item.value_iterated_to <= 1000 * limit_ms
        )
        change(path, within_limits={"p95_ms": within})
    found, problems = read(folder, {"p95_ms": limit_ms})
    assert problems == []
    assert found.reported.number == shown
    assert {probe.entry.verdict for probe in found.probes if probe.is_open} == {"bad" if limit_ms == 1 else "good"}
    assert (found.capacity.verified_rps is None) == (limit_ms == 1)


def test_what_the_generator_could_not_make_is_neither_shown_nor_the_highest(folder):
    for number in (PROBE, 4):
        summary = json.loads((folder / f"trial-{number}.json").read_text())
        change(folder / f"trial-{number}.json", measured=summary["measured"] | {"lag_ms": {"p50": 9.0, "p99": 90.0}})
    found, _ = read(folder)
    assert found.probes[3].entry.verdict == "generator"
    assert found.probes[0].entry.verdict == "probe"  # it has no required rate
    for probe in found.probes[1:]:
        summary = json.loads((folder / f"trial-{probe.number}.json").read_text())
        change(folder / f"trial-{probe.number}.json", measured=summary["measured"] | {"lag_ms": {"p99": 90.0}})
    found, _ = read(folder)
    assert (found.reported.number, found.peak.number) == (6, PROBE)
    assert found.capacity.verified_rps is None


def test_a_search_that_the_generator_ended_says_at_which_load(folder, golden):
    make_late(folder, "bad")
    found, _ = read(folder)
    assert (found.capacity.is_lower_bound, found.capacity.limited_by) == (True, "generator")
    lowest = min(probe.entry.rate_rps for probe in found.probes if not probe.was_made)
    golden("search_generator_limit.txt", f"{found.generator_limit}\n")
    assert [figure for figure in (f" {lowest:g} ", "41.7 ms", "5 ms") if figure not in found.generator_limit] == []


def test_the_limit_of_a_search_by_arrivals_is_in_iterations(folder):
    make_late(folder, "bad")
    for path in folder.glob("trial-*.json"):
        measured = json.loads(path.read_text())["measured"]
        iterations = {"due": measured["offered"], "dropped": 0, "failed": 0, "ended_per_second": 1.0}
        change(path, measured=measured | {"iterations": iterations})
    found, _ = read(folder)
    lowest = min(probe.entry.rate_rps for probe in found.probes if not probe.was_made)
    assert found.generator_limit.startswith(f"at {lowest:g} iterations/s, ")


def test_a_search_that_could_not_look_below_what_failed_says_so_too(folder):
    """One rate failed, and the requests of all lower rates were sent late. So it is unknown whether they hold."""
    make_late(folder, "good")
    found, _ = read(folder)
    assert (found.capacity.verified_rps, found.capacity.is_lower_bound, found.capacity.limited_by) == (
        None,
        False,
        None,
    )
    assert "41.7 ms" in found.generator_limit and "5 ms" in found.generator_limit


def test_a_search_that_found_a_limit_was_not_ended_by_the_generator(search):
    assert search.generator_limit is None


def test_counts_of_files_and_summaries_agree(search):
    assert sum(probe.sent for probe in search.probes) == SENT
    for probe in search.probes:
        measured, flow = probe.summary.measured, flow_of_probe(probe)
        assert {name: getattr(flow, name) for name in ("offered", "ok", "failed", "timed_out", "dropped")} == {
            name: getattr(measured, name) for name in ("offered", "ok", "failed", "timed_out", "dropped")
        }
        assert flow.offered == flow.ok + flow.failed + flow.timed_out + flow.dropped + flow.in_flight_end
        assert sum(second.offered for second in flow.seconds) == flow.offered
        assert len(flow.seconds) == probe.entry.seconds_measure
        assert (probe.files, probe.complete) == (2, True)


@pytest.mark.parametrize(("more", "inside"), [(0, 0), (2, 2), (5, 3)])
def test_requests_without_a_response_that_were_due_before_the_window_are_not_in_it(folder, more, inside):
    """Three of the probe have none; so many ``more`` were due in its window than have an outcome there."""
    path = folder / f"trial-{VERIFIED}.json"
    measured = json.loads(path.read_text())["measured"]
    change(path, in_flight_end=3, measured=measured | {"offered": measured["offered"] + more})
    found, _ = read(folder)
    flow = flow_of_probe(found.probes[VERIFIED - 1])
    assert flow.in_flight_end == inside
    assert (flow.failure_kinds or {}).get("no_response", 0) == inside


def test_exact_latencies_agree_with_the_histograms(search):
    """To a rank and three digits: HdrHistogram rounds the rank, where the nearest-rank percentile takes the next."""
    for probe in search.probes:
        flow, summary = flow_of_probe(probe), json.loads((SEARCHED / f"trial-{probe.number}.json").read_text())
        measured = summary["measured"]
        lags = np.sort(probe.requests.sent.lag_ms)
        rank = int(np.searchsorted(lags, flow.lag_p99_ms))
        assert probe.p95_ms == pytest.approx(measured["latency_ms"]["p95"], rel=0.05)
        assert lags[rank - 1] * 0.999 - 0.001 <= measured["lag_ms"]["p99"] <= lags[rank] * 1.001 + 0.001
        assert flow.latency_mean_ms == pytest.approx(measured["latency_ms"]["mean"], rel=0.001)


def test_requests_in_flight_are_those_of_the_starts_and_ends(search):
    """Looked at 20 times a second by the generator, against the exact mean: other witnesses of the same load."""
    for probe in search.probes:
        sent, flow = probe.requests.sent, flow_of_probe(probe)
        begun = sent.due_seconds + sent.lag_ms / 1000
        window = np.array([0.0, probe.entry.seconds_measure])
        (exact,) = mean_in_flight(begun, sent.latency_ms - sent.lag_ms, window)
        assert flow.in_flight_mean == pytest.approx(exact, rel=0.15)


def test_a_loop_that_is_closed_says_so(search):
    probe, verified = (flow_of_probe(search.probes[number - 1]) for number in (PROBE, VERIFIED))
    assert (probe.kind, probe.concurrency, probe.rate_rps) == ("closed", 6, None)
    assert (verified.kind, verified.concurrency, verified.rate_rps) == ("poisson", None, 80.0)
    assert list(verified.served_by.values()) == [verified.ok]
    assert 0 < verified.generator_cpu_percent < 50
    assert verified.length_seconds == 8


def test_workers_that_begin_at_other_times_are_measured_by_their_own_clock(folder):
    """The second worker's clock is an hour ahead: every figure stays, and only the window's start is the first's."""
    before, _ = read(folder)
    path = folder / f"trial-{VERIFIED}.json"
    summary = json.loads(path.read_text())
    ahead = summary["workers"][1]
    for name in ("window_start", "window_end"):
        ahead[name] += 3600.0
    change(path, workers=summary["workers"])
    file = folder / ahead["requests_file"]
    rows = np.frombuffer(gzip.decompress(file.read_bytes()), "<f8").reshape(-1, 5).copy()
    rows[:, 0] += 3600.0
    file.write_bytes(gzip.compress(rows.tobytes()))
    after, problems = read(folder)
    assert problems == []
    old, new = (flow_of_probe(found.reported) for found in (before, after))
    assert (new.offered, new.ok, new.latency_mean_ms) == (old.offered, old.ok, old.latency_mean_ms)
    assert [second.offered for second in new.seconds] == [second.offered for second in old.seconds]


def test_outcomes_are_distinguished(folder):
    path = folder / "open-requests-lab-load-0-trial-7.f64.gz"
    rows = np.frombuffer(gzip.decompress(path.read_bytes()), "<f8").reshape(-1, 5).copy()
    start = json.loads((folder / "trial-7.json").read_text())["workers"][0]["window_start"]
    inside = np.flatnonzero(rows[:, 0] >= start)
    rows[inside[0], 2], rows[inside[1], 2] = 0.0, 2.0
    rows[inside[2], 1:] = (np.nan, 3.0, np.nan, -1.0)
    path.write_bytes(gzip.compress(rows.tobytes()))
    found, _ = read(folder)
    flow = flow_of_probe(found.reported)
    assert (flow.failed, flow.timed_out, flow.dropped) == (1, 1, 1)
    assert flow.ok == flow.offered - 3
    assert sum(probe.sent for probe in found.probes) == SENT - 1


# Damage.

FILES = ["capacity.json", "trial-1.json", "trial-7.json", "open-requests-lab-load-1-trial-7.f64.gz"]
GARBAGE = [b"", b"garbage\n", b"\x1f\x8b\x08\0\0", b"[1]\n", b"null\n", b"{}", b'{"trials": 3}', b'{"trial": 7}\n']


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    found, problems = read(folder)
    assert problems == [f"{name}: is missing"]
    assert len(found.probes) == (0 if name == "capacity.json" else 6)


def test_more_requests_within_a_limit_than_were_due_are_damage(folder):
    change(folder / "trial-7.json", within_limits={"p95_ms": 100_000})
    found, (problem,) = read(folder)
    assert problem.startswith("trial-7.json: is damaged: 100000 requests are within p95_ms, and ")
    assert [probe.number for probe in found.probes] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", FILES[:3])
@pytest.mark.parametrize("content", GARBAGE)
def test_a_damaged_file_is_named(folder, name, content):
    (folder / name).write_bytes(content)
    found, problems = read(folder)
    assert len(problems) == 1
    assert problems[0].startswith(f"{name}: ")
    assert len(found.probes) == (0 if name == "capacity.json" else 6)


def test_a_truncated_record_is_reported(folder):
    path = folder / FILES[3]
    path.write_bytes(path.read_bytes()[:-300])
    found, problems = read(folder)
    assert problems == []
    flow = flow_of_probe(found.reported)
    assert not found.reported.complete
    # What the summary counts and what is there no longer add up.
    assert flow.ok < flow.offered


def test_an_invalid_request_is_reported(folder):
    row = struct.pack("<5d", 1.0, -1.0, 1.0, 0.0, 0.0)
    (folder / FILES[3]).write_bytes(gzip.compress(row))
    assert read(folder)[1][0].startswith(f"{FILES[3]}: record 0 is invalid")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ended": None}, "was interrupted"),
        ({"ended": None, "error": "1 of 2 workers lost in trial 8"}, "failed: 1 of 2 workers lost in trial 8"),
        ({"trials": []}, "ended without a probe"),
        ({"profile": {}}, "profile: Object missing required field `verify_seconds`"),
    ],
)
def test_a_search_that_did_not_end_well_says_why(folder, changes, words):
    change(folder / "capacity.json", **changes)
    found, problems = read(folder)
    assert len(problems) == 1
    assert words in problems[0]
    assert (found.capacity is not None) == ("error" in changes or changes == {"ended": None})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("rate_rps", 81.0, "rate_rps is 80.0 in the order, 81.0 in capacity.json"),
        ("rate_rps", None, "trials[6]: rate_rps is None; expected: a number above 0"),
        ("kind", "steady", "trials[6].kind is 'steady': Invalid enum value"),
        ("seconds_measure", 1e9, "trials[6].seconds_measure is '1000000000.0': Expected `float` <= 86400"),
        ("trial", 6, "probe 6 occurs twice"),
        ("trial", True, "trials[6].trial is 'True': Expected `int`, got `bool`"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(folder, name, value, words):
    record = json.loads((folder / "capacity.json").read_text())
    record["trials"][-1][name] = value
    change(folder / "capacity.json", trials=record["trials"])
    assert words in read(folder)[1][0]


def test_only_files_of_the_folder_are_read(folder):
    path = folder / "trial-7.json"
    workers = json.loads(path.read_text())["workers"]
    workers[0]["requests_file"] = "../../secret.f64.gz"
    change(path, workers=workers)
    assert read(folder)[1] == ["../../secret.f64.gz: is missing"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda children: st.lists(children, max_size=2) | st.dictionaries(st.text(max_size=3), children, max_size=2),
    max_leaves=4,
)


def places(value, path=()):
    """Paths to every value in a JSON document."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


@pytest.mark.parametrize("name", ["capacity.json", "trial-7.json", "trial-1.json"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_leads_to_a_search_or_a_reason(folder, name, data):
    document = json.loads((SEARCHED / name).read_text())
    path = data.draw(st.sampled_from([path for path in places(document) if path]))
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = data.draw(VALUES)
    (folder / name).write_text(json.dumps(document))
    found, problems = read(folder)
    assert all(problems)
    for probe in found.probes:
        flow = flow_of_probe(probe)
        assert flow.offered >= 0
        assert probe.p95_ms is None or probe.p95_ms >= 0
