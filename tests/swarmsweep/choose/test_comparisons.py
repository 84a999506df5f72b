"""Comparisons of rows: blocks, the A/A pair, and what "at least" allows to be said."""

import pytest
from msgspec import structs
from rows import CAPACITY_PLAN, searched

from swarmsweep.choose.comparisons import blocks_of, compare_with_each, noise_in
from swarmsweep.plan.planned import Anchor, PlannedCell
from swarmsweep.plan.row import AttemptEntry, blank_row


def test_blocks_are_valid_deployments():
    row = searched("a", 100.0, 110.0, 120.0)
    first, second, third = row.attempts
    row = structs.replace(row, attempts=[first, structs.replace(second, status="invalid"), third])
    assert blocks_of(row) == {1: 100.0, 3: 120.0}


def test_a_least_counts_with_what_was_verified():
    assert blocks_of(searched("a", 100.0, is_lower_bound=True, estimate_rps=None)) == {1: 96.0}


def test_attempts_of_an_earlier_version_have_no_capacity():
    row = blank_row(PlannedCell(id="a", config={}, memory="1G"), "valid", None)
    assert blocks_of(structs.replace(row, attempts=[AttemptEntry(attempt=1, status="valid", rps=10.0)])) == {1: None}


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (searched("a", 200.0, 204.0, 198.0), searched("b", 100.0, 101.0, 99.0), "better"),
        (searched("a", 100.0, 101.0, 99.0), searched("b", 200.0, 204.0, 198.0), "worse"),
        (searched("a", 100.0, 101.0, 99.0), searched("b", 100.2, 100.9, 99.1), "equal"),
        (searched("a", 100.0, 130.0, 90.0), searched("b", 110.0, 100.0, 99.0), "undecided"),
        (searched("a", 200.0), searched("b", 100.0), "undecided"),
    ],
)
def test_verdicts(one, other, verdict):
    assert compare_with_each(one, [one, other], noise_in(CAPACITY_PLAN, []))["b"].verdict == verdict


@pytest.mark.parametrize(
    ("open_one", "open_other", "rates", "verdict"),
    [
        (True, False, (200.0, 100.0), "better"),  # it takes at least twice as much
        (True, False, (100.0, 200.0), "undecided"),
        (False, True, (200.0, 100.0), "undecided"),
        (False, True, (100.0, 200.0), "worse"),
        (True, True, (200.0, 100.0), "undecided"),
        (True, False, (100.0, 100.0), "undecided"),
    ],
)
def test_at_least_is_never_worse_or_equal(open_one, open_other, rates, verdict):
    one, other = (
        searched(name, rate, 1.01 * rate, 0.99 * rate, is_lower_bound=opened)
        for name, rate, opened in (("a", rates[0], open_one), ("b", rates[1], open_other))
    )
    # For a lower bound, the verified rate is used. Here it equals the estimate of the others.
    pair = [
        structs.replace(
            row, attempts=[structs.replace(attempt, verified_rps=attempt.capacity_rps) for attempt in row.attempts]
        )
        for row in (one, other)
    ]
    found = compare_with_each(pair[0], pair[1:], noise_in(CAPACITY_PLAN, []))["b"]
    assert found.verdict == verdict
    # The sentence names the cell whose capacity is only a lower bound.
    assert ("lower bound" in found.sentence) == (verdict == "undecided")


def test_the_pair_of_the_plan_shows_the_noise():
    plan = structs.replace(CAPACITY_PLAN, anchor=Anchor("a", "a-twin"))
    anchor, twin = searched("a", 100.0, 102.0, 99.0), searched("a-twin", 101.0, 101.0, 100.0)
    assert 0.005 < noise_in(plan, [anchor, twin]).aa_log_rms < 0.02
    assert noise_in(plan, [anchor, twin]).controlled is True
    assert noise_in(plan, [anchor, searched("a-twin", 110.0, 112.2, 108.9)]).controlled is False
    assert noise_in(plan, [anchor]).aa_log_rms is None
    assert noise_in(plan, [anchor, structs.replace(twin, status="invalid")]).aa_log_rms is None
    assert noise_in(CAPACITY_PLAN, [anchor]).aa_log_rms is None
