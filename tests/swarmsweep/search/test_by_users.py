"""The search for a number of users, with simulated users of a queue whose true capacity is known."""

import functools
from statistics import fmean

import pytest
from queue_world import PERCENTS
from users_world import Users

from swarmsweep.search import PROFILES, UNLOADED, Step, UserSearch, judge_probe, needed_seconds

PATIENT = {"slots": 4, "service_seconds": 0.02, "think": (1, 1)}
EAGER = {"slots": 4, "service_seconds": 0.02, "think": (0, 0)}
SLOW = {"slots": 1, "service_seconds": 0.3, "think": (1, 2)}
# Its latency is no work: the first guess of the search is far too low.
PARALLEL = {"slots": 20, "service_seconds": 0.1, "think": (1, 2)}


@functools.cache
def truth(name: str) -> int:
    """The highest number of users that holds the SLO in the long run."""
    world = Users(**WORLDS[name], seed=99)
    low, high = 1, 2

    def holds(users: int) -> bool:
        summary = world.run(Step("verify", "users", None, None, 20, 300, users=users))
        return 100 * summary["within_limits"]["p95_ms"] >= PERCENTS["p95_ms"] * summary["measured"]["offered"]

    while holds(high):
        low, high = high, 2 * high
    while high - low > max(1, 0.01 * high):
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


WORLDS = {"patient": PATIENT, "eager": EAGER, "slow": SLOW, "parallel": PARALLEL}


def searched(profile: str, name: str, seed: int, **settings):
    world = Users(**WORLDS[name], seed=seed)
    processes = world.slots if name != "parallel" else 1
    search = UserSearch(PROFILES[profile], world.slo, processes=processes, **settings)
    made = []
    while step := search.next():
        summary = world.run(step)
        made.append((step, search.add(step, summary)))
        assert len(made) < 60, "the search does not end"
    return search, made


@pytest.mark.parametrize("name", WORLDS)
def test_the_verified_number_is_near_the_truth(name):
    true = truth(name)
    found = [searched("standard", name, seed) for seed in range(5)]
    verified = [search._verified_rps for search, _ in found if search._verified_rps]
    assert len(verified) >= 4
    # By a single user more, where there are few.
    assert max(verified) <= max(1.06 * true, true + 1)
    assert fmean(verified) >= min(0.9 * true, true - 2)
    assert {search.ended for search, _ in found} <= {"done", "budget"}
    assert max(search.spent_seconds for search, _ in found) <= PROFILES["standard"].budget_seconds


@pytest.mark.parametrize("name", ["patient", "eager", "slow"])
def test_a_smoke_search_keeps_its_budget_and_verifies(name):
    found = [searched("smoke", name, seed) for seed in range(10)]
    assert sum(search._verified_rps is not None for search, _ in found) >= 9
    assert max(search.spent_seconds for search, _ in found) <= PROFILES["smoke"].budget_seconds


def test_a_smoke_search_begins_with_enough_users_for_its_percentile():
    """A slow API by a single process: the first guess would have too few requests for the 99th percentile."""
    verified = []
    for seed in range(10):
        world = Users(slots=10, service_seconds=0.3, think=(2.5, 3.3), seed=seed)
        world.slo = {"p99_ms": 2400, "max_failure_percent": 1}
        search = UserSearch(PROFILES["smoke"], world.slo)
        while step := search.next():
            judgement = search.add(step, world.run(step))
            assert judgement.verdict != "generator", judgement.reason
        verified.append(search._verified_rps)
    assert sum(users is not None for users in verified) >= 9


def test_each_step_settles_for_a_think_time_and_measures_two():
    search, made = searched("standard", "parallel", 3, spawn_rate=50)
    assert search.think_seconds == pytest.approx(1.5, abs=0.3)
    (first, _), *others = made
    assert (first.purpose, first.users, first.seconds_ramp) == (UNLOADED, 1, 0)
    users = 1
    for step, _ in others:
        assert step.seconds_settle >= max(PROFILES["standard"].settle_seconds, search.think_seconds)
        assert step.seconds_measure >= 2 * search.think_seconds
        assert step.seconds_ramp == max(0, step.users - users) / 50
        users = step.users
    assert all(isinstance(step.users, int) for step, _ in made)


@pytest.mark.parametrize(("think", "ended"), [(3.3, None), (3.4, "think_time")])
def test_a_budget_of_too_few_think_times_ends_at_once(think, ended):
    search = UserSearch(PROFILES["smoke"], {"p95_ms": 100}, think_seconds=think)
    assert (needed_seconds(think) > PROFILES["smoke"].budget_seconds) is (ended is not None)
    search.add(search.next(), Users(1, 0.01, (think, think)).run(search.next()))
    assert (search.next() is None, search.ended) == (ended is not None, ended)


def test_the_highest_number_that_may_be_tried_ends_the_search():
    search, made = searched("standard", "patient", 1, max_users=40)
    assert (search.ended, max(step.users for step, _ in made)) == ("max_users", 40)


