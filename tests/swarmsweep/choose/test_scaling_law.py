"""The scaling law against rates of known parameters, with and without noise."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmsweep.choose.scaling_law import MAX_RESIDUAL_PERCENT, ScalingLaw, fit


def law(rate, contention, coherency=0.0):
    return ScalingLaw(rate_of_one_rps=rate, contention=contention, coherency=coherency, residual_percent=0)


def rates(rate, contention, coherency, counts):
    return {count: law(rate, contention, coherency).rate_at(count) for count in counts}


@pytest.mark.parametrize(
    ("contention", "coherency", "counts"),
    [
        (0.0, 0.0, (1, 2, 3)),  # each further one brings as much as the first
        (0.05, 0.0, (1, 2, 4)),
        (0.3, 0.0, (1, 2, 3)),
        (1.0, 0.0, (1, 2, 4)),  # no further one brings anything
        (0.05, 0.002, (1, 2, 4, 8)),
        (0.0, 0.01, (1, 2, 4, 8)),
        (0.2, 0.03, (2, 3, 5, 8, 13)),  # without a cell of one
    ],
)
def test_known_parameters_are_found(contention, coherency, counts):
    found = fit(rates(607.4, contention, coherency, counts))
    assert found.rate_of_one_rps == pytest.approx(607.4)
    assert (found.contention, found.coherency) == (
        pytest.approx(contention, abs=1e-9),
        pytest.approx(coherency, abs=1e-9),
    )
    assert found.residual_percent == pytest.approx(0, abs=1e-6)
    assert found.fits


# Without a deadline, because a busy machine is no fault.
@settings(deadline=None)
@given(
    st.floats(0.1, 1e5),
    st.floats(0.0, 1.0),
    st.floats(0.0, 0.1),
    st.lists(st.integers(1, 64), min_size=4, max_size=10, unique=True),
)
def test_any_law_is_found_again(rate, contention, coherency, counts):
    measured = rates(rate, contention, coherency, counts)
    found = fit(measured)
    assert [found.rate_at(count) for count in counts] == pytest.approx(list(measured.values()), rel=1e-6)
    assert 0 <= found.contention <= 1 and found.coherency >= 0


@pytest.mark.parametrize("seed", range(20))
def test_noise_of_two_percent_still_gives_the_next_rate(seed):
    chance = random.Random(seed)
    true = law(400.0, 0.04, 0.001)
    found = fit({count: true.rate_at(count) * chance.lognormvariate(0, 0.02) for count in (1, 2, 3, 4, 6, 8)})
    assert found.fits
    assert found.rate_at(9) == pytest.approx(true.rate_at(9), rel=0.1)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_rates_have_no_law(count):
    assert fit({number: 100.0 * number for number in range(1, count + 1)}) is None


@pytest.mark.parametrize(
    "measured",
    [
        {1: 100.0, 2: 200.0, 4: 210.0},  # a host that is full
        {1: 100.0, 2: 250.0, 3: 400.0},  # more than proportional
        {1: 100.0, 2: 60.0, 3: 100.0},  # noise
        {1: 100.0, 2: 190.0, 3: 270.0, 4: 200.0},
    ],
)
def test_rates_without_such_a_law_do_not_fit(measured):
    found = fit(measured)
    assert found.residual_percent > MAX_RESIDUAL_PERCENT and not found.fits


def test_the_residual_is_the_largest_difference():
    measured = {1: 100.0, 2: 195.0, 3: 290.0, 4: 370.0, 6: 560.0}
    found = fit(measured)
    worst = max(abs(found.rate_at(count) / rate - 1) for count, rate in measured.items())
    assert found.residual_percent == pytest.approx(100 * worst)
    assert 0 < found.residual_percent < MAX_RESIDUAL_PERCENT


def test_no_other_parameters_are_nearer():
    measured = {1: 100.0, 2: 186.0, 4: 330.0, 6: 410.0, 8: 470.0}

    def error(candidate):
        return sum((rate / candidate.rate_at(count) - 1) ** 2 for count, rate in measured.items())

    found = fit(measured)
    chance = random.Random(1)
    for _ in range(2000):
        other = law(
            found.rate_of_one_rps * chance.uniform(0.95, 1.05),
            min(1.0, found.contention * chance.uniform(0, 2)),
            found.coherency * chance.uniform(0, 2),
        )
        assert error(found) <= error(other) + 1e-12


@pytest.mark.parametrize(("contention", "coherency", "best"), [(0.1, 0.0, None), (0.19, 0.01, 9.0), (1.0, 0.01, 0.0)])
def test_the_number_with_the_highest_rate(contention, coherency, best):
    made = law(100.0, contention, coherency)
    assert made.best_count == (None if best is None else pytest.approx(best))
    if best:
        assert made.rate_at(best) > max(made.rate_at(best - 1), made.rate_at(best + 1))
