"""One attempt: figures from its raw files, and for each damage the status and reason that follow."""

import gzip
import json

import numpy as np
import pytest
from msgspec import structs, to_builtins
from run_folder import METRICS, WINDOW, Run, Traffic, busy, put, write_requests
from search_folder import CELL_ID as SEARCH_ID
from search_folder import QUESTIONS, SENT, record_search, search_run

from swarmsweep.raw.latency import describe
from swarmsweep.results.attempt_result import analyse

CELL_ID = "r2-c0.25-m256M-w1"
VERDICTS = ["probe", "good", "bad", "bad", "good", "good", "good"]  # of the recorded search


def analysed(run, cell_id=CELL_ID):
    """The trial of a cell's first attempt."""
    cell = next(cell for cell in run.plan.cells if cell.id == cell_id)
    return analyse(run.attempt(cell_id), run.plan, cell, 1)


def change_json(path, **changes):
    """Replace keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_figures_of_a_sound_trial(run):
    values = busy(2400)
    run.record(CELL_ID, Traffic(values, failures=12, cpu_cores=0.45, throttled_share=0.4))
    trial = analysed(run)
    assert (trial.status, trial.reason) == ("valid", None)
    assert [check.sentence for check in trial.checks if check.passed is False and not check.warning] == []
    assert (trial.requests, trial.failures) == (2400, 12)
    assert trial.rps == pytest.approx((2400 - 12) / 12)
    assert np.array_equal(trial.latency_ms, values)  # the 40 slow requests of the warm-up are not in
    assert trial.usage.cpu_cores == pytest.approx(0.45)
    assert trial.usage.throttled_percent == pytest.approx(40.0)
    assert (trial.oom_kills, trial.restarts) == (0, 0)
    assert (trial.load_cpu_percent_max, trial.load_workers) == (35.0, 1)
    assert trial.bottleneck == "cpu_throttled"
    assert trial.requests_by_replica == {"api-1": 1220, "api-2": 1220}


def test_tasks_that_raised_are_counted_with_their_texts(run):
    run.record(CELL_ID, Traffic(busy(2400), raised={"KeyError: 'prediction'": 700, "AssertionError: late": 20}))
    trial = analysed(run)
    assert (trial.status, trial.failures) == ("valid", 0)
    assert (trial.tasks.executions, trial.tasks.failed, trial.tasks.raised) == (2400, 720, 720)
    assert trial.tasks.exceptions == {"KeyError: 'prediction'": 700, "AssertionError: late": 20}


def test_requests_without_a_response_count_with_the_time_that_they_waited(run):
    run.record(CELL_ID, Traffic(busy(2400), waited_ms=[40_000.0] * 40, raised={}))
    trial = analysed(run)
    assert (trial.status, trial.requests, trial.failures) == ("valid", 2440, 40)
    assert trial.waited_ms.tolist() == [40_000.0] * 40
    assert sorted(trial.latency_ms)[-40:] == [40_000.0] * 40
    (warning,) = [check for check in trial.checks if check.name == "responses_complete"]
    assert (warning.passed, warning.warning) == (False, True)
    assert "40 of 2440 requests had no response" in warning.sentence
    assert "mean and p99 are lower bounds" in warning.sentence


def test_older_recorders_noted_no_tasks(run):
    run.record(CELL_ID, Traffic(busy(2400)))
    trial = analysed(run)
    assert (trial.status, trial.tasks) == ("valid", None)


def test_a_record_of_tasks_that_is_lost_makes_the_attempt_invalid(run):
    folder = run.record(CELL_ID, Traffic(busy(2400), raised={}))
    (folder / "locust/tasks-lab-load-0.f64.gz").unlink()
    trial = analysed(run)
    assert trial.status == "invalid"
    assert "tasks-lab-load-0.f64.gz: is missing" in trial.reason


def test_generator_cpu_counts_only_within_the_window(run):
    folder = run.record(CELL_ID, Traffic(busy(600)))
    cpu = [[WINDOW[0], 99.0], [WINDOW[0] + 1, 20.0], [WINDOW[1], 30.0], [WINDOW[1] + 1, 99.0]]
    change_json(folder / "locust" / "worker-lab-load-0.json", cpu_percent=cpu)
    assert analysed(run).load_cpu_percent_max == 30.0


INVALID = [
    (Traffic(busy(600), worker_cpu_percent=90.0), ["90.0 %"]),
    (Traffic(busy(600), haproxy_extra=200), ["840", "640", "200"]),
    (Traffic(busy(600), haproxy_extra=-100), ["100"]),
    (Traffic([], outside=40), []),
    (Traffic(busy(600), timeline={"workers_lost": 1}), ["1 disappeared"]),
    (Traffic(busy(600), timeline={"workers_connected": 0}), ["0 connected"]),
    (Traffic(busy(600), timeline={"users": 39}), ["39 of 40"]),
    (Traffic(busy(600), timeline={"window_end": WINDOW[0] + 6}), ["6.00", "12 s"]),
    (Traffic(busy(600), timeline={"window_end": None}), []),
    (Traffic(busy(600), timeline={"window_end": WINDOW[0]}), []),
    (Traffic(busy(600), after={"changed": True}), []),
    (Traffic(busy(600), after={"restarts": 2}), ["restarts: 2"]),
    (Traffic(busy(600), after={"containers": []}), ["2 of 2"]),
]


@pytest.mark.parametrize(("traffic", "figures"), INVALID)
def test_what_cannot_be_believed_is_invalid(run, traffic, figures):
    run.record(CELL_ID, traffic)
    trial = analysed(run)
    assert trial.status == "invalid"
    assert [figure for figure in figures if figure not in trial.reason] == []
    assert trial.bottleneck in (None, "generator")


def test_the_reasons(tmp_path, golden):
    reasons = []
    for number, (traffic, _) in enumerate(INVALID):
        run = Run(tmp_path / str(number))
        run.record(CELL_ID, traffic)
        reasons.append(analysed(run).reason)
    golden("trial_reasons.yml", reasons)


MISSING = [
    "deploy.json",
    "after.json",
    "locust/timeline.json",
    "locust/stats_stats.csv",
    "locust/requests-lab-load-0.f64.gz",
    "locust/worker-lab-load-0.json",
]


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_file_is_invalid_and_the_reason_helps(run, name):
    folder = run.record(CELL_ID, Traffic(busy(600)))
    (folder / name).unlink()
    trial = analysed(run)
    assert trial.status == "invalid"
    assert trial.reason
    assert str(folder) not in trial.reason


@pytest.mark.parametrize("name", [*MISSING, "haproxy-after.csv", "samples-api-lab-api.jsonl"])
@pytest.mark.parametrize("content", [b"", b"garbage\n", b"\x1f\x8b\x08\0\0", b"[1]\n", b"null\n", b"{}", b'{"a": 1}\n'])
def test_a_damaged_file_never_raises_and_never_passes(run, name, content):
    folder = run.record(CELL_ID, Traffic(busy(600)))
    (folder / name).write_bytes(content)
    trial = analysed(run)
    if name == "samples-api-lab-api.jsonl" and not content.endswith(b"\n"):  # as if cut off in the first line
        assert (trial.status, trial.usage.cpu_cores) == ("valid", None)  # no sample: CPU is unknown, RPS is not
    elif name == "deploy.json" and content in (b"{}", b'{"a": 1}\n'):
        assert trial.status == "failed"
    else:
        assert trial.status == "invalid"


@pytest.mark.parametrize("name", ["haproxy-before.csv", "haproxy-after.csv", "samples-api-lab-api.jsonl"])
def test_missing_evidence_is_reported_and_leaves_the_attempt_valid(run, name):
    folder = run.record(CELL_ID, Traffic(busy(600)))
    (folder / name).unlink()
    trial = analysed(run)
    assert trial.status == "valid"
    assert any(check.passed is None for check in trial.checks)


def test_an_interrupted_record_is_read_and_found_short(run):
    folder = run.record(CELL_ID, Traffic(busy(600)))
    path = folder / "locust" / "requests-lab-load-0.f64.gz"
    path.write_bytes(path.read_bytes()[:-400])
    trial = analysed(run)
    assert trial.status == "invalid"
    assert "Locust counted 640" in trial.reason
    assert 0 < trial.requests < 600


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        ("oom", "failed", "memory"),
        ("crash", "failed", None),
        ("not_ready", "failed", None),
        ("rejected", "infeasible", None),
        ("mismatch", "invalid", None),
        (None, "failed", None),
    ],
)
@pytest.mark.parametrize("reason", ["told by the deployment", None])
def test_a_deployment_that_failed(run, code, status, word, reason):
    run.record_death(CELL_ID, code, reason)
    trial = analysed(run)
    assert (trial.status, trial.bottleneck) == (status, word)
    assert trial.reason == reason if reason else trial.reason
    assert (trial.requests, trial.rps, trial.restarts) == (None, None, None)
    assert trial.oom_kills == (1 if code == "oom" else None)
    assert trial.log_tail[0] == "loading model"


OOM_UNDER_LOAD = [
    ({}, 3, 6),  # a worker process died, the container lived on: only the kernel's counter shows it
    ({"oom_killed": True, "exit_codes": [137]}, 0, 1),  # the dead container took its counter along
    ({"oom_killed": True, "exit_codes": [137, 137, 1]}, 1, 2),  # seen by both: not counted twice
    ({"reason_code": "oom", "reason": None, "oom_killed": None}, 0, 1),
]


@pytest.mark.parametrize(("after", "kernel_count", "expected"), OOM_UNDER_LOAD)
def test_oom_under_load_is_a_failure_of_the_cell(run, after, kernel_count, expected):
    run.record(CELL_ID, Traffic(busy(600), oom_kills=kernel_count, after=after))
    trial = analysed(run)
    assert trial.status == "failed"
    assert trial.reason.startswith("out of memory") and "256M" in trial.reason
    assert trial.oom_kills == expected
    assert trial.bottleneck == "memory"
    assert trial.requests == 600


def test_a_crash_under_load_is_a_failure(run):
    run.record(CELL_ID, Traffic(busy(600), after={"reason_code": "crash", "reason": None, "changed": True}))
    assert (analysed(run).status, "crashed" in analysed(run).reason) == ("failed", True)


def test_a_recorded_attempt_agrees_with_locust_and_haproxy(run, recorded):
    containers = run.containers(CELL_ID)
    put(recorded / "deploy.json", {"status": "ready", "containers": containers})
    put(recorded / "after.json", {"containers": containers, "restarts": 0, "changed": False, "oom_killed": False})
    cell = next(cell for cell in run.plan.cells if cell.id == CELL_ID)
    load = run.plan.load | {"users": 8, "workers": 2, "measure_seconds": 4}
    trial = analyse(recorded, run.plan, structs.replace(cell, load=load), 1)
    assert (trial.status, trial.reason) == ("valid", None)
    verdicts = {check.name: check.passed for check in trial.checks}
    assert verdicts["counted_by_locust"] and verdicts["counted_by_haproxy"] and verdicts["replicas_share_load"]
    assert verdicts["window_sampled"] is None
    assert 600 < trial.requests < 700  # 4 of 8 seconds
    assert trial.requests_by_replica == {"api-1": 665, "api-2": 667}


def test_records_of_several_workers_are_one_trial(run):
    folder = run.record(CELL_ID, Traffic(busy(600)))
    rows = np.frombuffer(gzip.decompress((folder / "locust" / "requests-lab-load-0.f64.gz").read_bytes()), "<f8")
    halves = np.array_split(rows.reshape(-1, 3), 2)
    for i, half in enumerate(halves):
        write_requests(folder / "locust" / f"requests-lab-load-{i}.f64.gz", [tuple(row) for row in half])
    change_json(folder / "locust" / "timeline.json", workers_connected=2)
    for cell in run.plan.cells:
        cell.load["workers"] = 2
    trial = analysed(run)
    assert (trial.status, trial.requests, trial.load_workers) == ("valid", 600, 2)


REPLICAS = [(METRICS / f"metrics-{letter * 12}.prom").read_text() for letter in "ab"]


def test_what_the_replicas_say_is_added_up(run):
    run.record(CELL_ID, Traffic(busy(600), metrics=REPLICAS))
    trial = analysed(run)
    assert (trial.metrics.times["/predict"].requests, trial.metrics.times["/predict"].seconds) == (20, 9.0)
    assert trial.metrics.choices["variant"] == "no_redundant_mlflow"
    assert (trial.metrics_problem, trial.target) == (None, "POST /predict")


@pytest.mark.parametrize(
    ("metrics", "told", "requests", "words"),
    [
        ([], None, None, None),
        ([], "replica 1: status 404", None, "replica 1: status 404"),
        ([REPLICAS[0], "<html>"], None, 10, "metrics-222222222222.prom: is not Prometheus' text format"),
        (["", ""], None, None, None),
        (REPLICAS[:1], "replica 2: runs on other", 10, "replica 2: runs on other"),
    ],
)
def test_missing_or_damaged_metrics_leave_the_trial_valid(run, metrics, told, requests, words):
    run.record(CELL_ID, Traffic(busy(600), metrics=metrics, after={"metrics_problem": told}))
    trial = analysed(run)
    assert trial.status == "valid"
    found = trial.metrics.times.get("/predict") if trial.metrics else None
    assert (found.requests if found else None) == requests
    assert (words in trial.metrics_problem) if words else trial.metrics_problem is None


# Capacity mode


@pytest.fixture
def searched(tmp_path):
    """A run whose one cell was searched for its capacity."""
    return search_run(tmp_path)


def analysed_search(run):
    return analyse(run.attempt(SEARCH_ID), run.plan, run.plan.cells[0], 1)


def test_figures_of_a_search_are_those_of_the_verified_rate(searched):
    record_search(searched)
    trial = analysed_search(searched)
    assert (trial.status, trial.reason) == ("valid", None)
    assert [check.sentence for check in trial.checks if check.passed is False] == []
    assert (trial.capacity.verified_rps, trial.capacity.verified_probe) == (80.0, 7)
    # 8 seconds at 80 requests/s, as chance gave them.
    assert (trial.requests, trial.failures, len(trial.latency_ms)) == (678, 0, 678)
    assert trial.rps == 678 / 8
    assert describe([trial.latency_ms]).p95 == pytest.approx(75.7, abs=0.1)
    assert trial.usage.cpu_cores == pytest.approx(0.8, abs=0.1)
    assert (trial.load_workers, trial.target) == (2, "POST /predict")
    assert trial.requests_by_replica == {"api-1": SENT + QUESTIONS}
    # The probe filled the server; its CPU limit cut it short meanwhile.
    assert trial.bottleneck == "cpu_throttled"


def test_probes_of_a_search_carry_the_figures_of_their_windows(searched):
    record_search(searched)
    probes = analysed_search(searched).probes
    assert [probe.number for probe in probes] == [1, 2, 3, 4, 5, 6, 7]
    assert [probe.verdict for probe in probes] == VERDICTS
    assert [probe.achieved_rps for probe in probes][:3] == [100.0, 384 / 5, 456 / 5]
    assert [round(probe.p95_ms) for probe in probes] == [61, 56, 139, 206, 85, 67, 76]
    assert all(0.6 < probe.cpu_cores < 1.3 for probe in probes)
    assert all(30 < probe.throttled_percent <= 45 for probe in probes)
    json.dumps(to_builtins(probes), allow_nan=False)


def test_a_search_without_samples_of_the_hosts_is_valid_and_says_so(searched):
    folder = record_search(searched)
    for path in folder.glob("samples-*.jsonl"):
        path.unlink()
    trial = analysed_search(searched)
    assert (trial.status, trial.usage.cpu_cores, trial.probes[0].cpu_cores) == ("valid", None, None)


def test_a_search_where_no_load_passes_is_a_result(searched):
    folder = record_search(searched)
    for path in (folder / "locust").glob("trial-*.json"):
        change_json(path, within_limits={"p95_ms": 0})
    trial = analysed_search(searched)
    assert (trial.status, trial.capacity.verified_rps) == ("valid", None)
    assert {probe.verdict for probe in trial.probes} == {"probe", "bad"}
    assert trial.requests == 573  # of the lowest open load, as no load held


@pytest.mark.parametrize(
    ("after", "page"),
    [
        ({"oom_killed": True, "exit_codes": [137]}, "trial_killed.txt"),
        ({"reason_code": "crash", "reason": None, "changed": True}, "trial_crashed.txt"),
    ],
)
def test_a_death_in_a_search_is_a_failure_whatever_was_read(searched, golden, after, page):
    folder = record_search(searched, **after)
    change_json(folder / "locust" / "capacity.json", ended=None, error="Locust was told to quit")
    trial = analysed_search(searched)
    golden(page, f"{trial.reason}\n")
    assert trial.status == "failed"


BROKEN_SEARCHES = [
    ("locust/capacity.json", {"error": "no worker is ready", "ended": None}, ["no worker is ready"]),
    ("locust/timeline.json", {"workers_lost": 1}, ["1 disappeared"]),
    ("locust/timeline.json", {"questions": 900}, ["900"]),
    ("locust/trial-7.json", {"trial": 8}, ["trial-7.json"]),
    ("after.json", {"restarts": 1}, ["restarts: 1"]),
]


@pytest.mark.parametrize(("name", "changes", "figures"), BROKEN_SEARCHES)
def test_a_search_that_cannot_be_believed_is_invalid(searched, name, changes, figures):
    change_json(record_search(searched) / name, **changes)
    trial = analysed_search(searched)
    assert trial.status == "invalid"
    assert [figure for figure in figures if figure not in trial.reason] == []
    assert trial.bottleneck is None


def test_the_reasons_of_searches(tmp_path, golden):
    reasons = []
    for number, (name, changes, _) in enumerate(BROKEN_SEARCHES):
        run = search_run(tmp_path / str(number))
        change_json(record_search(run) / name, **changes)
        reasons.append(analysed_search(run).reason)
    golden("trial_reasons_search.yml", reasons)


SEARCH_FILES = [
    "capacity.json",
    "timeline.json",
    "trial-1.json",
    "trial-7.json",
    "stats_stats.csv",
    "open-requests-lab-load-1-trial-2.f64.gz",
    "open-requests-lab-load-0-trial-7.f64.gz",
]


@pytest.mark.parametrize("name", SEARCH_FILES)
@pytest.mark.parametrize("content", [None, b"", b"garbage\n", b"\x1f\x8b\x08\0\0", b"null\n", b"{}", b'{"a": 1}\n'])
def test_a_damaged_search_never_raises_and_never_passes(searched, name, content):
    path = record_search(searched) / "locust" / name
    path.unlink() if content is None else path.write_bytes(content)
    trial = analysed_search(searched)
    assert trial.status == "invalid"
    assert str(searched.dir) not in trial.reason


def test_a_search_whose_rates_all_pass_says_at_least(searched):
    folder = record_search(searched)
    for number in (3, 4):
        path = folder / "locust" / f"trial-{number}.json"
        change_json(path, within_limits={"p95_ms": json.loads(path.read_text())["measured"]["offered"]})
    trial = analysed_search(searched)
    assert trial.capacity.is_lower_bound
    assert trial.status == "valid"
