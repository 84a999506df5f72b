"""Student's t distribution against printed tables."""

import pytest

from swarmsweep.stats import cdf, quantile

# NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, upper critical values.
TABLE = {
    (0.95, 1): 6.314,
    (0.975, 1): 12.706,
    (0.95, 2): 2.920,
    (0.975, 2): 4.303,
    (0.975, 3): 3.182,
    (0.95, 4): 2.132,
    (0.975, 4): 2.776,
    (0.99, 5): 3.365,
    (0.975, 7): 2.365,
    (0.975, 9): 2.262,
    (0.995, 10): 3.169,
    (0.95, 20): 1.725,
    (0.975, 29): 2.045,
    (0.9, 100): 1.290,
}


@pytest.mark.parametrize(("asked", "expected"), TABLE.items())
def test_quantiles_are_those_of_the_table(asked, expected):
    assert quantile(*asked) == pytest.approx(expected, abs=0.0006)


@pytest.mark.parametrize("degrees", [1, 2, 3, 8, 31, 200])
def test_the_two_functions_are_each_other_s_inverse_and_symmetric(degrees):
    for probability in (0.001, 0.05, 0.4, 0.5, 0.77, 0.999):
        assert cdf(quantile(probability, degrees), degrees) == pytest.approx(probability, abs=1e-9)
    assert quantile(0.3, degrees) == pytest.approx(-quantile(0.7, degrees))


@pytest.mark.parametrize("probability", [0, 1, -0.1, 1.5])
def test_a_probability_lies_between_0_and_1(probability):
    with pytest.raises(ValueError, match=f"probability is {probability}; allowed: above 0 and below 1"):
        quantile(probability, 3)


def test_there_is_at_least_one_degree_of_freedom():
    with pytest.raises(ValueError, match="degrees of freedom are 0; allowed: 1 and more"):
        cdf(1.0, 0)
