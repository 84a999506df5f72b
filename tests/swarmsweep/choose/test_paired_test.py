"""What is called better: verdicts by hand, and how often chance alone would have one."""

import math

import numpy as np
import pytest

from swarmsweep.choose.paired_test import (
    BETTER,
    EQUAL,
    UNDECIDED,
    WORSE,
    against_best,
    compare,
    is_tie,
    margin_of,
    noise_of,
)


def blocks(*rates):
    """Requests per second by block, from 1."""
    return dict(enumerate(rates, 1))


PAIRS = [
    (blocks(), blocks(), None, UNDECIDED, None, []),
    (blocks(100), {2: 50}, None, UNDECIDED, None, []),
    (blocks(100), blocks(None), None, UNDECIDED, None, []),
    (blocks(200), blocks(100), None, UNDECIDED, 2, ["2.00"]),
    (blocks(110, 111, 109), blocks(100, 100, 100), None, BETTER, 1.1, ["1.08", "1.13", "3 blocks"]),
    (blocks(100, 100, 100), blocks(110, 111, 109), None, WORSE, 0.909, []),
    (blocks(100, 101, 100), blocks(100, 100, 101), None, EQUAL, 1, ["3.0 %"]),
    # The second block was slow for both, so it shows no difference between them.
    (blocks(110, 55, 109), blocks(100, 50, 100), None, BETTER, 1.097, []),
    (blocks(120, 90, 110), blocks(100, 100, 100), None, UNDECIDED, 1.059, []),
    # Significant, but smaller than the margin.
    (blocks(102.9, 102.9, 103.0), blocks(100, 100, 100), 0.001, EQUAL, 1.029, ["3.0 %"]),
    (blocks(104, 105, 108), blocks(100, 100, 100), 0.04, UNDECIDED, 1.057, ["8.0 %"]),
    (blocks(110, 110, 110), blocks(100, 100, 100), None, BETTER, 1.1, ["1.10 to 1.10"]),
    (blocks(100, 100), blocks(100, 100), None, EQUAL, 1, []),
    # A block that one side lacks is left out.
    (blocks(110, 111, None, 109), blocks(100, 100, 100, 100), None, BETTER, 1.1, ["3 blocks"]),
]


@pytest.mark.parametrize(("a", "b", "aa_log_rms", "verdict", "factor", "figures"), PAIRS)
def test_verdicts(a, b, aa_log_rms, verdict, factor, figures):
    found = compare(a, b, aa_log_rms)
    assert found.verdict == verdict, found
    assert [figure for figure in figures if figure not in found.sentence] == []
    assert found.factor == (pytest.approx(factor, abs=0.001) if factor else None)


def test_nothing_is_better_while_the_noise_is_not_controlled():
    found = compare(blocks(110, 111, 109), blocks(100, 100, 100), 0.01, noise_controlled=False)
    assert found.verdict == UNDECIDED
    equal = compare(blocks(100, 101, 100), blocks(100, 100, 101), 0.01, noise_controlled=False)
    assert equal.verdict == EQUAL


def test_the_interval_is_student_s():
    found = compare(blocks(*(100 * math.exp(d) for d in (0.05, 0.10, 0.15))), blocks(100, 100, 100))
    half = 4.303 * 0.05 / 3**0.5
    assert found.interval == pytest.approx((math.exp(0.1 - half), math.exp(0.1 + half)), rel=1e-4)
    assert found.p_value == pytest.approx(0.0742, abs=1e-4)


@pytest.mark.parametrize(("aa_log_rms", "margin"), [(None, 0.03), (0.0, 0.03), (0.01, 0.03), (0.02, 0.04)])
def test_the_margin_is_at_least_three_percent(aa_log_rms, margin):
    assert margin_of(aa_log_rms) == pytest.approx(margin)


NOISES = [
    (blocks(), blocks(), None, None, []),
    (blocks(102), blocks(100), 0.0198, None, []),
    (blocks(102, 98, 101), blocks(100, 100, 100), 0.0174, True, ["3 blocks"]),
    (blocks(105, 104.5, 105.5), blocks(100, 100, 100), 0.0488, False, []),
    (blocks(100, 100), blocks(100, 100), 0.0, True, ["0.0 %"]),
]


@pytest.mark.parametrize(("anchor", "twin", "aa_log_rms", "controlled", "figures"), NOISES)
def test_noise(anchor, twin, aa_log_rms, controlled, figures):
    found = noise_of(anchor, twin)
    assert found.aa_log_rms == (pytest.approx(aa_log_rms, abs=1e-3) if aa_log_rms is not None else None)
    assert found.controlled == controlled, found
    assert [figure for figure in figures if figure not in found.sentence] == []


