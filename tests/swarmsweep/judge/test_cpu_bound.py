"""The bottleneck of a server whose one thread is the limit: recorded loads of a real uvicorn (tests/data/cpu-bound).

The kernel throttled it in no period, so throttling does not show the limit. In two loads, the limit is that of a
service beside the API.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from evidence_json import from_json

from swarmsweep.judge.bottleneck import find_bottleneck
from swarmsweep.judge.evidence import Evidence

LOADS = Path(__file__).parents[2] / "data" / "cpu-bound"


def load(name: str) -> Evidence:
    return from_json(json.loads((LOADS / f"{name}.json").read_text()))


@pytest.mark.parametrize(
    ("name", "kind", "percent", "words"),
    [
        ("busy", "cpu_limit", (90, 101), ["99.0 % of their CPU limit", "0.99 cores, about as much as one thread"]),
        # It waits for something else at times. Latency shows that requests wait.
        ("blocking", "cpu_limit", (80, 90), ["82.7 % of their CPU limit", "0.83 cores, and one thread can use one"]),
        # Half of the limit is free, and one thread cannot use it.
        ("two_cpus", "worker_cpu", (40, 60), ["49.4 % of their CPU limit", "more workers or replicas"]),
    ],
)
def test_a_thread_that_uses_all_it_can_is_named_without_throttling(name, kind, percent, words):
    evidence = load(name)
    assert evidence.peak_usage.throttled_periods == 0
    least, most = percent
    assert least <= 100 * evidence.peak_usage.cpu_cores / evidence.config["cpus"] < most
    found = find_bottleneck(evidence)
    assert found.kind == kind
    assert all(word in found.evidence for word in words), found.evidence
    # More CPUs alone would change nothing.
    assert "Try more replicas or CPUs" not in found.evidence


def test_two_processes_that_share_a_limit_of_one_core_can_use_more_cpus():
    evidence = load("blocking")
    usage = replace(evidence.peak_usage, server_processes=(2,))
    found = find_bottleneck(replace(evidence, usage=usage, peak_usage=usage))
    assert found.kind == "cpu_limit"
    assert "Try more replicas or CPUs" in found.evidence


@pytest.mark.parametrize("name", ["busy", "blocking", "two_cpus"])
def test_without_the_count_of_its_processes_the_limit_is_still_named(name):
    evidence = load(name)
    usage = replace(evidence.peak_usage, server_processes=None)
    found = find_bottleneck(replace(evidence, usage=usage, peak_usage=usage))
    # Nothing then shows that the process is one thread, which serves one request at once.
    assert found.kind == ("concurrency" if name == "two_cpus" else "cpu_limit")


@pytest.mark.parametrize(
    ("name", "throttled", "words"),
    [
        # One thread fills a core, and requests wait for it.
        ("service_busy", False, ["the service cache used 0.9", "cores while requests waited"]),
        ("service_throttled", True, ["the service cache was throttled by its CPU limit in ", "and used 0.3"]),
    ],
)
def test_a_service_beside_the_api_at_its_limit_is_named(name, throttled, words):
    evidence = load(name)
    (service,) = [one for one in evidence.machines["api"].containers.values() if one.service != "api"]
    assert (service.throttled_percent > 20) is throttled
    # The API itself is idle.
    assert evidence.peak_usage.cpu_cores < 0.5 * evidence.config["cpus"]
    found = find_bottleneck(evidence)
    assert found.kind == "service"
    assert all(word in found.evidence for word in words), found.evidence
