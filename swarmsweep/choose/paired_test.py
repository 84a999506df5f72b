"""Whether one configuration has more capacity than another, from capacities of both in the same blocks.

A block is one pass over all configurations in random order, each on a fresh deployment. Differences between blocks
affect both configurations alike. So each comparison is within a block: ``ln(a / b)``. With three blocks the interval is
wide, and a difference of a few percent stays undecided. Three blocks cannot show more.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev

from swarmsweep.stats import cdf, quantile

BETTER, WORSE, EQUAL, UNDECIDED = "better", "worse", "equal", "undecided"
CONFIDENCE = 0.95
# The smallest relative difference that matters when a service is sized. Twice the noise is used where that is more.
MIN_MARGIN, MARGIN_NOISES = 0.03, 2.0
# An undecided difference is a tie only up to this share, or up to three times the noise. With few blocks every
# difference is undecided, and a cheaper cell with half the capacity must not win.
TIE_SHARE, TIE_NOISES = 0.10, 3.0


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison of a with b.

    ``factor``: a / b, the geometric mean over the blocks, None without a pair. ``interval``: the 95 % interval of the
    factor, None with fewer than two pairs. ``figures``: the factor and its interval in words, "" without a pair.
    ``why``: the reason of the verdict, a sentence. ``p_value``: two-sided, for the hypothesis of no difference, None
    with fewer than two pairs.
    """

    verdict: str
    factor: float | None
    interval: tuple[float, float] | None
    figures: str
    why: str
    p_value: float | None = None

    @property
    def sentence(self) -> str:
        """The figures, and the reason of the verdict."""
        return ": ".join(filter(None, (self.figures, self.why)))


@dataclass(frozen=True)
class Noise:
    """The difference between two measurements of the same configuration under two names.

    ``aa_log_rms``: root mean square of ``ln(anchor / twin)`` over the blocks, None without a pair. ``controlled``:
    False when its 95 % interval excludes a difference of zero, None with fewer than two blocks.
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
    """Whether ``a`` has more capacity than ``b``, by the blocks in which both were measured.

    "better" (or "worse"): the interval of the paired t test excludes a difference of zero, and the difference is at
    least the margin, the greater of 3 % and twice ``aa_log_rms``. "equal": the interval at 90 % lies within the margin
    (two one-sided tests at 5 %; Schuirmann 1987). Otherwise, and always with fewer than two blocks, "undecided".

    Args:
        a: requests per second by block; None, or no entry, where it was not measured.
        b: the same for the other configuration.
        aa_log_rms: see `Noise`; None where there is no anchor.
        noise_controlled: if False, the result is never better or worse.
        confidence: of the interval; higher where several comparisons are made (see `against_best`).
    """
    differences = paired_logs(a, b)
    count = len(differences)
    margin = margin_of(aa_log_rms)
    if not count:
        why = "The two configurations share no block in which both were measured."
        return Comparison(UNDECIDED, None, None, "", why)
    mean = fmean(differences)
    factor = math.exp(mean)
    in_words = f"{factor:.2f} times as much load"
    if count == 1:
        why = "one deployment of each cannot separate a difference from chance. Set repeat to 3 or more."
        return Comparison(UNDECIDED, factor, None, f"{in_words} in one block", why)
    error = stdev(differences) / math.sqrt(count)
    low, high = _bounds(mean, error, count, (1 + CONFIDENCE) / 2)
    interval = (math.exp(low), math.exp(high))
    in_words += f" (95 % interval {interval[0]:.2f} to {interval[1]:.2f}, {count} blocks)"
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
        verdict, why = UNDECIDED, "the interval includes 1, and more blocks may narrow it"
    return Comparison(verdict, factor, interval, in_words, f"{why}.", p_value)


def against_best(
    best: str,
    cells: Mapping[str, Mapping[int, float | None]],
    aa_log_rms: float | None = None,
    noise_controlled: bool | None = True,
) -> dict[str, Comparison]:
    """The best cell against each of the others, by name.

    Uses Holm's step-down (1979). The clearest difference must be significant at 5 % divided by the number of
    comparisons, the next at 5 % divided by one less. After the first that is not significant, none is.
    """
    others = {
        name: compare(cells[best], rps, aa_log_rms, noise_controlled) for name, rps in cells.items() if name != best
    }
    tested = sorted((c.p_value, name) for name, c in others.items() if c.p_value is not None)
    share, holds = 1 - CONFIDENCE, True
    for position, (p_value, name) in enumerate(tested):
        level = share / (len(tested) - position)
        holds = holds and p_value < level
        # After a comparison that is not significant, later ones are not either, however small their p-values.
        confidence = 1 - level if holds else 1.0
        others[name] = compare(cells[best], cells[name], aa_log_rms, noise_controlled, confidence)
    return others


def noise_of(anchor: Mapping[int, float | None], twin: Mapping[int, float | None]) -> Noise:
    """The noise of one configuration under two names, and whether it is more than chance."""
    differences = paired_logs(anchor, twin)
    count = len(differences)
    if not count:
        return Noise(None, None, None, "The control pair has no block in which both of its cells were measured.")
    # The deviation is taken from zero, the known true value. This gives one more degree of freedom than the mean.
    aa_log_rms = math.sqrt(fmean(log**2 for log in differences))
    difference = f"The two cells of the control pair have one configuration, and differed by {_percent(aa_log_rms)}"
    if count == 1:
        return Noise(aa_log_rms, None, None, f"{difference} in one block.")
    low, high = _bounds(fmean(differences), stdev(differences) / math.sqrt(count), count, (1 + CONFIDENCE) / 2)
    controlled = low <= 0 <= high
    sentence = f"{difference} (root mean square of {count} blocks)" + (
        "."
        if controlled
        else (
            ". All differences have the same direction. The noise is not controlled, so no configuration is called "
            "better than another."
        )
    )
    return Noise(aa_log_rms, (math.exp(low), math.exp(high)), controlled, sentence)


def is_tie(comparison: Comparison, aa_log_rms: float | None = None) -> bool:
    """Whether the second cell of a comparison may be treated as equal to the first.

    A tie is "equal", "worse", or "undecided" with a difference of at most 10 % or three times the noise.
    """
    if comparison.verdict in (EQUAL, WORSE):
        return True
    largest = max(-math.log(1 - TIE_SHARE), TIE_NOISES * (aa_log_rms or 0.0))
    return comparison.verdict == UNDECIDED and comparison.factor is not None and math.log(comparison.factor) <= largest


def margin_of(aa_log_rms: float | None) -> float:
    """The smallest difference of logarithms that matters."""
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
    """Two-sided p-value of Student's paired t test. With zero variance: p = 0 for a difference, else 1."""
    if error < 1e-12:
        return 1.0 if abs(mean) < 1e-12 else 0.0
    return 2 * (1 - cdf(abs(mean) / error, count - 1))


def _percent(logarithm: float) -> str:
    return f"{100 * logarithm:.1f} %"
