"""Whether one configuration takes more than another, from capacities of both in the same blocks.

A block is one pass over all configurations in random order, each deployed afresh. What differs from block to block hits
both sides alike, so they are compared within blocks: ``ln(a / b)`` of each. With three blocks the interval is wide, and
a difference below some percent stays undecided: that is the truth about three blocks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev

from swarmsweep.stats import cdf, quantile

BETTER, WORSE, EQUAL, UNDECIDED = "better", "worse", "equal", "undecided"
CONFIDENCE = 0.95
# A difference below this share does not matter to anyone who sizes a service; nor does one below twice the noise.
MIN_MARGIN, MARGIN_NOISES = 0.03, 2.0
# An undecided difference is a tie only while it is no larger than this share, or three times the noise: with few
# blocks everything is undecided, and half the capacity must not win because it is cheaper.
TIE_SHARE, TIE_NOISES = 0.10, 3.0


@dataclass(frozen=True)
class Comparison:
    """``factor``: a / b, the geometric mean over the blocks, None without a pair; ``interval``: of the factor, at
    95 %, None below two; ``p_value``: two-sided, of no difference, None below two."""

    verdict: str
    factor: float | None
    interval: tuple[float, float] | None
    sentence: str
    p_value: float | None = None


@dataclass(frozen=True)
class Noise:
    """What the same configuration under two names differs by.

    ``aa_log_rms``: root mean square of ``ln(anchor / twin)`` over the blocks, None without a pair. ``controlled``:
    False when its 95 % interval excludes no difference, None below two blocks.
    """

    aa_log_rms: float | None
    interval: tuple[float, float] | None
    controlled: bool | None
    sentence: str


def compare(
    a: Mapping[int, float | None],
    b: Mapping[int, float | None],
    aa_log_rms: float | None = None,
    noise_controlled: bool | None = True,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Whether ``a`` takes more than ``b``, by the blocks in which both were measured.

    "better" (or "worse"): the interval of the paired t test excludes no difference, and the difference is at least the
    margin, the greater of 3 % and twice ``aa_log_rms``. "equal": the interval at 90 % lies within the margin (two
    one-sided tests at 5 %; Schuirmann 1987). Otherwise, and always with fewer than two blocks, "undecided".

    Args:
        a: requests per second by block; None, or no entry, where it was not measured.
        b: the same of the other configuration.
        aa_log_rms: see `Noise`; None where there is no anchor.
        noise_controlled: where it is False, nothing is called better or worse.
        confidence: of the interval; higher where several comparisons are made (see `against_best`).
    """
    differences = paired_logs(a, b)
    count = len(differences)
    margin = margin_of(aa_log_rms)
    if not count:
        return Comparison(UNDECIDED, None, None, "The two configurations share no block in which both were measured.")
    mean = fmean(differences)
    factor = math.exp(mean)
    in_words = f"{factor:.2f} times as much"
    if count == 1:
        sentence = (
            f"{in_words} in one block: one deployment of each cannot separate a difference from chance. Set repeat to "
            "3 or more."
        )
        return Comparison(UNDECIDED, factor, None, sentence)
    error = stdev(differences) / math.sqrt(count)
    low, high = _bounds(mean, error, count, (1 + CONFIDENCE) / 2)
    interval = (math.exp(low), math.exp(high))
    in_words += f" ({interval[0]:.2f} to {interval[1]:.2f}, {count} blocks)"
    p_value = _p_value(mean, error, count)
    clear = p_value < 1 - confidence
    within = _bounds(mean, error, count, 0.95)
    if clear and abs(mean) >= margin and noise_controlled is not False:
        verdict, why = (BETTER if mean > 0 else WORSE), "the interval excludes 1"
    elif -margin < within[0] and within[1] < margin:
        verdict, why = EQUAL, f"any difference is within {_percent(margin)}"
    elif clear and abs(mean) >= margin:
        verdict, why = UNDECIDED, "the control pair differs too, so the noise is not controlled"
    elif clear:
        verdict, why = UNDECIDED, f"the difference is smaller than the margin of {_percent(margin)}"
    elif p_value < 1 - CONFIDENCE:
        verdict, why = UNDECIDED, "the interval excludes 1, but not after correction for the number of comparisons"
    else:
        verdict, why = UNDECIDED, "the interval includes 1; more blocks may narrow it"
    return Comparison(verdict, factor, interval, f"{in_words}: {why}.", p_value)


