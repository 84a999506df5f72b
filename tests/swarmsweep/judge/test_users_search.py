"""A recorded search with users: its windows cut from the record of each worker, its capacity, and its checks.

The recorded server serves 100 requests a second, and its users think for 0.1 to 0.2 s (see record.py beside the data).
"""

import gzip
import json
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from swarmsweep.judge.build_evidence import evidence_of
from swarmsweep.judge.capacity import _interpolated, _rates_within
from swarmsweep.judge.checks import checks_of
from swarmsweep.judge.search_outcome import search_outcome
from swarmsweep.plan.plan import make_plan
from swarmsweep.raw.attempt import read_attempt
from swarmsweep.report.modes import RESPONSES, closed_load_notes
from swarmsweep.results.attempt_result import analyse
from swarmsweep.results.cell import merge
from swarmsweep.shared.request_record import FIELDS
from swarmsweep.sweep.sweep_file import parse_sweep

SEARCHED = Path(__file__).parents[2] / "data/users-search-2.47.0/locust"
SWEEP = b"""\
name: users
slo: {p95_ms: 100, max_failure_percent: 1}
load: {mode: capacity, profile: smoke, locustfile: predict.py, workers: 2, timeout_seconds: 1}
matrix: {replicas: [1], cpus: [1], memory: [1G], workers: [2]}
"""
# Users and verdict of each probe.
PROBES = [(1, "probe"), (10, "good"), (20, "bad"), (15, "good"), (17, "bad"), (16, "good")]
VERIFIED = 6
RECORD_BYTES = 8 * FIELDS


@pytest.fixture
def folder(tmp_path):
    """An attempt with this search, whose deployment became ready."""
    shutil.copytree(SEARCHED, tmp_path / "locust")
    (tmp_path / "deploy.json").write_text(json.dumps({"schema": 1, "status": "ready"}))
    return tmp_path


@pytest.fixture(scope="module")
def plan():
    return make_plan(parse_sweep(SWEEP, "x.yml"), {"api": [], "load": []}, run_id="20261129T160000Z-users")


def read(folder, plan):
    raw = read_attempt(folder, plan.load, plan.slo)
    return raw, search_outcome(raw.search, plan.slo)


def test_each_window_has_the_requests_that_its_workers_counted(folder, plan):
    raw, found = read(folder, plan)
    assert raw.problems == []
    assert [(probe.entry.users, probe.entry.verdict) for probe in found.probes] == PROBES
    for probe in found.probes:
        measured = probe.summary.measured
        assert (len(probe.requests), probe.requests.count(1.0)) == (measured.offered, measured.ok)
    assert (found.reported.number, found.peak.number) == (VERIFIED, 3)


def test_the_capacity_is_a_number_of_users_and_the_rate_measured_there(folder, plan):
    _, found = read(folder, plan)
    capacity, verified = found.capacity, found.reported.summary.measured
    assert (capacity.verified_users, capacity.verified_probe) == (16, VERIFIED)
    assert capacity.verified_rps == verified.ok / verified.seconds
    assert 16 < capacity.estimate_users < 17
    assert capacity.interval_users[0] <= capacity.estimate_users <= capacity.interval_users[1]
    assert capacity.interval_rps[0] <= capacity.estimate_rps <= capacity.interval_rps[1]
    # No more than the server can do.
    assert capacity.verified_rps < capacity.estimate_rps < 100
    assert capacity.sentence == "16 users held the SLO for 2 s. 17 users did not."


def test_the_checks_of_users_judge_the_window_of_the_verified_number(folder, plan):
    raw, found = read(folder, plan)
    evidence = evidence_of(raw, found, plan, plan.cells[0])
    assert (evidence.flow.kind, evidence.flow.concurrency, evidence.flow.users_min) == ("users", 16, 16)
    assert evidence.peak.concurrency == 20
    assert 0.1 <= evidence.flow.think_time_seconds <= 0.2
    assert evidence.concurrency.unloaded_ms == pytest.approx(21, abs=2)
    passed = {check.name: check.passed for check in checks_of(evidence)}
    held = ("workers_present", "users_stayed", "generator_cpu", "some_requests", "counted_by_locust", "littles_law")
    assert {name: passed[name] for name in held} == dict.fromkeys(held, True)
    assert "load_as_planned" not in passed
    assert "requests_conserved" not in passed


