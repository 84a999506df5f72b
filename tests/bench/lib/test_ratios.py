"""Medians of ratios, and ratios that show nothing."""

import pytest

from bench.lib.ratios import Ratio, Spread, compute, per_round, spread
from bench.serving.command import RATIOS
from swarmsweep.errors import LabError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], Spread(5, 5, 5)),
        ([3.0, 1.0, 2.0], Spread(2, 1, 3)),
        ([4.0, 1.0, 2.0, 3.0], Spread(2.5, 1, 4)),
    ],
)
def test_spread(values, expected):
    assert spread(values) == expected


@pytest.mark.parametrize(
    ("of", "over", "expected"),
    [
        ([9.0, 8.0], [10.0, 4.0], [0.9, 2.0]),
        ([0.0], [4.0], [0.0]),
    ],
)
def test_per_round(of, over, expected):
    assert per_round(of, over) == expected


@pytest.mark.parametrize(
    ("of", "over", "reason"),
    [
        ([], [], "0 and 0"),
        ([1.0], [1.0, 2.0], "1 and 2"),
        ([1.0, 1.0], [1.0, 0.0], "over 0"),
        ([1.0], [-1.0], "over -1"),
    ],
)
def test_per_round_refuses(of, over, reason):
    with pytest.raises(LabError, match=reason):
        per_round(of, over)


# A disturbance halves both in round 2; the quotient of medians would be 100 / 40.
def test_disturbance_of_a_round_leaves_the_ratio():
    rounds = {"fast": [100.0, 50.0, 120.0], "slow": [40.0, 20.0, 48.0]}
    assert compute([Ratio("x", "fast", "slow", 4)], rounds) == {"x": Spread(2.5, 2.5, 2.5)}


def test_ratios_of_the_contract():
    assert {ratio.name: ratio.at_least for ratio in RATIOS} == {
        "predict_over_empty": 0.90,
        "over_mlflow_serve": 40,
        "over_litserve": 4,
        "over_bentoml": 4,
        "batch64_over_single": 15,
    }
