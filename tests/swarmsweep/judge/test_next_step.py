"""What to do after a simulated search that verified no rate, for each way in which it ends."""

from dataclasses import replace

import msgspec
import pytest
from queue_world import World, recorded, search_in
from users_world import Users

from swarmsweep.judge.capacity import capacity_of
from swarmsweep.judge.next_step import next_step
from swarmsweep.search import ENDS, PROFILES, UNLOADED, USER_ENDS, WITH_RATE, Search, UserSearch

P95, P99 = {"p95_ms": 100, "max_failure_percent": 1}, {"p99_ms": 1500}
USUAL = {"slots": 4, "service_seconds": 0.02}  # 183 requests/s with P95
SLOW = {"slots": 1, "service_seconds": 0.6, "timeout_seconds": 6.0}


def slower_after(seconds):
    """A speed that drops to a tenth after so many seconds of load."""
    return lambda load_seconds: 1.0 if load_seconds < seconds else 0.1


# The profile with its budget in seconds, the limits, the API, how the search ends, and what the step says.
STEPS = {
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
    profile, budget, slo, world, _, _ = STEPS[name]
    search = Search(replace(PROFILES[profile], budget_seconds=budget), slo, connections=10)
    made = search_in(World(**world, seed=seed), search)
    file, counts = recorded(search, made)
    return search, file, counts, capacity_of(file, counts, slo)


@pytest.mark.parametrize("name", STEPS)
def test_a_search_without_a_verified_rate_says_what_to_do(name):
    search, _, _, capacity = ended(name)
    assert (search.ended, capacity.verified_rps) == (STEPS[name][4], None)
    assert [words for words in STEPS[name][5] if words not in capacity.next_step] == []


VISITORS = {"slots": 4, "service_seconds": 0.02, "think": (1, 1)}


def failing(summary):
    """No request has a good response."""
    measured = summary["measured"]
    measured |= {"ok": 0, "failed": measured["offered"]}
    summary["within_limits"] = dict.fromkeys(summary["within_limits"], 0)


def of_users(**seen):
    """Other counts of users. A callable gets their number."""

    def change(summary):
        users = summary["users"]
        users |= {name: value(users["most"]) if callable(value) else value for name, value in seen.items()}

    return change


def busy(summary):
    """The Locust worker needs a whole core."""
    summary["measured"]["cpu_percent_max"] = 97.0


# The profile with its budget in seconds, the limits, the users, what differs in probes of several users, how the search
# ends, and what the step says.
USER_STEPS = {
    "a short budget": (
        *("smoke", 14, P95, VISITORS | {"think": (0.3, 0.3)}, None, "budget"),
        ["The budget ended after up to", "users had held the SLO", "load.profile: standard"],
    ),
    "long think time": (
        *("smoke", 60, P95, VISITORS | {"think": (4, 4)}, None, "think_time"),
        ["They think for 4", "needs 72 s", "load.profile: standard", "wait_seconds"],
    ),
    "slow without load": (
        *("smoke", 60, {"p95_ms": 15}, VISITORS, None, "no_load_passes"),
        ["With a single user", "15 ms, and 5 % may", "More replicas would not help"],
    ),
    "all requests fail": (
        *("smoke", 60, P95, VISITORS, failing, "no_load_passes"),
        ["100.0 % of the requests failed", "Correct the API or the scenario"],
    ),
    "tasks raise": (
        *("smoke", 60, P95, VISITORS, of_users(tasks=100, raised=50), "no_load_passes"),
        ["50 % of tasks raised", "./lab logs locust"],
    ),
    "logins without a response": (
        *("smoke", 60, P95, VISITORS),
        of_users(least=0, starting=lambda users: users, logging_in=lambda users: users),
        "no_load_passes",
        ["did not respond to their on_start", "load.spawn_rate"],
    ),
    "a busy worker": (
        *("smoke", 60, P95, VISITORS, busy, "generator"),
        ["1 worker was late at every rate", "set load.workers to 2"],
    ),
    "users end": (
        *("smoke", 60, P95, VISITORS, of_users(least=0), "generator"),
        ["Users were missing: 0 to", "Correct what ends or delays them in the scenario (on_start)"],
    ),
}


def ended_users(name, **settings):
    """The search of a row, with its capacity."""
    profile, budget, slo, world, change, *_ = USER_STEPS[name]
    users = Users(**world)
    users.slo = slo
    search, made = UserSearch(replace(PROFILES[profile], budget_seconds=budget), slo, processes=4, **settings), []
    while step := search.next():
        summary = users.run(step)
        if change is not None and step.purpose != UNLOADED:
            change(summary)
        made.append((step, summary, search.add(step, summary)))
        assert len(made) < 60, "the search does not end"
    file, counts = recorded(search, made)
    return search, capacity_of(msgspec.structs.replace(file, think_seconds=search.think_seconds), counts, slo)


@pytest.mark.parametrize("name", USER_STEPS)
def test_a_search_without_a_verified_number_of_users_says_what_to_do(name):
    search, capacity = ended_users(name)
    assert (search.ended, capacity.verified_rps) == (USER_STEPS[name][5], None)
    assert [words for words in USER_STEPS[name][6] if words not in capacity.next_step] == []


def test_every_end_without_a_verified_rate_has_its_step():
    assert {row[4] for row in STEPS.values()} == set(ENDS) - set(WITH_RATE)
    assert {row[5] for row in USER_STEPS.values()} == set(USER_ENDS) - set(WITH_RATE)


@pytest.mark.parametrize(
    ("search", "world", "end"),
    [
        (Search(PROFILES["standard"], P95, connections=10), World(**USUAL, seed=2), "done"),
        (Search(PROFILES["smoke"], P95, connections=10, max_rps=50), World(**USUAL, seed=2), "max_rps"),
        (UserSearch(PROFILES["smoke"], {"p95_ms": 120}, processes=4, max_users=40), Users(**VISITORS), "max_users"),
    ],
)
def test_the_other_ends_have_a_verified_rate(search, world, end):
    while step := search.next():
        search.add(step, world.run(step) if isinstance(world, Users) else world.run(step, search.slo))
    assert end in WITH_RATE
    assert search.ended == end
    assert search._verified_rps


@pytest.mark.parametrize("name", ["a short budget", "no rate failed"])
def test_a_search_that_was_interrupted_says_so(name):
    """Its budget is not the reason."""
    _, file, counts, _ = ended(name)
    step = capacity_of(msgspec.structs.replace(file, ended=None), counts, P95).next_step
    assert step == "The search was interrupted before it verified a rate. Measure again."


def test_the_next_steps(golden):
    steps = {name: ended(name)[3].next_step for name in STEPS}
    golden("next_steps.yml", steps | {f"users, {name}": ended_users(name)[1].next_step for name in USER_STEPS})


def test_a_search_that_the_think_time_of_users_ends_says_so():
    _, file, counts, _ = ended("a short budget")
    step = capacity_of(msgspec.structs.replace(file, ended="think_time"), counts, P95).next_step
    assert "think time" in step and "load.profile: standard" in step


def test_a_scenario_that_makes_its_requests_before_its_tasks_is_named():
    _, file, counts, _ = ended("slow under little load")
    none = {number: seen._replace(offered=0, within_limits={}) for number, seen in counts.items()}
    step = next_step(file, none, P99)
    assert "Requests of on_start are no load. Move the requests that you want to measure into a task" in step
    # Without counts, nothing is known.
    assert "on_start" not in next_step(file, {}, P99)
    # Exceptions before the first request, or logins without a response, are the cause.
    for reason in (
        "100 % of tasks raised an exception (limit 1 %)",
        "because the API did not respond to their on_start",
    ):
        probes = [msgspec.structs.replace(entry, reason=reason) for entry in file.probes]
        assert reason in next_step(msgspec.structs.replace(file, probes=probes), none, P99)


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


def test_users_that_log_in_too_late_for_their_iterations_need_a_shorter_on_start():
    _, file, counts, _ = ended("late at every rate")
    order = msgspec.structs.replace(file.order, by="arrivals")
    reason = "7 % of requests were late alone because new users were still in on_start"
    probes = [msgspec.structs.replace(entry, reason=reason) for entry in file.probes]
    step = capacity_of(msgspec.structs.replace(file, order=order, probes=probes), counts, P95).next_step
    assert f" iterations/s, {reason}. Make on_start shorter in the scenario, or use load.by: users" in step


def test_an_on_start_that_takes_the_whole_budget_is_named():
    """A search by arrivals waits for it before each probe, for up to 30 s."""
    search, world, made = Search(PROFILES["smoke"], P95, connections=10), World(**USUAL), []
    while step := search.next():
        summary = world.run(step, search.slo)
        made.append((step, summary, search.add(step, summary, step.seconds + 30)))
    file, counts = recorded(search, made)
    capacity = capacity_of(file, counts, P95)
    assert ([step.purpose for step, _, _ in made], search.ended) == (["unloaded", "probe"], "no_load_passes")
    assert "No rate was probed, because on_start of the users used up the budget" in capacity.next_step
    assert "load.profile: standard" in capacity.next_step and "make on_start shorter" in capacity.next_step
    assert (capacity.verified_rps, capacity.estimate_rps, capacity.is_lower_bound) == (None, None, False)


@pytest.mark.parametrize("what", ["tasks", "iterations"])
def test_exceptions_of_the_scenario_are_named(what):
    _, file, counts, _ = ended("slow under little load")
    reason = f"40 % of {what} raised an exception (limit 1 %)"
    probes = [msgspec.structs.replace(entry, reason=reason) for entry in file.probes]
    step = capacity_of(msgspec.structs.replace(file, probes=probes), counts, P95).next_step
    assert f" requests/s, {reason}. The log (./lab logs locust) has the exceptions." in step
