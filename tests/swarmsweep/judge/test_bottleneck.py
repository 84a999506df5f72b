"""The word for what held the API back, and the evidence behind it."""

from dataclasses import replace
from pathlib import Path

import pytest
from evidence_json import changed, from_json, record

from swarmsweep.judge.bottleneck import RULES, find_bottleneck
from swarmsweep.judge.concurrency import Concurrency
from swarmsweep.judge.evidence import Evidence
from swarmsweep.raw.api_usage import ApiUsage
from swarmsweep.sweep.sweep_file import parse_sweep

SWEEP = Path(__file__).parents[2] / "e2e" / "bottlenecks.yml"
OWN_API = SWEEP.with_name("own_api.yml")
# 2 replicas of 2 processes at 0.4 cores each, 20 users with think time: nothing is at its limit.
CONTAINERS = record("users")["machines"]["e2e-api"]["containers"]
A, B = (f"machines.e2e-api.containers.{name}" for name, one in CONTAINERS.items() if one["service"] == "api")
PARTS = {"endpoint": "/predict", "requests": 491, "mean_ms": 221.5}
MLFLOW = {"database": 2.6, "mlflow": 201.7, "preparing": 5.3, "inference": 11.3, "rest": 0.7}
DATABASE = {"database": 4.1, "mlflow": None, "preparing": 0.1, "inference": 0.2, "rest": 0.6}
PROXY = {"service": "proxy", "cpu_cores": 0.12, "throttled_percent": None, "memory_peak_bytes": None}
POSTGRES = PROXY | {"service": "postgres", "cpu_cores": 0.05}
CACHE = PROXY | {"service": "cache", "cpu_cores": 0.05}
MLFLOW_BUSY = POSTGRES | {"service": "mlflow", "cpu_cores": 0.95}
THROTTLED = {"usage.throttled_periods": 160, "usage.cpu_cores": 0.79}
FULL = {"usage.host_busy_percent": 98.3, "machines.e2e-api.busy_percent": 98.3}
ONE_USER = {"879cff9c2e06/8": 4100, "879cff9c2e06/9": 12}


def with_container(settings: dict, **container) -> Evidence:
    """Evidence in which the container of a service did otherwise."""
    evidence = changed("users", **settings)
    trace = record("users")
    # A service that the trace does not have is one more container.
    named = (name for name, one in CONTAINERS.items() if one["service"] == container["service"])
    name = next(named, "c" * 64)
    trace["machines"]["e2e-api"]["containers"][name] = container
    machines = from_json(trace).machines
    merged = {
        host: replace(machine, containers=machines[host].containers) if host == "e2e-api" else machine
        for host, machine in evidence.machines.items()
    }
    return replace(evidence, machines=merged, peak_machines=merged)


def without_parts(evidence: Evidence) -> Evidence:
    """The evidence of an API without metrics, in which requests waited."""
    return replace(evidence, request_parts=None, concurrency=QUEUE)


def retransmitting(percent: float, per_second: float, concurrency: Concurrency) -> Evidence:
    """Evidence in which the load host retransmitted, and requests had these latencies."""
    evidence = changed("users", **{"machines.e2e-load.retransmitted_percent": percent})
    load = replace(evidence.machines["e2e-load"], retransmitted_per_second=per_second)
    machines = {**evidence.machines, "e2e-load": load}
    return replace(evidence, machines=machines, peak_machines=machines, concurrency=concurrency)


def processes(cores: float, cpus: float, count: int | None) -> Evidence:
    """Evidence of one replica whose server processes used so many cores of a limit, while requests waited."""
    evidence = changed("users", **{"config.replicas": 1, "config.cpus": cpus})
    counts = None if count is None else (count,)
    usage = replace(evidence.usage, cpu_cores=cores, server_processes=counts)
    return replace(evidence, usage=usage, peak_usage=usage, concurrency=QUEUE)


