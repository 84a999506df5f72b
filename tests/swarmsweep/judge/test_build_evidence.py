"""Evidence of an attempt: whose windows, whose machines, whose clock; nothing of it made up where files are missing."""

import json

import pytest
from msgspec.structs import replace
from run_folder import WINDOW, Traffic, busy
from search_folder import CELL_ID, QUESTIONS, SENT, read, record_search, search_run

from swarmsweep.judge.build_evidence import evidence_of
from swarmsweep.judge.search_outcome import search_outcome
from swarmsweep.raw.attempt import read_attempt

FIXED_ID = "r2-c0.25-m256M-w1"


def evidence(run, cell_id=CELL_ID):
    """Of a cell's first attempt."""
    cell = next(cell for cell in run.plan.cells if cell.id == cell_id)
    raw = read_attempt(run.attempt(cell_id), cell.load, run.plan.slo)
    return evidence_of(raw, search_outcome(raw.search, run.plan.slo), run.plan, cell)


@pytest.fixture
def searched(tmp_path):
    run = search_run(tmp_path)
    record_search(run)
    return run


def test_a_search_shows_the_verified_window_and_knows_the_highest(searched):
    found = evidence(searched)
    trials = read(searched.attempt(CELL_ID), "capacity.json")["trials"]
    assert (found.flow.kind, found.flow.rate_rps, found.flow.window[0]) == ("poisson", 80.0, trials[6]["window_start"])
    assert (found.peak.kind, found.peak.window[0]) == ("closed", trials[0]["window_start"])
    assert (found.recorded_requests, found.counted_requests, found.recovery_probes) == (SENT, SENT, QUESTIONS)
    assert found.proxy.requests == SENT + QUESTIONS
    assert (found.record_files, found.records_complete) == (2, True)
    # 80 requests/s of 10 ms each, and as many as it can.
    assert found.usage.cpu_cores == pytest.approx(0.8, abs=0.1)
    assert found.peak_usage.cpu_cores == pytest.approx(1.0, abs=0.2)
    assert found.machines["lab-api"].busy_percent == pytest.approx(80, abs=10)
    assert {host: machine.group for host, machine in found.peak_machines.items()} == {
        "lab-api": "api",
        "lab-load": "load",
    }


def test_clocks_are_compared_with_each_other(searched):
    found = evidence(searched)
    assert found.clock_offset_seconds == pytest.approx(0.005)
    assert found.clock_bound_seconds == pytest.approx(0.0012)


def test_of_several_api_hosts_the_clock_counts_that_is_certainly_furthest_off(searched):
    hosts = {"lab-load": (0.0, 0.001), "lab-api": (0.02, 0.001), "b": (-0.5, 0.001), "c": (0.6, 0.4)}
    clocks = {name: {"offset_seconds": off, "bound_seconds": bound} for name, (off, bound) in hosts.items()}
    (searched.attempt(CELL_ID) / "clock.json").write_text(json.dumps({"hosts": clocks}))
    api = [*searched.plan.hosts["api"], {"name": "b"}, {"name": "c"}]
    searched.plan = replace(searched.plan, hosts=searched.plan.hosts | {"api": api})
    found = evidence(searched)
    assert (found.clock_offset_seconds, found.clock_bound_seconds) == pytest.approx((-0.5, 0.002))


@pytest.mark.parametrize(
    "content",
    [{}, {"hosts": None}, {"hosts": {"lab-api": {"offset_seconds": 1}}}, {"hosts": {"lab-api": 3, "lab-load": []}}],
)
def test_clocks_that_were_not_compared_are_unknown(searched, content):
    (searched.attempt(CELL_ID) / "clock.json").write_text(json.dumps(content))
    found = evidence(searched)
    assert (found.clock_offset_seconds, found.clock_bound_seconds) == (None, None)


def test_a_machine_that_is_both_counts_once_and_as_one_of_the_api(searched):
    folder = searched.attempt(CELL_ID)
    (folder / "samples-load-lab-load.jsonl").rename(folder / "samples-load-lab-api.jsonl")
    sampled = folder / "samples-api-lab-api.jsonl"
    lines = [json.loads(line) for line in sampled.read_text().splitlines()]
    for line in lines:
        line["host"] |= {"own_cpu_seconds": 2 * line["t"], "sampler_cpu_seconds": 0.0}
        line["containers"] = {name: one | {"service": "lab_api_api"} for name, one in line["containers"].items()}
    sampled.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = evidence(searched)
    assert [machine.group for machine in found.machines.values()] == ["api"]
    assert found.usage.cpu_cores == pytest.approx(0.8, abs=0.1)
    assert found.machines["lab-api"].other_own_cpu_cores == pytest.approx(1.2, abs=0.1)
    # Locust's part of the machine's CPU time is not known.
    searched.plan = replace(searched.plan, hosts=searched.plan.hosts | {"load": searched.plan.hosts["api"]})
    assert evidence(searched).machines["lab-api"].other_own_cpu_cores is None


def test_users_have_one_window(run):
    folder = run.record(FIXED_ID, Traffic(busy(2400)))
    worker = folder / "locust" / "worker-lab-load-0.json"
    told = {"errors": {"status 503": 3}, "served_by": {"a/1": 1200, "b/1": 1240}}
    worker.write_text(json.dumps(json.loads(worker.read_text()) | told))
    found = evidence(run, FIXED_ID)
    assert found.peak is found.flow
    assert found.peak_usage is found.usage
    assert (found.flow.kind, found.flow.window, found.flow.offered) == ("users", WINDOW, 2400)
    assert (found.flow.concurrency, found.flow.planned_think_seconds) == (40, 0.025)
    assert [second.offered for second in found.flow.seconds] == [200] * 12
    assert (found.flow.errors, found.flow.served_by) == (told["errors"], told["served_by"])
    assert (found.recorded_requests, found.counted_requests, found.recovery_probes) == (2440, 2440, 0)
    assert (found.clock_offset_seconds, found.request_parts) == (None, None)


def test_without_a_load_there_is_no_flow(run):
    run.record_death(FIXED_ID, "crash", None)
    found = evidence(run, FIXED_ID)
    assert (found.flow, found.peak, found.recorded_requests, found.machines) == (None, None, None, {})
