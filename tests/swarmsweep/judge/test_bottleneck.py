"""The word for what held the API back, and the evidence behind it."""

from dataclasses import replace
from pathlib import Path

import pytest
from evidence_json import changed, from_json, record

from swarmsweep.judge.bottleneck import RULES, find_bottleneck
from swarmsweep.judge.evidence import Evidence
from swarmsweep.raw.api_usage import ApiUsage
from swarmsweep.sweep.sweep_file import parse_sweep

SWEEP = Path(__file__).parents[2] / "e2e" / "bottlenecks.yml"
# 2 replicas of 2 processes at 0.4 cores each, 20 users with think time: nothing is at its limit.
CONTAINERS = record("users")["machines"]["e2e-api"]["containers"]
A, B = (f"machines.e2e-api.containers.{name}" for name, one in CONTAINERS.items() if one["service"] == "api")
PARTS = {"endpoint": "/predict", "requests": 491, "mean_ms": 221.5}
MLFLOW = {"database": 2.6, "mlflow": 201.7, "preparing": 5.3, "inference": 11.3, "rest": 0.7}
DATABASE = {"database": 4.1, "mlflow": None, "preparing": 0.1, "inference": 0.2, "rest": 0.6}
PROXY = {"service": "proxy", "cpu_cores": 0.12, "throttled_percent": None, "memory_peak_bytes": None}
POSTGRES = PROXY | {"service": "postgres", "cpu_cores": 0.05}
THROTTLED = {"usage.throttled_periods": 160, "usage.cpu_cores": 0.79}
FULL = {"usage.host_busy_percent": 98.3, "machines.e2e-api.busy_percent": 98.3}
ONE_USER = {"879cff9c2e06/8": 4100, "879cff9c2e06/9": 12}


def with_container(settings: dict, **container) -> Evidence:
    """Evidence in which the container of a service did otherwise."""
    evidence = changed("users", **settings)
    trace = record("users")
    (name,) = (name for name, one in CONTAINERS.items() if one["service"] == container["service"])
    trace["machines"]["e2e-api"]["containers"][name] = container
    machines = from_json(trace).machines
    merged = {
        host: replace(machine, containers=machines[host].containers) if host == "e2e-api" else machine
        for host, machine in evidence.machines.items()
    }
    return replace(evidence, machines=merged, peak_machines=merged)


