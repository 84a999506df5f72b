"""cell.json and trial.json: which keys they have, that figures stay as they are, and what is refused."""

import json

import pytest
from msgspec import structs
from rows import capacity_of, fixed

from swarmsweep.errors import LabError
from swarmsweep.files import write_json
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import AttemptEntry, CheckEntry, EndpointRow, ProbeRow, RequestParts, Retry, unmeasured_row
from swarmsweep.plan.row_file import NEWER_KEYS, SEARCH_KEYS, Outcome, read_outcome, read_row, row_json, write_row

CELL = PlannedCell(
    id="a", config={"replicas": 1, "cpus": 1.0, "memory_bytes": 1024**3, "workers": 1}, memory="1G", twin_of="b"
)
KEYS = [
    *("schema", "id", "config", "status", "reason", "trials", "users", "requests", "failures", "failure_percent"),
    *("endpoints", "failure_kinds", "request_counts", "task_exceptions", "failed_task_percent", "rps"),
    *("think_time_seconds", "server_processes", "processes_range", "latency_ms"),
    *("lower_bounds", "meets_slo", "capacity_rps"),
    *("capacity", "api", "load", "unloaded_latency_ms", "latency_growth", "served_at_once"),
    *("capacity_users", "capacity_iterations_per_second", "latency_intervals_ms", "hosts"),
    *("user_classes", "class_users", "bottleneck"),
    *("request_parts", "choices", "bottleneck_evidence", "metrics_problem"),
    *("target", "twin_of", "retries", "exceptions", "rps_range", "memory", "checks", "doubts", "attempts", "log_tail"),
    *("run_id", "attempt"),
]
INNER_KEYS = {
    "latency_ms": ["mean", "p50", "p95", "p99"],
    "capacity": [
        *("verified_rps", "at_least", "estimate_rps", "interval_rps", "lower_bound_rps", "deployments"),
        *("between_deployments", "limited_by", "next_step", "verified_users", "estimate_users"),
        "verified_iterations_per_second",
    ],
    "api": [
        *("cpu_cores", "throttled_percent", "memory_peak_bytes", "shared_memory_peak_bytes", "oom_kills", "restarts"),
    ],
    "load": ["cpu_percent_max", "workers"],
    "endpoints": [
        *("name", "requests", "failures", "failure_percent", "rps", "latency_ms", "latency_intervals_ms"),
        *("lower_bounds", "failure_kinds", "meets_slo"),
    ],
    "request_parts": ["endpoint", "requests", "mean_ms", "parts_ms"],
    "retries": ["attempt", "reason"],
    "checks": ["attempt", "name", "value", "limit", "passed", "sentence", "warning"],
    "attempts": [
        *("attempt", "status", "reason", "rps", "unloaded_latency_ms", "latency_growth", "served_at_once"),
        *("window_start", "window_end", "requests_by_replica", "replica_hosts"),
        *("think_time_seconds", "server_processes", "capacity_rps", "verified_rps", "interval_rps"),
        *("verified_users", "estimate_users", "interval_users", "verified_iterations_per_second", "at_least"),
        *("limited_by", "capacity_sentence", "next_step", "load_trials"),
    ],
}
# Of an attempt; a version with searches may lack them.
NEWER_ATTEMPT_KEYS = (
    *("think_time_seconds", "server_processes", "replica_hosts"),
    *("unloaded_latency_ms", "latency_growth", "served_at_once", "next_step"),
    *("verified_users", "estimate_users", "interval_users", "verified_iterations_per_second"),
)
PROBE_KEYS = [
    *("trial", "purpose", "kind", "rate_rps", "connections", "users", "iterations_per_second", "seconds_ramp"),
    *("seconds_settle", "seconds_measure", "window_start"),
    *("window_end", "verdict", "reason", "over_percent", "file", "achieved_rps", "p95_ms", "cpu_cores"),
    "throttled_percent",
]
FULL = structs.replace(
    fixed("a"),
    capacity=capacity_of(100.0),
    request_parts=RequestParts(endpoint="/predict", requests=5, mean_ms=1.5, parts_ms={"rest": 1.5}),
    endpoints=[EndpointRow(name="GET /x", requests=3, failures=0)],
    retries=[Retry(attempt=1, reason="late")],
    checks=[CheckEntry(attempt=1, name="some_requests", value=5, limit=1, passed=True, sentence="5 requests")],
    attempts=[AttemptEntry(attempt=1, status="valid", probes=[ProbeRow(number=1)])],
    twin_of="b",
    run_id="20261122T114512Z-x",
    attempt=1,
)


def test_the_keys_are_those_of_every_version():
    stored = row_json(FULL)
    assert list(stored) == KEYS
    for name, keys in INNER_KEYS.items():
        (block,) = stored[name] if isinstance(stored[name], list) else [stored[name]]
        assert list(block) == keys, name
    assert list(stored["attempts"][0]["load_trials"][0]) == PROBE_KEYS
    assert list(row_json(unmeasured_row(CELL))) == KEYS[:-2]


