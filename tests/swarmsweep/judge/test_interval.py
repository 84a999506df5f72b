"""The estimate of a capacity lies in its interval, in each unit: over simulated and recorded searches."""

from dataclasses import fields
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queue_world import World, recorded, search_in
from users_world import Users

from swarmsweep.judge.capacity import Capacity, Combined, _interpolated, _rates_within, across, capacity_of
from swarmsweep.search import PROFILES, Search, UserSearch

LIMIT = {"p95_ms": 100, "max_failure_percent": 1}
# With the last one, the rate falls again when there are too many users.
USERS = [
    {"slots": 4, "service_seconds": 0.02, "think": (0.1, 0.3)},
    {"slots": 1, "service_seconds": 0.05, "think": (1, 2)},
    {"slots": 2, "service_seconds": 0.01, "think": (0, 0), "slowdown": 0.02},
    {"slots": 4, "service_seconds": 0.02, "think": (0.1, 0.3), "slowdown": 0.01},
]
RATES = [
    {"slots": 4, "service_seconds": 0.02},
    {"slots": 1, "service_seconds": 0.01, "variation": 1.0, "wobble": 0.1},
    {"slots": 2, "service_seconds": 0.05, "wobble": 0.05},
]
PROFILE_NAMES = ("smoke", "standard")
SEEDS = range(4)


def outside(found: Capacity | Combined) -> list[str]:
    """Where the estimate is not in the interval of its unit."""
    names = {field.name for field in fields(found)}
    units = [unit for unit in ("rps", "users") if {f"estimate_{unit}", f"interval_{unit}"} <= names]
    wrong = []
    for unit in units:
        estimate, interval = getattr(found, f"estimate_{unit}"), getattr(found, f"interval_{unit}")
        if interval is not None and not interval[0] <= estimate <= interval[1]:
            wrong.append(f"{estimate} {unit} for {interval}")
    return wrong


def searched_users(world, profile, seed):
    here = Users(**world, seed=seed)
    search, made = UserSearch(PROFILES[profile], here.slo, processes=here.slots), []
    while step := search.next():
        summary = here.run(step)
        made.append((step, summary, search.add(step, summary)))
    return capacity_of(*recorded(search, made), here.slo)


def searched_rate(world, profile, seed):
    search = Search(PROFILES[profile], LIMIT, connections=10)
    return capacity_of(*recorded(search, search_in(World(**world, seed=seed), search)), LIMIT)


@pytest.mark.parametrize(("worlds", "searched"), [(USERS, searched_users), (RATES, searched_rate)])
def test_the_estimate_of_a_simulated_search_lies_in_its_interval(worlds, searched):
    shown = 0
    for world, profile in product(worlds, PROFILE_NAMES):
        found = [searched(world, profile, seed) for seed in SEEDS]
        shown += sum(one.interval_rps is not None for one in found)
        whole = [across(found[:count]) for count in (1, 2, 4)]
        assert [text for one in (*found, *whole) for text in outside(one)] == [], (world, profile)
    assert shown >= len(worlds) * len(SEEDS)


@settings(max_examples=300, deadline=None)
@given(
    rates=st.dictionaries(st.integers(1, 5000), st.floats(0.5, 5000), min_size=1, max_size=8),
    levels=st.tuples(*[st.floats(0.5, 6000)] * 3).map(sorted),
)
def test_the_interval_of_rates_has_the_rate_of_the_estimate(rates, levels):
    """Whatever rates were measured at these numbers of users."""
    low, estimate, high = levels
    known = sorted(rates.items())
    lowest, highest = _rates_within(known, (low, high), estimate)
    assert lowest <= _interpolated(known, estimate) <= highest
