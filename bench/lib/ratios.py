"""Ratios of a benchmark: medians of side-by-side measurements, and their targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from swarmsweep.errors import LabError


@dataclass(frozen=True)
class Ratio:
    """The ratio of two rows with the same unit, and its target."""

    name: str
    of: str
    over: str
    at_least: float


@dataclass(frozen=True)
class Spread:
    """Median, smallest and greatest value of several rounds."""

    median: float
    least: float
    greatest: float


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value; with one, all three are that value."""
    return Spread(median(values), min(values), max(values))


def per_round(of: Sequence[float], over: Sequence[float]) -> list[float]:
    """Quotients of the same rounds.

    Raises:
        LabError: different numbers of rounds, none, or a divisor that is not positive.
    """
    if len(of) != len(over) or not of:
        raise LabError(f"a ratio needs the same rounds of both: {len(of)} and {len(over)} were measured")
    if min(over) <= 0:
        raise LabError(f"a ratio over {min(over):g} says nothing")
    return [first / second for first, second in zip(of, over, strict=True)]


def compute(ratios: Sequence[Ratio], rounds: Mapping[str, Sequence[float]]) -> dict[str, Spread]:
    """Every ratio: the median over rounds of its quotient, not the quotient of two medians, because what disturbs a
    machine for a while disturbs both rows of that round.

    Args:
        ratios: what to compute.
        rounds: value of each row in each round.
    """
    return {ratio.name: spread(per_round(rounds[ratio.of], rounds[ratio.over])) for ratio in ratios}