def test_what_was_read_is_written_as_it_was(tmp_path):
    path, again = tmp_path / "cell.json", tmp_path / "again.json"
    # A whole number stays a whole number, also in a field for fractions.
    write_row(path, structs.replace(FULL, rps=5, failure_percent=0.1, rps_range=(5, 5.5)))
    write_row(again, read_row(path, tmp_path, CELL))
    assert again.read_bytes() == path.read_bytes()
    assert json.loads(again.read_text())["rps_range"] == [5, 5.5]


def test_a_row_of_an_earlier_version_is_as_not_measured_where_it_lacks_a_key(tmp_path):
    stored = {key: value for key, value in row_json(FULL).items() if key not in NEWER_KEYS}
    write_json(tmp_path / "cell.json", stored | {"a_key_of_another_version": 1})
    row, blank = read_row(tmp_path / "cell.json", tmp_path, CELL), unmeasured_row(CELL)
    assert {name: getattr(row, name) for name in NEWER_KEYS} == {name: getattr(blank, name) for name in NEWER_KEYS}
    assert (row.twin_of, row.rps, row.attempts) == ("b", FULL.rps, FULL.attempts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "other"}, "does not match cell a "),
        ({"config": {}}, "does not match cell a "),
        ({"rps": "fast"}, r"\$\.rps"),
        ({"rps": 1e300}, r"\$\.rps"),
        ({"requests": 10**400}, ""),
        ({"latency_ms": None}, r"\$\.latency_ms"),
        ({"attempts": [{"status": "valid"}]}, r"\$\.attempts"),
        ({"capacity": {"verified_rps": 1.0}}, r"\$\.capacity"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place_and_the_command_that_rebuilds_it(tmp_path, change, words):
    path = tmp_path / "cell.json"
    write_json(path, row_json(FULL) | change)
    with pytest.raises(LabError, match=rf"cell\.json: .*{words}.*--remeasure {tmp_path}"):
        read_row(path, tmp_path, CELL)


NEWER_API_KEYS = ("shared_memory_peak_bytes",)
LOST = [
    *((name, key) for name in ("latency_ms", "api", "load") for key in INNER_KEYS[name] if key not in NEWER_API_KEYS),
    *(("attempts", key) for key in INNER_KEYS["attempts"] if key not in NEWER_ATTEMPT_KEYS),
]


# A missing key is not the same as null, which means not measured.
@pytest.mark.parametrize(("name", "key"), LOST)
def test_a_part_that_lost_a_key_is_damaged(tmp_path, name, key):
    path, stored = tmp_path / "cell.json", row_json(FULL)
    (part,) = stored[name] if isinstance(stored[name], list) else [stored[name]]
    del part[key]
    write_json(path, stored)
    with pytest.raises(LabError, match=rf"cell\.json: is damaged: .*{key}.*--remeasure {tmp_path}"):
        read_row(path, tmp_path, CELL)


def test_an_attempt_of_a_version_without_searches_is_read(tmp_path):
    stored = row_json(FULL)
    (attempt,) = stored["attempts"]
    for key in (*SEARCH_KEYS, *NEWER_ATTEMPT_KEYS):
        del attempt[key]
    write_json(tmp_path / "cell.json", stored)
    assert read_row(tmp_path / "cell.json", tmp_path, CELL).attempts[0].probes == []


def test_a_row_of_a_version_that_did_not_sample_files_in_memory_is_read(tmp_path):
    stored = row_json(FULL)
    for key in NEWER_API_KEYS:
        del stored["api"][key]
    write_json(tmp_path / "cell.json", stored)
    assert read_row(tmp_path / "cell.json", tmp_path, CELL).api.shared_memory_peak_bytes is None


def test_a_torn_row_is_refused_with_a_command_that_a_shell_can_read(tmp_path):
    run_dir = tmp_path / "my runs"
    run_dir.mkdir()
    (run_dir / "cell.json").write_text("{torn")
    with pytest.raises(LabError, match=rf"cell\.json: is not valid JSON: .*--remeasure '{run_dir}'"):
        read_row(run_dir / "cell.json", run_dir, CELL)


@pytest.mark.parametrize("key", [key for key in KEYS[:-2] if key not in NEWER_KEYS])
def test_a_row_that_lacks_a_key_of_the_first_version_is_refused(tmp_path, key):
    path = tmp_path / "cell.json"
    write_json(path, {name: value for name, value in row_json(FULL).items() if name != key})
    with pytest.raises(LabError, match=r"cell\.json"):
        read_row(path, tmp_path, CELL)


@pytest.mark.parametrize(
    ("stored", "outcome"),
    [
        ({"status": "invalid", "reason": "late", "latency_ms": 7}, Outcome("invalid", "late")),
        ({"status": "valid"}, Outcome("valid")),
        ({}, Outcome()),
    ],
)
def test_an_outcome_is_read_whatever_else_the_row_holds(tmp_path, stored, outcome):
    write_json(tmp_path / "trial.json", stored)
    assert read_outcome(tmp_path / "trial.json") == outcome


def test_an_outcome_that_is_no_text_is_damaged(tmp_path):
    write_json(tmp_path / "trial.json", {"status": 5})
    with pytest.raises(LabError, match=r"trial\.json: is damaged: .*status"):
        read_outcome(tmp_path / "trial.json")
