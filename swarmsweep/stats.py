"""The geometric mean, and Student's t distribution for whole degrees of freedom, exact.

SciPy would be a large dependency for a few functions.
"""

import math
from collections.abc import Iterable
from statistics import fmean


def geometric_mean(values: Iterable[float]) -> float:
    """The geometric mean of positive values. That of ratios is the same in both directions."""
    return math.exp(fmean(math.log(value) for value in values))


def cdf(value: float, degrees: int) -> float:
    """P(T <= value) for ``degrees`` >= 1 degrees of freedom.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4 (finite series in the angle).
    """
    if degrees < 1:
        raise ValueError(f"degrees of freedom are {degrees}; allowed: 1 and more")
    angle = math.atan2(value, math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    # Each term is the previous one times (2i)/(2i+1) or (2i-1)/(2i), times the squared cosine.
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for index in range(degrees // 2):
        total += term
        step = 2 * index + 2
        term *= cosine**2 * (step / (step + 1) if odd else (step - 1) / step)
    central = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return (1 + central) / 2


def quantile(probability: float, degrees: int) -> float:
    """The value t with P(T <= t) = ``probability`` (0 < probability < 1)."""
    if not 0 < probability < 1:
        raise ValueError(f"probability is {probability}; allowed: above 0 and below 1")
    if probability < 0.5:
        return -quantile(1 - probability, degrees)
    low, high = 0.0, 1.0
    while cdf(high, degrees) < probability:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if cdf(middle, degrees) < probability else (low, middle)
    return high
