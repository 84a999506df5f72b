"""Searches of the smallest budget whose first guess is ten times too low or too high: they still verify a rate."""

import pytest
from queue_world import World, search_in
from users_world import Users

from swarmsweep.search import PROFILES, Search, UserSearch

SMOKE = PROFILES["smoke"]
SEEDS = range(10)
# Of 20 searches over all APIs of a table, and of ten of one API.
MIN_SHARE, MIN_OF_EACH = 0.95, 8

# Server processes that the search takes for serving one request after the other, and users that start per second. The
# first number of users is proportional to the processes. The APIs hold the SLO with 9 to 330 users.
FEW = {
    "think for 1 s": ({"slots": 6, "service_seconds": 0.02, "think": (1, 1)}, 1, 100),
    "no think time": ({"slots": 6, "service_seconds": 0.02, "think": (0, 0)}, 1, 100),
    "waits for others": ({"slots": 20, "service_seconds": 0.1, "think": (1, 2)}, 1, 100),
    "slow": ({"slots": 6, "service_seconds": 0.3, "think": (1, 2)}, 1, 100),
    "think for 3 s": ({"slots": 8, "service_seconds": 0.08, "think": (2.5, 3.3)}, 1, 100),
}
MANY = {
    "think for 1 s": ({"slots": 6, "service_seconds": 0.02, "think": (1, 1)}, 100, 1000),
    "no think time": ({"slots": 6, "service_seconds": 0.02, "think": (0, 0)}, 100, 1000),
    "late responses": ({"slots": 4, "service_seconds": 0.1, "think": (1, 2), "timeout_seconds": 2.4}, 70, 1000),
    "slow": ({"slots": 6, "service_seconds": 0.3, "think": (1, 2), "timeout_seconds": 7.2}, 100, 1000),
    "think for 3 s": ({"slots": 2, "service_seconds": 0.08, "think": (2.5, 3.3)}, 33, 1000),
}
# Seconds that a probe takes beyond its load: for messages.
PAUSE_SECONDS = 0.15


def search_of_users(world: Users, processes: int, spawn_rate: float) -> UserSearch:
    """A whole search."""
    search = UserSearch(SMOKE, world.slo, spawn_rate=spawn_rate, processes=processes)
    probes = 0
    while step := search.next():
        search.add(step, world.run(step), step.seconds + PAUSE_SECONDS)
        probes += 1
        assert probes < 60, "the search does not end"
    return search


def first_guess(world: Users, processes: int, spawn_rate: float) -> int:
    """The number of users of the second probe."""
    search = UserSearch(SMOKE, world.slo, spawn_rate=spawn_rate, processes=processes)
    search.add(step := search.next(), world.run(step))
    return search.next().users


@pytest.mark.parametrize(("worlds", "is_low"), [(FEW, True), (MANY, False)])
def test_a_search_with_users_verifies_a_number(worlds, is_low):
    counts, verified = {}, {}
    for name, (world, processes, spawn_rate) in worlds.items():
        found = [search_of_users(Users(**world, seed=seed), processes, spawn_rate) for seed in SEEDS]
        verified[name] = [search._verified_rps for search in found if search._verified_rps]
        counts[name] = len(verified[name])
        assert max(search.spent_seconds for search in found) <= SMOKE.budget_seconds + 1
    assert sum(counts.values()) >= MIN_SHARE * len(SEEDS) * len(worlds), counts
    assert min(counts.values()) >= MIN_OF_EACH, counts
    for name, (world, processes, spawn_rate) in worlds.items():
        guess, found = first_guess(Users(**world), processes, spawn_rate), max(verified[name])
        assert (5 * guess < found) if is_low else (guess > 5 * found), (name, guess, found)


# The API is that many times faster in the saturation probe than after it: as one that still warms up, or one whose
# first responses come from a cache.
FIRST_SPEEDS = {"too low": 0.1, "too high": 10.0}
RATE_WORLDS = [
    ({"slots": 4, "service_seconds": 0.02}, {"p95_ms": 100, "max_failure_percent": 1}),
    ({"slots": 1, "service_seconds": 0.005}, {"p95_ms": 100, "max_failure_percent": 1}),
    ({"slots": 2, "service_seconds": 0.01}, {"p99_ms": 60, "max_failure_percent": 1}),
    ({"slots": 4, "service_seconds": 0.02, "variation": 0.5, "wobble": 0.02}, {"p95_ms": 100}),
    ({"slots": 8, "service_seconds": 0.008, "extra_seconds": 0.005, "wobble": 0.05}, {"p95_ms": 40}),
]


@pytest.mark.parametrize("guess", FIRST_SPEEDS)
def test_a_search_for_a_rate_verifies_one(guess):
    before_seconds = SMOKE.unloaded_settle_seconds + SMOKE.unloaded_seconds + SMOKE.probe_seconds
    first_speed, counts = FIRST_SPEEDS[guess], []
    for settings, slo in RATE_WORLDS:
        found = []
        for seed in SEEDS:
            world = World(**settings, seed=seed)
            world.speed = lambda load_seconds: first_speed if load_seconds < before_seconds else 1.0
            # A fast API needs more connections to be kept busy.
            connections = round((2 * world.slots + 2) * max(1.0, first_speed))
            found.append(Search(SMOKE, slo, connections))
            first_rps = search_in(world, found[-1])[2][0].rate_rps
            assert first_rps < 0.2 * world.most_rps if guess == "too low" else first_rps > 5 * world.most_rps
        counts.append(sum(search._verified_rps is not None for search in found))
        assert max(search.spent_seconds for search in found) <= SMOKE.budget_seconds
    assert sum(counts) >= MIN_SHARE * len(SEEDS) * len(RATE_WORLDS), counts
    assert min(counts) >= MIN_OF_EACH, counts