def replicas_use(one: float, other: float) -> Evidence:
    """Evidence in which the two replicas used so many cores."""
    return changed("users", **{f"{A}.cpu_cores": one, f"{B}.cpu_cores": other})


def with_links(api_percent: float | None, load_percent: float | None) -> Evidence:
    """Evidence in which requests waited, and the hosts used so much of the speed of their links."""
    evidence = replace(changed("users"), concurrency=QUEUE)
    machines = {
        "e2e-api": replace(evidence.machines["e2e-api"], link_name="eth0", link_percent=api_percent),
        "e2e-load": replace(evidence.machines["e2e-load"], link_name="eth1", link_percent=load_percent),
    }
    return replace(evidence, machines=machines, peak_machines=machines)


def in_flight(mean: float, evidence: Evidence) -> Evidence:
    """The evidence with so many requests in flight, each as fast as without load."""
    flow = replace(evidence.flow, in_flight_mean=mean)
    return replace(evidence, flow=flow, peak=flow, concurrency=FAST)


MIB = 1024**2


@pytest.mark.parametrize(
    ("files_bytes", "words"),
    [
        (None, "peak memory 178 MiB"),
        (25 * MIB, "peak memory 178 MiB"),
        (
            110 * MIB,
            "peak memory 178 MiB, of which 110 MiB were files in memory (/tmp, lab_api_writable, shared memory)",
        ),
    ],
)
def test_files_in_memory_are_named_where_they_are_a_part_of_the_limit(files_bytes, words):
    evidence = changed("users", oom_kills=1)
    usage = replace(evidence.peak_usage, shared_memory_peak_bytes=files_bytes)
    bottleneck = find_bottleneck(replace(evidence, peak_usage=usage))
    assert bottleneck.evidence == f"1 OOM kill at a limit of 512M per replica, {words}"


# Latency without load and at the peak, and responses per second.
FAST = Concurrency(1.5, 1.64, 726.0, (726.0, 726.0, 726.0))
SLOW = Concurrency(1.0, 12.0, 726.0, (726.0, 726.0, 726.0))
QUEUE = Concurrency(100.0, 500.0, 726.0, (700.0, 726.0, 752.0))
# Requests of 10 ms at two workers.
AT_TIMES = Concurrency(10.0, 22.0, 140.0, (140.0, 140.0, 140.0))
ONE_OF_TWO = Concurrency(10.0, 200.0, 100.0, (100.0, 100.0, 100.0))

