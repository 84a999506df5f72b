"""The time that a verified rate needs, and the cells whose latencies are of a shorter probe."""

import pytest
from msgspec.structs import replace
from rows import capacity_of, fixed, plan_of

from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import AttemptEntry, ProbeRow
from swarmsweep.report.verified_time import required_text, shorter_probes

SMOKE, STANDARD = ({"mode": "capacity", "profile": name} for name in ("smoke", "standard"))


def cell(name, load=None):
    return PlannedCell(id=name, config={"replicas": 1}, memory="1G", load=load)


@pytest.mark.parametrize(
    ("loads", "text"),
    [
        ([None], "12 s (profile smoke)"),
        ([None, STANDARD], "12 s (profile smoke) or 80 s (profile standard)"),
        # Of a later version.
        ([None, SMOKE | {"profile": "brief"}], "the time that its profile requires"),
    ],
)
def test_the_time_that_a_verified_rate_needs(loads, text):
    plan = plan_of(SMOKE, [cell(str(number), load) for number, load in enumerate(loads)])
    assert required_text(plan) == text


def probe(seconds, verdict="good", **level):
    return ProbeRow(seconds_measure=seconds, verdict=verdict, **level)


# What the search varied, with the number of the attempt's verified level.
BY_USERS = {"verified_users": 14, "verified_rps": 99.0}
BY_ITERATIONS = {"verified_iterations_per_second": 7.0, "verified_rps": 99.0}
BY_RATE = {"verified_rps": 50.0}


@pytest.mark.parametrize(
    ("verified", "probes", "seconds"),
    [
        # 15 users held for 8 s, which verifies 14 users together with their own 5 s.
        (BY_USERS, [probe(5.0, users=14), probe(8.0, users=15), probe(9.0, "bad", users=14)], "5 s"),
        (BY_USERS, [probe(5.0, users=14), probe(12.0, users=14)], None),
        (BY_ITERATIONS, [probe(4.5, rate_rps=7.0, iterations_per_second=7.0), probe(20.0, rate_rps=99.0)], "4.5 s"),
        (BY_RATE, [probe(4.5, rate_rps=50.0), probe(7.5, rate_rps=50.0), probe(20.0, rate_rps=60.0)], "7.5 s"),
        # An earlier version did not record the probes.
        (BY_RATE, [], None),
    ],
)
def test_a_probe_that_is_shorter_than_the_needed_time_is_named(verified, probes, seconds):
    attempt = AttemptEntry(attempt=1, status="valid", probes=probes, **verified)
    row = replace(fixed("a"), capacity=capacity_of(verified["verified_rps"]), attempts=[attempt])
    plan = plan_of(SMOKE, [cell("a"), cell("b")])
    assert shorter_probes(plan, [row]) == ([] if seconds is None else [(seconds, ["a"])])
    unverified = replace(row, id="b", capacity=capacity_of(None))
    assert shorter_probes(plan, [unverified]) == []


def test_cells_with_the_same_seconds_are_named_together():
    def row(name, *seconds):
        attempts = [
            AttemptEntry(attempt=number, status="valid", probes=[probe(length, rate_rps=50.0)], **BY_RATE)
            for number, length in enumerate(seconds, start=1)
        ]
        return replace(fixed(name), capacity=capacity_of(50.0), attempts=attempts)

    plan = plan_of(SMOKE, [cell("a"), cell("b"), cell("c", STANDARD), cell("d")])
    rows = [row("a", 5.0), row("b", 5.0, 8.0), row("c", 55.0), row("d", 5.0, 5.0)]
    assert shorter_probes(plan, rows) == [("5 s", ["a", "d"]), ("5 to 8 s", ["b"]), ("55 s", ["c"])]