def test_the_sentences(golden):
    pairs = [compare(a, b, aa_log_rms).sentence for a, b, aa_log_rms, *_ in PAIRS]
    uncontrolled = compare(blocks(110, 111, 109), blocks(100, 100, 100), 0.01, noise_controlled=False).sentence
    noises = [noise_of(anchor, twin).sentence for anchor, twin, *_ in NOISES]
    golden("compare.yml", {"pairs": pairs, "uncontrolled": uncontrolled, "noises": noises})


def runs(draw, names, count, spread, block_spread=0.03):
    """Capacities of configurations with these logarithms of their true capacity, with slow and fast blocks."""
    of_block = draw.normal(0, block_spread, count)
    return {
        name: blocks(*(100 * np.exp(mean + of_block + draw.normal(0, spread, count))).tolist())
        for name, mean in names.items()
    }


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_same_configuration_is_seldom_better_than_itself(count):
    """With 2 % between deployments. The aim is at most one false "better" in twenty pairs."""
    draw = np.random.default_rng(count)
    false = 0
    for _ in range(2000):
        cells = runs(draw, {"anchor": 0, "twin": 0, "a": 0, "b": 0}, count, 0.02)
        noise = noise_of(cells["anchor"], cells["twin"])
        false += compare(cells["a"], cells["b"], noise.aa_log_rms, noise.controlled).verdict in (BETTER, WORSE)
    assert false / 2000 < 0.02


@pytest.mark.parametrize(("count", "least"), [(3, 0.65), (5, 0.85)])
def test_ten_percent_more_are_seen(count, least):
    """As often as the paired t test allows with 2 % between deployments."""
    draw = np.random.default_rng(count)
    seen = 0
    for _ in range(1000):
        cells = runs(draw, {"anchor": 0, "twin": 0, "a": math.log(1.1), "b": 0}, count, 0.02)
        noise = noise_of(cells["anchor"], cells["twin"])
        seen += compare(cells["a"], cells["b"], noise.aa_log_rms, noise.controlled).verdict == BETTER
    assert seen / 1000 > least


def test_the_best_of_many_equals_is_seldom_better_than_any():
    """The best cell is compared with all others. Without Holm's correction, chance would often make it "better"."""
    draw = np.random.default_rng(11)
    false = 0
    for _ in range(300):
        cells = runs(draw, {str(number): 0 for number in range(10)}, 5, 0.02)
        best = max(cells, key=lambda name: sum(map(math.log, cells[name].values())))
        false += any(found.verdict == BETTER for found in against_best(best, cells, 0.02).values())
    assert false / 300 < 0.05


def test_of_many_comparisons_each_must_be_clearer():
    """p is 0.03: significant at 5 % alone, but not as one of three comparisons."""
    a = blocks(*(100 * math.exp(d) for d in (0.06, 0.10, 0.08, 0.02)))
    b, far = blocks(100, 100, 100, 100), blocks(100, 300, 100, 300)
    alone = compare(a, b)
    assert alone.verdict == BETTER
    assert 0.025 < alone.p_value < 0.05
    among = against_best("a", {"a": a, "b": b, "c": far, "d": far})
    assert among["b"].verdict == UNDECIDED
    assert "not after correction for the number of comparisons" in among["b"].sentence
    assert set(among) == {"b", "c", "d"}


def test_clear_differences_stay_clear_among_many():
    cells = {"best": blocks(200, 201, 199)} | {name: blocks(100, 100, 101) for name in "abcdef"}
    assert {found.verdict for found in against_best("best", cells).values()} == {BETTER}


@pytest.mark.parametrize(
    ("best", "other", "aa_log_rms", "tie"),
    [
        (blocks(200, 201, 199), blocks(100, 100, 101), None, False),
        (blocks(100, 100, 101), blocks(200, 201, 199), None, True),
        (blocks(101, 100, 101), blocks(100, 101, 100), None, True),
        # An undecided comparison is a tie, unless the difference is too large.
        (blocks(104, 100, 108), blocks(100, 100, 100), None, True),
        (blocks(200, 100, 220), blocks(100, 100, 90), None, False),
        (blocks(200), blocks(100), None, False),
        (blocks(105), blocks(100), None, True),
        (blocks(120), blocks(100), None, False),
        (blocks(120), blocks(100), 0.08, True),
        # The two cells share no block.
        (blocks(100, 100), blocks(None, None), None, False),
        (blocks(100), {}, None, False),
    ],
)
def test_what_may_be_taken_for_as_good(best, other, aa_log_rms, tie):
    assert is_tie(compare(best, other, aa_log_rms), aa_log_rms) is tie