CASES = [
    (changed("users"), "not_saturated", ["0 %", "43.6 %"]),
    (changed("users", oom_kills=3), "memory", ["3 OOM", "512M", "178 MiB"]),
    (changed("users", oom_kills=1), "memory", ["1 OOM"]),
    (changed("users", **{"flow.generator_cpu_percent": 94.5}), "generator", ["94.5 %"]),
    (
        changed("users", **{"flow.generator_cpu_percent": 48.0, "machines.e2e-load.busy_percent": 99.2}),
        "generator",
        ["99.2 %", "48.0 %"],
    ),
    # The generator had CPU time left at its highest rate, but could not send more.
    (
        changed(
            "search",
            generator_limit="at 9000 requests/s requests were sent 41.7 ms late (p99, limit 5 ms)",
        ),
        "generator",
        ["9000", "41.7 ms"],
    ),
    # Other programs fill the load host, but the generator gets the little CPU time that it needs.
    (changed("users", **{"machines.e2e-load.busy_percent": 99.2}), "not_saturated", ["43.6 %"]),
    (
        changed("users", **THROTTLED),
        "cpu_throttled",
        ["90.9 %", "0.79"],
    ),
    (changed("users", **{"usage.throttled_periods": 35}), "not_saturated", ["19.9 %"]),
    (
        changed("users", **THROTTLED, request_parts=PARTS | {"parts_ms": MLFLOW}),
        "cpu_throttled",
        ["91.1 %", "221.5 ms", "MLflow"],
    ),
    (
        changed(
            "users",
            **{"usage.throttled_periods": 88, f"{A}.throttled_percent": 98.0, f"{A}.cpu_cores": 0.05},
        ),
        "hot_replica",
        ["1 of 2 replicas", "98.0 %", "0.05 cores", "34.5 %"],
    ),
    # Both replicas are at their limit, so more replicas help.
    (
        changed("users", **THROTTLED, **{f"{A}.throttled_percent": 98.0, f"{B}.throttled_percent": 81.0}),
        "cpu_throttled",
        ["90.9 %"],
    ),
    (with_container({}, **PROXY), "not_saturated", ["43.6 %"]),
    (
        with_container({}, **PROXY | {"throttled_percent": 96.0, "cpu_cores": 0.05}),
        "proxy",
        ["96.0 %", "0.05 cores"],
    ),
    (with_container(FULL, **PROXY | {"cpu_cores": 0.97}), "proxy", ["0.97 cores"]),
    (without_parts(with_container({}, **POSTGRES | {"cpu_cores": 0.95})), "database", ["0.95 cores", "500.0 ms"]),
    (without_parts(with_container({}, **MLFLOW_BUSY)), "mlflow", ["0.95 cores"]),
    # A service of the user beside the API.
    (without_parts(with_container({}, **CACHE | {"cpu_cores": 0.95})), "service", ["the service cache", "0.95 cores"]),
    (
        with_container({}, **CACHE | {"throttled_percent": 40.0}),
        "service",
        ["the service cache was throttled", "40.0 %"],
    ),
    (with_container({}, **CACHE), "not_saturated", ["43.6 %"]),
    (with_container({}, **MLFLOW_BUSY | {"throttled_percent": 40.0}), "mlflow", ["40.0 %", "0.95 cores"]),
    # Several processes of it share the cores. Where requests spend their time is known, or they do not wait.
    (with_container({}, **POSTGRES | {"cpu_cores": 0.95}), "not_saturated", ["43.6 %"]),
    (
        replace(without_parts(with_container({}, **POSTGRES | {"cpu_cores": 0.95})), concurrency=FAST),
        "not_saturated",
        ["1.64 ms"],
    ),
    # 35 retransmissions a second of 726 requests explain up to 9.6 ms of a request.
    (retransmitting(2.4, 35.0, SLOW), "network", ["e2e-load", "2.40 %", "12.0 ms", "0.41 ms"]),
    (retransmitting(0.2, 3.0, SLOW), "not_saturated", ["43.6 %"]),
    # Those of other traffic, while requests are as fast as without load.
    (retransmitting(2.4, 35.0, FAST), "not_saturated", ["1.64 ms"]),
    # They explain only a small part of a long wait.
    (retransmitting(2.4, 35.0, QUEUE), "concurrency", ["72.6 requests at once", "100.0 ms"]),
    (retransmitting(2.4, 35.0, replace(QUEUE, parts_rps=(400.0, 726.0))), "not_saturated", ["500.0 ms"]),
    (replace(changed("users"), concurrency=QUEUE), "concurrency", ["72.6 requests at once", "34.6 %"]),
    (replace(changed("users"), concurrency=replace(QUEUE, unloaded_ms=1.0)), "not_saturated", ["500.0 ms"]),
    (replace(changed("users"), concurrency=replace(QUEUE, loaded_ms=140.0)), "not_saturated", ["140.0 ms"]),
    # 4 processes of 2 replicas, nothing throttled: at the limit of 0.8 cores, or near it while requests wait.
    (changed("users", **{"usage.cpu_cores": 0.77}), "cpu_limit", ["0.77 cores", "96.2 %", "Try more replicas or CPUs"]),
    (changed("users", **{"usage.cpu_cores": 0.7}), "not_saturated", ["0.70 cores"]),
    (replace(changed("users", **{"usage.cpu_cores": 0.7}), concurrency=QUEUE), "cpu_limit", ["87.5 %", "100.0 ms"]),
    (replace(changed("users", **{"usage.cpu_cores": 0.7}), concurrency=FAST), "not_saturated", ["1.64 ms"]),
    # The host has no more.
    (changed("users", **FULL, **{"usage.cpu_cores": 0.77}), "host_cpu", ["98.3 %", "0.77 cores"]),
    # Everything waits in a replica without CPU time.
    (
        changed("users", request_parts=PARTS | {"parts_ms": MLFLOW}, **{"usage.cpu_cores": 0.77}),
        "cpu_limit",
        ["96.2 %"],
    ),
    (processes(0.97, 1.0, 1), "cpu_limit", ["97.0 %", "0.97 cores, about as much", "together with more workers"]),
    (processes(0.97, 2.0, 1), "worker_cpu", ["0.97 cores", "48.5 %", "more workers or replicas"]),
    (processes(1.9, 4.0, 2), "worker_cpu", ["0.95 cores", "47.5 %"]),
    # Many threads in one process, or processes that were not counted.
    (processes(1.4, 2.0, 1), "concurrency", ["70.0 %"]),
    (processes(0.97, 2.0, None), "concurrency", ["48.5 %"]),
    # Two workers at 70 % of a core each: random requests wait at times. More load shows the limit.
    (replace(processes(1.4, 2.0, 2), concurrency=AT_TIMES), "not_saturated", ["0.70 cores, so some requests wait"]),
    # One of two workers gets all requests.
    (replace(processes(1.0, 2.0, 2), concurrency=ONE_OF_TWO), "concurrency", ["1.00 requests at once"]),
    # A small pool of connections. Requests wait for a response, and not for a CPU.
    (replace(processes(1.0, 2.0, 2), concurrency=replace(QUEUE, loaded_ms=190.0)), "concurrency", ["72.6 requests"]),
    # As much as one core by chance.
    (replace(processes(0.97, 2.0, 1), concurrency=FAST), "not_saturated", ["1.64 ms"]),
    # A full link looks like a limit of the API.
    (with_links(96.0, 93.0), "network", ["eth0 of e2e-api used 96.0 % of its speed"]),
    (with_links(None, 93.0), "network", ["eth1 of e2e-load used 93.0 %"]),
    # Other traffic fills the link, while several requests are as fast as a single one. One request alone may fill it.
    (in_flight(5.0, with_links(96.0, 93.0)), "not_saturated", ["only the network link eth0 of e2e-api", "1.64 ms"]),
    (in_flight(1.0, with_links(96.0, 93.0)), "network", ["96.0 %"]),
    (with_links(85.0, 20.0), "not_saturated", ["500.0 ms"]),
    (with_links(20.0, 20.0), "concurrency", ["connections in the API"]),
    (with_links(20.0, None), "concurrency", ["The speed of a network link is not known"]),
    # One replica alone.
    (replicas_use(0.38, 0.1), "hot_replica", ["1 of 2 replicas used 95.0 %", "25.0 %"]),
    (replace(replicas_use(0.34, 0.1), concurrency=QUEUE), "not_saturated", ["500.0 ms"]),
    (replace(changed("users", **FULL), concurrency=QUEUE), "host_cpu", ["98.3 %"]),
    (
        replace(changed("users", request_parts=PARTS | {"parts_ms": MLFLOW}), concurrency=QUEUE),
        "mlflow",
        ["91.1 %"],
    ),
    (
        changed("users", request_parts=PARTS | {"parts_ms": MLFLOW}, **FULL),
        "mlflow",
        ["91.1 %", "221.5 ms", "98.3 %"],
    ),
    (
        changed("users", request_parts=PARTS | {"mean_ms": 5.0, "parts_ms": DATABASE}),
        "database",
        ["82.0 %", "5.00 ms"],
    ),
    (changed("users", **FULL), "host_cpu", ["98.3 %", "0.28 cores"]),
    (
        changed("users", **FULL, **{"machines.e2e-api.external_cpu_cores": 0.41}),
        "host_cpu",
        ["0.28 cores", "0.41"],
    ),
    (
        changed("users", **{"flow.served_by": ONE_USER, "flow.in_flight_mean": 0.62}),
        "hot_worker",
        ["of 2 ", "99.7 %", "0.62"],
    ),
    # The process waits for requests.
    (changed("users", **{"flow.served_by": ONE_USER, "flow.in_flight_mean": 0.2}), "not_saturated", ["43.6 %"]),
    # A process that fills the limit of its replica is held back by that.
    (changed("users", **{"flow.served_by": ONE_USER}, **THROTTLED), "cpu_throttled", ["90.9 %"]),
]