STEP = Step("bisect", "users", None, None, 2, 20, users=10)
LATE = {"least": 6, "most": 10, "waits": 1, "asked_seconds": 1}
# What differs from a good summary, the verdict, and a part of the reason.
JUDGED = [
    ({}, "good", "all limits held"),
    ({"users": {"least": 9, "most": 10, "waits": 1, "asked_seconds": 1}}, "generator", "9 to 10 of 10 users ran"),
    ({"users": {"least": 11, "most": 11, "waits": 1, "asked_seconds": 1}}, "generator", "11 of 10 users ran"),
    ({"users": None}, "generator", "was not recorded"),
    ({"workers_reported": 0}, "generator", "0 of 1 workers"),
    ({"stopped": "Locust quits"}, "generator", "was stopped: Locust quits"),
    (
        {"users": LATE | {"starting": 4, "logging_in": 2}},
        "bad",
        "4 of 10 users had not begun a task, because the API did not respond to their on_start",
    ),
    # Most of them do something else.
    ({"users": LATE | {"starting": 4, "logging_in": 1}}, "generator", "6 to 10 of 10 users ran"),
    (
        {"users": LATE | {"starting": 4, "logging_in": 4}, "measured": {"cpu_percent_max": 95.0}},
        "generator",
        "6 to 10 of 10 users ran",
    ),
    ({"measured": {"cpu_percent_max": 90.0}}, "generator", "used 90 % of a core"),
    ({"measured": {"cpu_percent_max": 89.0}}, "good", ""),
    ({"within_limits": {"p95_ms": 150}}, "bad", "% of requests were over 120 ms (limit 5 %)"),
    ({"users": {"least": 10, "most": 10, "waits": 1, "asked_seconds": 1, "tasks": 200, "raised": 2}}, "good", ""),
    (
        {"users": {"least": 10, "most": 10, "waits": 1, "asked_seconds": 1, "tasks": 200, "raised": 3}},
        "bad",
        "1.5 % of tasks raised an exception (limit 1 %)",
    ),
    ({"measured": {"ok": 150, "failed": 50}}, "bad", "% of requests failed (limit 1 %)"),
    (
        {"measured": {"offered": 5, "ok": 5}, "within_limits": {"p95_ms": 5}},
        "generator",
        "only 5 requests began, but 20",
    ),
    (
        {"measured": {"offered": 5, "ok": 5}, "bins": [{"second": 0, "latency_ms_sum": 1.0, "in_flight_mean": 8.0}]},
        "bad",
        "most of 10 users waited for a response",
    ),
]


@pytest.mark.parametrize(("change", "verdict", "reason"), JUDGED)
def test_a_probe_of_users_is_judged_by_its_users_and_its_limits(change, verdict, reason):
    world = Users(4, 0.02, (0.5, 0.5))
    summary = world.run(STEP)
    for key, value in change.items():
        summary[key] = {**summary[key], **value} if key in ("measured", "within_limits") else value
    found = judge_probe(STEP, summary, world.slo)
    assert found.verdict == verdict
    assert reason in found.reason


@pytest.mark.parametrize(("setting", "value"), [("spawn_rate", 0), ("processes", 0)])
def test_settings_that_make_no_sense_are_refused(setting, value):
    with pytest.raises(ValueError, match=f"{setting} is {value}"):
        UserSearch(PROFILES["smoke"], {"p95_ms": 100}, **{setting: value})


# Users, waits, and the seconds that were asked for, of classes that have asked so far in the probe of one user and in
# the next one. Then how the search ends after each, and the mean think time.
CLASSES = {
    "of one class": ([{"Slow": (1, 2, 20)}], ["think_time"], 10),
    # The first one alone would be too slow.
    "of which one is slow": (
        [{"Slow": (1, 2, 20), "Quick": (0, 0, 0)}, {"Slow": (1, 3, 30), "Quick": (99, 990, 99)}],
        [None, None],
        (10 + 99 * 0.1) / 100,
    ),
    # The first one alone would be quick enough.
    "of which most are slow": (
        [{"Slow": (0, 0, 0), "Quick": (1, 20, 2)}, {"Slow": (90, 90, 900), "Quick": (10, 900, 90)}],
        [None, "think_time"],
        9.01,
    ),
}


@pytest.mark.parametrize("name", CLASSES)
def test_the_think_time_is_the_mean_of_all_users(name):
    probes, ends, mean = CLASSES[name]
    world, search = Users(4, 0.02, (1, 1)), UserSearch(PROFILES["smoke"], {"p95_ms": 120})
    for classes, ended in zip(probes, ends, strict=True):
        summary = world.run(step := search.next())
        figures = ("users", "waits", "asked_seconds")
        seen = {one: dict(zip(figures, values, strict=True)) for one, values in classes.items()}
        summary["users"] |= {"classes": seen} | {
            key: sum(one[key] for one in seen.values()) for key in ("waits", "asked_seconds")
        }
        search.add(step, summary)
        following = search.next()
        assert search.ended == ended
        # No step is longer than the budget allows, whatever the first class asks for.
        assert following is None or following.seconds <= 3 * 60 / 18 + 3
    assert search.think_seconds == pytest.approx(mean)
