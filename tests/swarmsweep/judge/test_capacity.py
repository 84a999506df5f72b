"""The capacity that probes show, and its interval, against simulated queues."""

import math
from statistics import fmean

import msgspec
import numpy as np
import pytest
from queue_world import World, recorded, search_in

from swarmsweep.judge.capacity import Capacity, across, capacity_of
from swarmsweep.judge.next_step import Counts
from swarmsweep.raw.search_files import SearchFile
from swarmsweep.search import BAD, GENERATOR, GOOD, PROFILES, Search

SLO = {"p95_ms": 100, "max_failure_percent": 1}


def entries(*trials, max_rps=None, verify_seconds=60):
    """A search of (rate, seconds, verdict)."""
    rows = [
        {
            "trial": number,
            "purpose": "confirm" if kind == "poisson" else "probe",
            "kind": kind,
            "rate_rps": rate,
            "connections": 6 if kind == "closed" else None,
            "seconds_settle": 5,
            "seconds_measure": seconds,
            "verdict": verdict,
        }
        for number, (rate, seconds, verdict, kind) in enumerate(
            [(None, 10, "probe", "closed"), *((*trial, "poisson") for trial in trials)], 1
        )
    ]
    search = {"trials": rows, "order": {"max_rps": max_rps}, "profile": {"verify_seconds": verify_seconds}}
    return msgspec.convert(search, SearchFile)


def by_arrivals(*trials):
    """The same, whose rates are in iterations per second."""
    search = entries(*trials)
    return msgspec.structs.replace(search, order=msgspec.structs.replace(search.order, by="arrivals"))


def counts(rate, seconds, over):
    """A probe with this share of requests over the limit."""
    offered = round(rate * seconds)
    return Counts(offered, {"p95_ms": round(offered * (1 - over))})


SEARCHES = [
    ((), None, None, None, False, None, []),
    (((80, 60, BAD),), None, None, None, False, None, ["80.0"]),
    (((80, 60, GOOD),), None, 80, 2, True, None, ["80.0", "60 s"]),
    (((80, 60, GOOD),), 80, 80, 2, True, "max_rps", []),
    (((80, 60, GOOD),), 90, 80, 2, True, None, []),
    (((80, 60, GOOD), (90, 60, GENERATOR)), None, 80, 2, True, "generator", []),
    (((80, 60, GOOD), (90, 60, BAD)), None, 80, 2, False, None, ["60 s", "90.0"]),
    (((80, 59, GOOD), (90, 60, BAD)), None, None, None, False, None, ["80.0"]),
    # The longest probe at the verified rate, and the last one of equal length.
    (((80, 60, GOOD), (90, 60, BAD), (80, 20, GOOD)), None, 80, 2, False, None, ["80 s", "90.0"]),
    (((80, 60, GOOD), (90, 60, BAD), (80, 60, GOOD)), None, 80, 4, False, None, ["120 s"]),
    # On inversion the smaller failing rate wins.
    (((70, 60, GOOD), (90, 60, GOOD), (80, 60, BAD)), None, 70, 2, False, None, ["70.0"]),
    (((90, 60, GOOD), (90, 60, BAD)), None, None, None, False, None, ["90.0"]),
]


@pytest.mark.parametrize(
    ("trials", "max_rps", "verified", "trial", "is_lower_bound", "limited_by", "figures"), SEARCHES
)
def test_what_the_verdicts_show(trials, max_rps, verified, trial, is_lower_bound, limited_by, figures):
    found = capacity_of(entries(*trials, max_rps=max_rps), {}, SLO)
    assert (found.verified_rps, found.verified_probe) == (verified, trial)
    assert (found.is_lower_bound, found.limited_by) == (is_lower_bound, limited_by)
    assert [figure for figure in figures if figure not in found.sentence] == []


def test_the_sentences(golden):
    rows = [capacity_of(entries(*trials, max_rps=max_rps), {}, SLO).sentence for trials, max_rps, *_ in SEARCHES]
    golden("capacity.yml", rows)


def test_the_estimate_is_where_the_fit_meets_the_slo():
    """Shares over the limit that lie on a line of slope 20 through 5 % at 100 requests/s."""
    shares = {
        rate: 1 / (1 + math.exp(-(math.log(0.05 / 0.95) + 20 * math.log(rate / 100)))) for rate in (94, 97, 102, 106)
    }
    search = entries(*((rate, 600, GOOD if rate < 100 else BAD) for rate in shares))
    summaries = {number: counts(rate, 600, share) for number, (rate, share) in enumerate(shares.items(), 2)}
    found = capacity_of(search, summaries, SLO)
    assert found.estimate_rps == pytest.approx(100, rel=0.002)
    assert found.interval_rps[0] < 100 < found.interval_rps[1]
    # A line that goes through all points is no surer than independent requests would be.
    assert found.interval_rps[1] / found.interval_rps[0] > 1.01