@pytest.mark.parametrize(("evidence", "kind", "words"), CASES)
def test_the_first_cause_that_applies_is_named_with_its_figures(evidence, kind, words):
    bottleneck = find_bottleneck(evidence)
    assert bottleneck.kind == kind, bottleneck
    assert [word for word in words if word not in (bottleneck.evidence or "")] == []


def test_the_sentences(golden):
    named = [find_bottleneck(evidence) for evidence, _, _ in CASES]
    golden("bottleneck.yml", [[bottleneck.kind, bottleneck.evidence] for bottleneck in named])


def test_what_is_judged_is_the_highest_load_not_the_one_that_is_shown():
    shown = from_json(record("search"))
    assert find_bottleneck(shown).kind == "cpu_throttled"
    assert find_bottleneck(replace(shown, usage=ApiUsage())).kind == "cpu_throttled"
    peak = replace(shown.peak_usage, throttled_periods=3, cpu_cores=0.1)
    assert find_bottleneck(replace(shown, peak_usage=peak)).kind == "not_saturated"


def test_without_evidence_nothing_is_named():
    config = {"replicas": 1, "cpus": 0.5, "memory_bytes": 128 * 1024**2, "workers": 1}
    bare = Evidence(config=config, load={}, slo={})
    assert find_bottleneck(bare) is None
    assert find_bottleneck(replace(bare, oom_kills=1)).kind == "memory"
    busy = replace(bare, peak_usage=ApiUsage(host_busy_percent=50.0))
    cause, sentence = find_bottleneck(busy)
    assert cause == "not_saturated" and "50.0 % busy" in sentence


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
    bottleneck = find_bottleneck(replace(sound, **settings))
    assert bottleneck is None if missing == "usage" else bottleneck.kind == "not_saturated"