def against_best(
    best: str,
    cells: Mapping[str, Mapping[int, float | None]],
    aa_log_rms: float | None = None,
    noise_controlled: bool | None = True,
) -> dict[str, Comparison]:
    """The best against each of the others, by name. Holm's step-down (1979): the clearest difference must be clear at
    5 % divided by the number of comparisons, the next by one less, and none after one that is not."""
    others = {
        name: compare(cells[best], rps, aa_log_rms, noise_controlled) for name, rps in cells.items() if name != best
    }
    tested = sorted((c.p_value, name) for name, c in others.items() if c.p_value is not None)
    share, holds = 1 - CONFIDENCE, True
    for position, (p_value, name) in enumerate(tested):
        level = share / (len(tested) - position)
        holds = holds and p_value < level
        # One that follows one that is not clear cannot be clear, however small its own p is.
        confidence = 1 - level if holds else 1.0
        others[name] = compare(cells[best], cells[name], aa_log_rms, noise_controlled, confidence)
    return others


def noise_of(anchor: Mapping[int, float | None], twin: Mapping[int, float | None]) -> Noise:
    """How much the same configuration under two names differs, and whether more than by chance."""
    differences = paired_logs(anchor, twin)
    count = len(differences)
    if not count:
        return Noise(None, None, None, "The control pair has no block in which both of its cells were measured.")
    # About zero, which the truth is known to be: one more degree of freedom than the deviation from the mean.
    aa_log_rms = math.sqrt(fmean(log**2 for log in differences))
    difference = f"The two cells of the control pair have the same configuration and differed by {_percent(aa_log_rms)}"
    if count == 1:
        return Noise(aa_log_rms, None, None, f"{difference} in one block.")
    low, high = _bounds(fmean(differences), stdev(differences) / math.sqrt(count), count, (1 + CONFIDENCE) / 2)
    controlled = low <= 0 <= high
    sentence = f"{difference} (root mean square of {count} blocks)" + (
        "."
        if controlled
        else (
            ", always in the same direction. The noise is not controlled, so no configuration is called better "
            "than another."
        )
    )
    return Noise(aa_log_rms, (math.exp(low), math.exp(high)), controlled, sentence)


def is_tie(comparison: Comparison, aa_log_rms: float | None = None) -> bool:
    """Whether the other side of a comparison may be taken for as good as the first.

    A tie is "equal", "worse", or "undecided" with a difference that is no larger than 10 % or three times the noise.
    """
    if comparison.verdict in (EQUAL, WORSE):
        return True
    largest = max(-math.log(1 - TIE_SHARE), TIE_NOISES * (aa_log_rms or 0.0))
    return comparison.verdict == UNDECIDED and comparison.factor is not None and math.log(comparison.factor) <= largest


def margin_of(aa_log_rms: float | None) -> float:
    """The least difference of logarithms that matters."""
    return max(MIN_MARGIN, MARGIN_NOISES * (aa_log_rms or 0.0))


def paired_logs(a: Mapping[int, float | None], b: Mapping[int, float | None]) -> list[float]:
    """``ln(a / b)`` of each block in which both were measured, in the order of the blocks."""
    first, second = _measured(a), _measured(b)
    return [math.log(first[block] / second[block]) for block in sorted(first.keys() & second.keys())]


def _measured(rps: Mapping[int, float | None]) -> dict[int, float]:
    return {block: rate for block, rate in rps.items() if rate}


def _bounds(mean: float, error: float, count: int, probability: float) -> tuple[float, float]:
    half = quantile(probability, count - 1) * error
    return mean - half, mean + half


def _p_value(mean: float, error: float, count: int) -> float:
    """Two-sided, of Student's paired t test. With zero variance, a difference gives p = 0, and none p = 1."""
    if error < 1e-12:
        return 1.0 if abs(mean) < 1e-12 else 0.0
    return 2 * (1 - cdf(abs(mean) / error, count - 1))


def _percent(logarithm: float) -> str:
    return f"{100 * logarithm:.1f} %"