# Probes of 60 s as (rate, verdict, share over the limit), and the estimate. It stays within 10 % below the highest rate
# that held below every rate that failed.
@pytest.mark.parametrize(
    ("trials", "estimate"),
    [
        # A rate that held and failed is not below the failure: 0.9 x 90 would be 81.
        ([(80, GOOD, 0.049), (90, GOOD, 0.05), (90, BAD, 0.9)], 80.07),
        # 0.9 x 80, the highest of three.
        ([(70, GOOD, 0.25), (75, GOOD, 0.29), (80, GOOD, 0.34), (90, BAD, 0.5)], 72.0),
        # No rate held below the failure, so its own rate counts: 0.9 x 80.
        ([(90, GOOD, 0.04), (80, BAD, 0.9)], 72.0),
        # The interval of the fit is 199 to 4089, so the bracket from 794 to 806 knows more: not 1.1 x 806.
        ([(640, GOOD, 0.03), (760, GOOD, 0.01), (794, GOOD, 0.004), (806, BAD, 0.06)], 806.0),
        # The same below the bracket, where it is 55 to 108: not 76.7.
        ([(70, GOOD, 0.05), (75, GOOD, 0.05), (80, GOOD, 0.0), (90, BAD, 0.06), (95, BAD, 1.0)], 80.0),
        # The interval would reach ten times the rate, so there is none: not 74.
        ([(60, GOOD, 0.02), (78, GOOD, 0.01), (80, BAD, 0.3)], 78.0),
    ],
)
def test_the_estimate_stays_near_the_rates_that_held_below_the_failure(trials, estimate):
    search = entries(*((rate, 60, verdict) for rate, verdict, _ in trials))
    summaries = {number: counts(rate, 60, over) for number, (rate, _, over) in enumerate(trials, 2)}
    assert capacity_of(search, summaries, SLO).estimate_rps == pytest.approx(estimate, abs=0.01)


def test_without_summaries_there_is_no_estimate():
    found = capacity_of(entries((80, 60, GOOD), (90, 60, BAD)), {}, SLO)
    assert (found.verified_rps, found.estimate_rps, found.interval_rps) == (80, None, None)


def test_a_mean_alone_gives_no_estimate():
    search = entries((80, 60, GOOD), (90, 60, BAD))
    summaries = {2: counts(80, 60, 0), 3: counts(90, 60, 0)}
    assert capacity_of(search, summaries, {"mean_ms": 50, "p95_ms": None}).estimate_rps is None


def test_two_trials_give_an_estimate_without_an_interval():
    search, summaries = entries((80, 60, GOOD), (90, 60, BAD)), {2: counts(80, 60, 0.02), 3: counts(90, 60, 0.09)}
    found = capacity_of(search, summaries, SLO)
    assert 80 < found.estimate_rps < 90
    assert found.interval_rps is None


@pytest.mark.parametrize(
    ("world", "profile", "least"),
    [
        ({"slots": 4, "service_seconds": 0.02}, "standard", 0.85),
        ({"slots": 1, "service_seconds": 0.005}, "standard", 0.85),
        ({"slots": 4, "service_seconds": 0.02, "wobble": 0.02}, "standard", 0.8),
        ({"slots": 4, "service_seconds": 0.02}, "smoke", 0.7),
    ],
)
def test_the_interval_covers_the_truth(world, profile, least):
    """Requests over the limit come in bursts: an interval that took them for independent would cover a half."""
    true_rps = World(world["slots"], world["service_seconds"]).truth(SLO, 300_000)
    covered = []
    for seed in range(60):
        search = Search(PROFILES[profile], SLO, 2 * world["slots"] + 2)
        made = search_in(World(**world, seed=100 + seed), search)
        interval = capacity_of(*recorded(search, made), SLO).interval_rps
        if interval:
            covered.append(interval[0] <= true_rps <= interval[1])
    assert len(covered) >= 50
    assert fmean(covered) >= least


def deployment(verified=90.0, estimate=100.0, is_lower_bound=False, interval=(95.0, 105.0)):
    """The capacity of one."""
    if is_lower_bound:
        estimate, interval = None, None
    return Capacity(verified, 3, is_lower_bound, estimate, interval, None, "")