def test_a_link_whose_speed_is_known_is_not_called_unknown():
    assert "not known" not in find_bottleneck(with_links(20.0, 20.0)).evidence


def test_every_rule_has_a_reason():
    assert all(rule.unit and len(rule.why) > 10 for rule in RULES.values())


def test_every_word_is_planted_in_the_end_to_end_test():
    sweep = parse_sweep(SWEEP.read_bytes(), SWEEP.name)
    planted = {dict(cell.extra)["PLANT"] for cell in sweep.cells}
    # The limits of concurrency are inside an API, so they are planted in an image of the tests' own.
    own_api = parse_sweep(OWN_API.read_bytes(), OWN_API.name)
    assert {dict(cell.extra)["LIMIT"] for cell in own_api.cells} == {"threads", "pool", "lock", "none"}
    # The machines of the tests have one core, which one process shares with HAProxy. So it fills no core of its own.
    # All three are judged on recorded loads of real servers instead (see test_cpu_bound.py).
    unplanted = {"cpu_limit", "worker_cpu", "service"}
    # Other sweeps of the end-to-end test have cells with these three.
    elsewhere = {"cpu_throttled", "memory", "not_saturated"}
    assert planted | {"concurrency"} | unplanted | elsewhere == {word for _, word, _ in CASES}