def test_a_response_after_the_timeout_is_a_failure_everywhere(folder, plan):
    """Many responses of the highest probe took longer than 0.11 s."""
    for path in folder.glob("locust/trial-*.json"):
        summary = json.loads(path.read_text())
        path.write_text(json.dumps(summary | {"order": summary["order"] | {"timeout_seconds": 0.11}}))
    plan = replace_load(plan, timeout_seconds=0.11)
    raw, found = read(folder, plan)
    late = found.probes[2].requests.count(2.0)
    assert 0.1 < late / len(found.probes[2].requests) < 0.9
    flow = evidence_of(raw, found, plan, plan.cells[0]).peak
    assert flow.failure_kinds == {"timeout": late}


def replace_load(plan, **changes):
    return replace(plan, load={**plan.load, **changes})


def test_users_that_are_missing_make_no_load(folder, plan):
    path = folder / "locust/trial-6.json"
    summary = json.loads(path.read_text())
    path.write_text(json.dumps(summary | {"users": summary["users"] | {"least": 14}}))
    _, found = read(folder, plan)
    assert found.probes[5].entry.verdict == "generator"
    assert found.probes[5].entry.reason == "14 to 16 of 16 users ran tasks in the window"
    assert found.capacity.verified_users == 15


def test_a_worker_that_was_the_limit_is_named_with_the_next_step(folder, plan):
    for path in folder.glob("locust/trial-*.json"):
        summary = json.loads(path.read_text())
        path.write_text(json.dumps(summary | {"measured": summary["measured"] | {"cpu_percent_max": 97.0}}))
    raw, found = read(folder, plan)
    assert found.generator_limit.startswith("with 10 users, the busiest Locust worker used 97 % of a core")
    (check,) = [
        check
        for check in checks_of(evidence_of(raw, found, plan, plan.cells[0]))
        if check.name == "generator_kept_rate"
    ]
    assert (check.passed, check.sentence.partition(". ")[0]) == (
        False,
        "no number of users was verified, because the load generator was the limit",
    )
    assert "set load.workers to 4" in found.capacity.next_step


def test_a_row_has_the_users_and_the_page_says_what_they_do_not_show(folder, plan):
    row = merge(plan, plan.cells[0], [analyse(folder, plan, plan.cells[0], 1)])
    assert (row.capacity_users, row.capacity.verified_users, row.users) == (16, 16, None)
    assert row.capacity_rps == pytest.approx(93)
    (note,) = closed_load_notes([row])
    assert "think for less than 40 times the mean latency" in note
    patient = replace(row, think_time_seconds=RESPONSES * row.latency_ms.mean / 1000)
    assert closed_load_notes([patient]) == []


def test_without_the_record_of_a_worker_nothing_is_shown(folder, plan):
    next(folder.glob("locust/named-requests-*-1.f64.gz")).unlink()
    raw, found = read(folder, plan)
    assert found.capacity is None
    assert any("named-requests-lab-load-1.f64.gz: is missing" in problem for problem in raw.problems)


def test_events_of_users_without_an_http_client_are_requests_too(folder, plan):
    """They are in a file of their own, as in this record half of the requests of one worker would be."""
    path = folder / "locust/named-requests-lab-load-0.f64.gz"
    records = gzip.decompress(path.read_bytes())
    half = len(records) // (2 * RECORD_BYTES) * RECORD_BYTES
    path.write_bytes(gzip.compress(records[:half]))
    (folder / "locust/named-user-events-lab-load-0.f64.gz").write_bytes(gzip.compress(records[half:]))
    _, found = read(folder, plan)
    assert [len(probe.requests) for probe in found.probes] == [probe.summary.measured.offered for probe in found.probes]


def test_own_timings_stand_for_requests_where_there_are_none(folder, plan):
    for path in folder.glob("locust/named-requests-*"):
        path.rename(path.with_name(path.name.replace("requests", "own-timings")))
        path.write_bytes(gzip.compress(b""))
    _, found = read(folder, plan)
    assert [len(probe.requests) for probe in found.probes] == [probe.summary.measured.offered for probe in found.probes]


@pytest.mark.parametrize(
    ("interval", "rates"),
    [
        # As measured with 528, 568, 674 and 1,056 users of an overloaded server: the rate falls again.
        ((400, 650), (1400.0, 1680.0)),
        ((540, 560), (1659.0, 1673.0)),
        ((600, 900), (1303.6, 1611.6)),
        ((1056, 2000), (1150.0, 1150.0)),
    ],
)
def test_the_interval_of_rates_has_the_rate_of_each_number_in_it(interval, rates):
    known = [(264, 1050.0), (528, 1652.0), (568, 1680.0), (674, 1450.0), (1056, 1150.0)]
    low, high = _rates_within(known, interval)
    assert (low, high) == (pytest.approx(rates[0], abs=40), pytest.approx(rates[1], abs=40))
    between = [_interpolated(known, users) for users in range(interval[0], interval[1] + 1)]
    assert low <= min(between)
    assert max(between) <= high