CASES = [
    (changed("users"), "not_saturated", "0 % of periods throttled, API host 43.6 % busy: nothing was at its limit"),
    (changed("users"), "not_saturated", "Raise the load"),
    (changed("users", oom_kills=3), "memory", "3 OOM kills at a limit of 512M per replica, peak use seen 178 MiB"),
    (changed("users", oom_kills=1), "memory", "1 OOM kill at"),
    (changed("users", **{"flow.generator_cpu_percent": 94.5}), "generator", "94.5 % of a core"),
    (
        changed("users", **{"flow.generator_cpu_percent": 48.0, "machines.e2e-load.busy_percent": 99.2}),
        "generator",
        "the load host was 99.2 % busy, and a Locust worker got 48.0 % of a core",
    ),
    # It had room where it was at its highest, and could not make more all the same.
    (
        changed(
            "search",
            generator_limit="at 9000 requests/s requests were sent 41.7 ms late (p99), at most 5 ms is allowed",
        ),
        "generator",
        "at 9000 requests/s requests were sent 41.7 ms late",
    ),
    # Others fill the load host, and the little that the generator wants it gets.
    (changed("users", **{"machines.e2e-load.busy_percent": 99.2}), "not_saturated", "43.6 % busy"),
    (
        changed("users", **THROTTLED),
        "cpu_throttled",
        "90.9 % of the scheduler's periods short; the replicas used 0.79",
    ),
    (changed("users", **{"usage.throttled_periods": 35}), "not_saturated", "19.9 % of periods"),
    (
        changed("users", **THROTTLED, request_parts=PARTS | {"parts_ms": MLFLOW}),
        "cpu_throttled",
        "91.1 % of a request's 221.5 ms in the API went to MLflow",
    ),
    (
        changed(
            "users",
            **{"usage.throttled_periods": 88, f"{A}.throttled_percent": 98.0, f"{A}.cpu_cores": 0.05},
        ),
        "hot_replica",
        "the CPU limit of 1 of 2 replicas cut 98.0 % of the scheduler's periods short at 0.05 cores; "
        "another used 34.5 % of its limit",
    ),
    # Both at their limit: more of the same helps.
    (
        changed("users", **THROTTLED, **{f"{A}.throttled_percent": 98.0, f"{B}.throttled_percent": 81.0}),
        "cpu_throttled",
        "90.9 %",
    ),
    (with_container({}, **PROXY), "not_saturated", "43.6 %"),
    (
        with_container({}, **PROXY | {"throttled_percent": 96.0, "cpu_cores": 0.05}),
        "proxy",
        "HAProxy was cut short by its CPU limit in 96.0 % of the scheduler's periods and used 0.05 cores",
    ),
    (with_container(FULL, **PROXY | {"cpu_cores": 0.97}), "proxy", "0.97 cores, as much as one thread can"),
    (with_container({}, **POSTGRES | {"cpu_cores": 0.95}), "database", "PostgreSQL used 0.95 cores"),
    (with_container({}, **POSTGRES | {"service": "mlflow", "cpu_cores": 0.95}), "mlflow", "MLflow used 0.95 cores"),
    (
        changed("users", **{"machines.e2e-load.retransmitted_percent": 2.4}),
        "network",
        "e2e-load sent 2.40 % of its TCP segments again; a request took 1.64 ms, 0.41 ms of it in the API",
    ),
    (changed("users", **{"machines.e2e-load.retransmitted_percent": 0.2}), "not_saturated", "43.6 %"),
    (
        changed("users", request_parts=PARTS | {"parts_ms": MLFLOW}, **FULL),
        "mlflow",
        "91.1 % of a request's 221.5 ms in the API went to MLflow; the API host was 98.3 % busy",
    ),
    (
        changed("users", request_parts=PARTS | {"mean_ms": 5.0, "parts_ms": DATABASE}),
        "database",
        "82.0 % of a request's 5.00 ms in the API went to the database",
    ),
    (changed("users", **FULL), "host_cpu", "the API host was 98.3 % busy; the replicas used 0.28 cores"),
    (
        changed("users", **FULL, **{"machines.e2e-api.external_cpu_cores": 0.41}),
        "host_cpu",
        "the replicas used 0.28 cores, others 0.41",
    ),
    (
        changed("users", **{"flow.served_by": ONE_USER, "flow.in_flight_mean": 0.62}),
        "hot_worker",
        "one of 2 worker processes gave 99.7 % of its replica's answers and had 0.62 requests in hand",
    ),
    # It waits for requests.
    (changed("users", **{"flow.served_by": ONE_USER, "flow.in_flight_mean": 0.2}), "not_saturated", "43.6 %"),
    # A process that fills the limit of its replica is held back by that.
    (changed("users", **{"flow.served_by": ONE_USER}, **THROTTLED), "cpu_throttled", "90.9 %"),
]


@pytest.mark.parametrize(("evidence", "word", "told"), CASES)
def test_the_first_cause_that_applies_is_told_with_its_figures(evidence, word, told):
    found, sentence = find_bottleneck(evidence)
    assert found == word, sentence
    assert told in sentence


def test_what_is_judged_is_the_highest_load_not_the_one_that_is_shown():
    shown = from_json(record("search"))
    assert find_bottleneck(shown)[0] == "cpu_throttled"
    assert find_bottleneck(replace(shown, usage=ApiUsage()))[0] == "cpu_throttled"
    peak = replace(shown.peak_usage, throttled_periods=3)
    assert find_bottleneck(replace(shown, peak_usage=peak))[0] == "not_saturated"


def test_without_evidence_nothing_is_told():
    config = {"replicas": 1, "cpus": 0.5, "memory_bytes": 128 * 1024**2, "workers": 1}
    bare = Evidence(config=config, load={}, slo={})
    assert find_bottleneck(bare) == (None, None)
    assert find_bottleneck(replace(bare, oom_kills=1))[0] == "memory"
    busy = replace(bare, peak_usage=ApiUsage(host_busy_percent=50.0))
    assert find_bottleneck(busy) == ("not_saturated", "API host 50.0 % busy: nothing was at its limit. Raise the load")


@pytest.mark.parametrize("missing", ["flow", "machines", "request_parts", "proxy", "usage"])
def test_what_is_missing_decides_nothing(missing):
    sound = from_json(record("users"))
    settings = {
        "flow": {"peak": None},
        "machines": {"peak_machines": {}},
        "request_parts": {"request_parts": None},
        "proxy": {"proxy": None},
        "usage": {"peak_usage": ApiUsage()},
    }[missing]
    expected = None if missing == "usage" else "not_saturated"
    assert find_bottleneck(replace(sound, **settings))[0] == expected


def test_every_rule_has_a_reason():
    assert all(rule.unit and len(rule.why) > 10 for rule in RULES.values())


def test_every_word_is_planted_in_the_end_to_end_test():
    sweep = parse_sweep(SWEEP.read_bytes(), SWEEP.name)
    planted = {dict(cell.extra)["PLANT"] for cell in sweep.cells}
    assert planted == {word for _, word, _ in CASES}