def test_several_deployments_as_one():
    found = across([deployment(90, 96), deployment(94, 100), deployment(92, 104)])
    mean = (96 * 100 * 104) ** (1 / 3)
    # s of the logarithms is 0.04003, t with two degrees of degrees_of_freedom 4.303 and 2.920.
    half, one_sided = 4.303 * 0.04003 / 3**0.5, 2.920 * 0.04003 / 3**0.5
    assert found.verified_rps == 90
    assert found.estimate_rps == pytest.approx(mean)
    assert found.interval_rps == pytest.approx((mean * math.exp(-half), mean * math.exp(half)), rel=1e-3)
    assert found.lower_bound_rps == pytest.approx(mean * math.exp(-one_sided), rel=1e-3)
    assert (found.deployments, found.between, found.is_lower_bound) == (3, True, False)


def test_a_single_deployment_says_nothing_about_the_next():
    found = across([deployment()])
    assert (found.interval_rps, found.between, found.lower_bound_rps) == ((95.0, 105.0), False, None)
    assert (found.verified_rps, found.estimate_rps, found.deployments) == (90.0, 100.0, 1)


@pytest.mark.parametrize(
    ("deployments", "verified", "estimated", "is_lower_bound"),
    [
        ([], None, False, False),
        ([deployment(is_lower_bound=True)], 90, False, True),
        ([deployment(90, is_lower_bound=True), deployment(91, is_lower_bound=True)], 90, False, True),
        # The smallest verified rate failed higher up: it is no "at least".
        ([deployment(90), deployment(91, is_lower_bound=True)], 90, True, False),
        ([deployment(92), deployment(90, is_lower_bound=True)], 90, True, True),
        ([deployment(), deployment(None, None)], None, False, False),
        ([deployment(), deployment(90, None)], 90, False, False),
    ],
)
def test_deployments_that_miss_something(deployments, verified, estimated, is_lower_bound):
    found = across(deployments)
    assert found.verified_rps == verified
    assert (found.estimate_rps is not None, found.is_lower_bound) == (estimated, is_lower_bound)
    assert found.deployments == len(deployments)


def test_the_interval_across_deployments_covers_the_mean():
    """2 % between deployments and 1.5 % of the search, three deployments."""
    draw = np.random.default_rng(7)
    covered = below = 0
    for _ in range(2000):
        rates = 100 * np.exp(draw.normal(0, math.hypot(0.02, 0.015), 3))
        found = across([deployment(90, float(rate)) for rate in rates])
        covered += found.interval_rps[0] <= 100 <= found.interval_rps[1]
        below += found.lower_bound_rps <= 100
    assert 0.93 < covered / 2000 < 0.97
    assert 0.93 < below / 2000 < 0.97


def test_trials_that_contradict_each_other_have_no_interval():
    """All requests are late at 80, none at 85, and all at 90. No line fits."""
    search = entries((80, 60, BAD), (85, 60, GOOD), (90, 60, BAD))
    summaries = {2: counts(80, 60, 1.0), 3: counts(85, 60, 0.0), 4: counts(90, 60, 1.0)}
    found = capacity_of(search, summaries, SLO)
    assert (found.verified_rps, found.interval_rps) == (None, None)
    assert found.estimate_rps == pytest.approx(72, rel=0.2)


def test_a_search_by_arrivals_has_iterations_and_the_requests_that_were_measured():
    search = by_arrivals((40, 60, GOOD), (50, 60, BAD))
    # Three requests for each iteration, of which some are over the limit at the higher rate.
    seen = {
        2: Counts(7200, {"p95_ms": 7190}, ok_rps=119.0),
        3: Counts(9000, {"p95_ms": 8000}, ok_rps=148.0),
    }
    found = capacity_of(search, seen, SLO)
    assert (found.verified_iterations_per_second, found.verified_rps) == (40, 119.0)
    assert 119 < found.estimate_rps < 148
    assert found.sentence == "40.0 iterations/s held the SLO for 60 s. 50.0 iterations/s did not."
    assert (found.verified_users, found.estimate_users) == (None, None)
    lower = capacity_of(
        by_arrivals((30, 60, GOOD), (50, 60, BAD)), {2: Counts(5400, {"p95_ms": 5400}, ok_rps=90.0)}, SLO
    )
    both = across([found, lower])
    assert (both.verified_rps, both.verified_iterations_per_second) == (90.0, 30)


def test_the_next_step_after_a_search_by_arrivals_has_its_unit():
    search = msgspec.structs.replace(by_arrivals((40, 30, GOOD), (50, 60, BAD)), ended="budget")
    found = capacity_of(search, {}, SLO)
    assert found.verified_iterations_per_second is None
    assert "up to 40.0 iterations/s had held" in found.next_step
