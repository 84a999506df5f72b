"""What to do after a simulated search that verified no rate, for each way in which it ends."""

from dataclasses import replace

import msgspec
import pytest
from queue_world import World, recorded, search_in

from swarmsweep.judge.capacity import capacity_of
from swarmsweep.judge.next_step import next_step
from swarmsweep.search import PROFILES, Search

P95, P99 = {"p95_ms": 100, "max_failure_percent": 1}, {"p99_ms": 1500}
USUAL = {"slots": 4, "service_seconds": 0.02}  # 183 requests/s with P95
SLOW = {"slots": 1, "service_seconds": 0.6, "timeout_seconds": 6.0}


def slower_after(seconds):
    """A speed that drops to a tenth after so many seconds of load."""
    return lambda load_seconds: 1.0 if load_seconds < seconds else 0.1


# The profile with its budget in seconds, the limits, the API, how the search ends, and what the step says.
ENDS = {
    "a short budget": ("smoke", 28, P95, USUAL, "budget", ["The budget ended", "load.profile: standard", "420 s"]),
    "no rate failed": ("standard", 45, P95, USUAL, "budget", ["The budget ended", "load.profile: publish", "1200 s"]),
    "the longest budget": ("publish", 150, P95, USUAL, "budget", ["The budget ended", "Measure again"]),
    "disturbed": (
        *("smoke", 60, P95, USUAL | {"speed": slower_after(11)}, "budget"),
        ["missed the SLO, but the higher rate of", "disturbed", "else runs on the hosts"],
    ),
    "late at every rate": (
        *("smoke", 60, P95, USUAL | {"generator_rps": 0}, "generator"),
        ["1 worker was late at every rate", "load.workers to 2"],
    ),
    "late above a rate": (
        *("smoke", 25, P95, USUAL | {"generator_rps": 140}, "generator"),
        ["made 120.", "but not 160.", "load.workers to 2"],
    ),
    "slow, with few requests": ("smoke", 60, P99, SLOW, "no_load_passes", ["too few requests", "profile: standard"]),
    "all requests fail": (
        *("smoke", 60, P95, USUAL | {"fails": lambda rate: 1.0}, "no_load_passes"),
        ["100.0 % of the requests failed, and 1 % may fail", "Correct the API or the scenario"],
    ),
    "slow without load": (
        *("standard", 420, {"p95_ms": 15}, USUAL, "no_load_passes"),
        ["With a single connection, 100.0 %", "15 ms, and 5 % may", "More replicas would not help"],
    ),
    "slow under little load": (
        *("standard", 420, {"p99_ms": 2.1}, {"slots": 1, "service_seconds": 0.002}, "no_load_passes"),
        ["One request at a time holds the SLO", "the lowest tested rate, does not", "bottleneck"],
    ),
    "slow at the lowest rate of the profile": (
        *("smoke", 60, {"p95_ms": 610}, SLOW, "no_load_passes"),
        ["too few requests for the percentile", "profile: standard"],
    ),
}


def ended(name, seed=1):
    """The search of a row, with its capacity."""
    profile, budget, slo, world, _, _ = ENDS[name]
    search = Search(replace(PROFILES[profile], budget_seconds=budget), slo, connections=10)
    made = search_in(World(**world, seed=seed), search)
    file, counts = recorded(search, made)
    return search, file, counts, capacity_of(file, counts, slo)


@pytest.mark.parametrize("name", ENDS)
def test_a_search_without_a_verified_rate_says_what_to_do(name):
    search, _, _, capacity = ended(name)
    assert (search.ended, capacity.verified_rps) == (ENDS[name][4], None)
    assert [words for words in ENDS[name][5] if words not in capacity.next_step] == []


def test_the_next_steps(golden):
    golden("next_steps.yml", {name: ended(name)[3].next_step for name in ENDS})


def test_a_search_that_the_think_time_of_users_ends_says_so():
    _, file, counts, _ = ended("a short budget")
    step = capacity_of(msgspec.structs.replace(file, ended="think_time"), counts, P95).next_step
    assert "think time" in step and "load.profile: standard" in step


def test_a_scenario_that_makes_its_requests_before_its_tasks_is_named():
    _, file, counts, _ = ended("slow under little load")
    none = {number: seen._replace(offered=0, within_limits={}) for number, seen in counts.items()}
    step = next_step(file, none, P99)
    assert "Requests of on_start are no load. Move the requests that you want to measure into a task" in step
    # Where tasks raise before their first request, the exceptions are the cause. Without counts, nothing is known.
    raised = [msgspec.structs.replace(entry, reason="100 % of tasks raised an exception") for entry in file.probes]
    for other in (next_step(msgspec.structs.replace(file, probes=raised), none, P99), next_step(file, {}, P99)):
        assert "on_start" not in other


def test_a_verified_rate_needs_no_next_step():
    search = Search(PROFILES["smoke"], P95, connections=10)
    file, counts = recorded(search, search_in(World(**USUAL, seed=2), search))
    capacity = capacity_of(file, counts, P95)
    assert (capacity.verified_rps is None, capacity.next_step) == (False, None)


def test_a_rate_with_too_few_requests_by_chance_is_no_fault_of_the_generator():
    _, file, counts, _ = ended("late at every rate")
    few = {number: seen._replace(offered=19, within_limits={"p95_ms": 19}) for number, seen in counts.items()}
    step = capacity_of(file, few, P95).next_step
    assert "fewer requests than the 20 that the percentile needs" in step and "profile: standard" in step


def test_a_record_of_an_earlier_version_names_no_figure_that_it_lacks():
    """It has neither the workers nor the profile of its order."""
    _, file, counts, _ = ended("late above a rate")
    order = msgspec.structs.replace(file.order, workers=None, profile=None)
    step = capacity_of(msgspec.structs.replace(file, order=order), counts, P95).next_step
    assert step == "Give the load more workers (load.workers), or add a load host, then measure again."


def test_a_generator_that_made_the_rate_once_was_disturbed():
    _, file, counts, _ = ended("late above a rate")
    late = min(entry.rate_rps for entry in file.probes if entry.verdict == "generator")
    probes = [
        msgspec.structs.replace(entry, rate_rps=late) if entry.verdict == "good" else entry for entry in file.probes
    ]
    step = capacity_of(msgspec.structs.replace(file, probes=probes), counts, P95).next_step
    assert "made 160.0 requests/s. So something else used the CPU of the load hosts" in step
    assert "load.workers" not in step


def test_workers_that_began_apart_need_a_shorter_on_start():
    _, file, counts, _ = ended("late at every rate")
    order = msgspec.structs.replace(file.order, by="arrivals")
    reason = "workers began 1.2 s apart, because on_start took long, and 1 s is allowed"
    probes = [msgspec.structs.replace(entry, reason=reason) for entry in file.probes]
    step = capacity_of(msgspec.structs.replace(file, order=order, probes=probes), counts, P95).next_step
    assert f" iterations/s, {reason}. Make on_start shorter in the scenario, or set load.workers to 1" in step


@pytest.mark.parametrize("what", ["tasks", "iterations"])
def test_exceptions_of_the_scenario_are_named(what):
    _, file, counts, _ = ended("slow under little load")
    reason = f"40 % of {what} raised, 1 % may fail"
    probes = [msgspec.structs.replace(entry, reason=reason) for entry in file.probes]
    step = capacity_of(msgspec.structs.replace(file, probes=probes), counts, P95).next_step
    assert f" requests/s, {reason}. The log (./lab logs locust) has the exceptions." in step
