"""Results of several probes together: the verified rate, and a fit for the rate that meets the SLO exactly."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .judging import BAD, GOOD, PERCENTS

# Steepness of the fit: how fast the share over the limit grows with the rate, d logit / d ln(rate). It is bounded
# because a few probes say little about it. Simulated queues are within the bounds: the steepest have limits of many
# service times.
MIN_SLOPE, USUAL_SLOPE, MAX_SLOPE = 6.0, 16.0, 80.0
# A probe outside of these multiples of the bracket shows nothing about the rate that is searched for.
NEAR = (0.75, 1.2)
# Requests over the limit come in groups, so more than this number add no information.
MAX_WEIGHT = 30.0
# The estimate stays this close to the bracket of rates that held and failed: beyond it, no rate was loaded.
MAX_BELOW, MAX_ABOVE = 0.9, 1.1


def verified_rate(probes: Iterable[tuple[float, float, str]], seconds: float) -> float | None:
    """The highest rate that is verified by probes of (rate, measured seconds, verdict); None without one.

    It is lower than every rate that failed (if a lower rate failed than one that held, the failure counts). At this
    rate or above, the SLO was held for at least ``seconds`` in total: a rate holds if a higher rate holds.
    """
    probes = list(probes)
    failed = min((rate for rate, _, verdict in probes if verdict == BAD), default=math.inf)
    good = [(rate, length) for rate, length, verdict in probes if verdict == GOOD and rate < failed]
    proven = (rate for rate, _ in good if sum(length for other, length in good if other >= rate) >= seconds)
    return max(proven, default=None)


@dataclass(frozen=True)
class Point:
    """One probe for the fit. ``over``: the share (0 to 1) of ``offered`` requests that was over the limit."""

    rate_rps: float
    over: float
    offered: int

    @property
    def logit(self) -> float:
        """Log odds of being over the limit. Half a request is added on both sides, so that a count of 0 is not
        impossible.
        """
        count = self.over * self.offered
        return math.log((count + 0.5) / (self.offered - count + 0.5))

    @property
    def weight(self) -> float:
        """Roughly the inverse variance of the log odds. It is low if few requests are over the limit, or few are within
        it.
        """
        count = self.over * self.offered
        return min(count + 0.5, self.offered - count + 0.5, MAX_WEIGHT)


class OpenProbe(NamedTuple):
    """A probe at a rate, as judged; ``offered`` and ``within_limits`` count requests of its ``seconds``."""

    rate_rps: float
    seconds: float
    verdict: str
    offered: int
    within_limits: Mapping[str, int]


def points_of(name: str, probes: Iterable[OpenProbe]) -> list[Point]:
    """The probes that have information on the limit ``name``, as p95_ms."""
    return [
        Point(probe.rate_rps, 1 - probe.within_limits[name] / probe.offered, probe.offered)
        for probe in probes
        if probe.verdict in (GOOD, BAD) and probe.offered
    ]


@dataclass(frozen=True)
class Fit:
    """logit(share over the limit) = level + slope x (ln(rate) - centre), by weighted least squares over ``points``.

    Source: the steep part of the curve of a queue near its capacity is close to a straight line in these coordinates.
    ``spread`` is the weighted sum of squares of ln(rate) around ``centre``.
    """

    centre: float
    level: float
    slope: float
    spread: float
    points: tuple[Point, ...]

    def rate_at(self, over: float) -> float:
        """The rate at which this share (0 to 1, exclusive) is over the limit."""
        return math.exp(self.centre + (math.log(over / (1 - over)) - self.level) / self.slope)


def fit_near(points: Iterable[Point], lower_rps: float, upper_rps: float) -> Fit | None:
    """A fit to the points near the bracket from ``lower_rps`` to ``upper_rps``; None without such points."""
    near = tuple(point for point in points if NEAR[0] * lower_rps <= point.rate_rps <= NEAR[1] * upper_rps)
    total = sum(point.weight for point in near)
    if not near:
        return None
    centre = sum(point.weight * math.log(point.rate_rps) for point in near) / total
    level = sum(point.weight * point.logit for point in near) / total
    spread = sum(point.weight * (math.log(point.rate_rps) - centre) ** 2 for point in near)
    slope = USUAL_SLOPE
    if spread > 1e-9:
        steepness = sum(p.weight * (math.log(p.rate_rps) - centre) * (p.logit - level) for p in near) / spread
        slope = min(max(steepness, MIN_SLOPE), MAX_SLOPE)
    return Fit(centre, level, slope, spread, near)


def estimate_rps(fits: Mapping[str, Fit], lower_rps: float, upper_rps: float) -> tuple[str, float] | None:
    """The limit that is reached first, and its rate by the fits to each limit; the rate is kept near the bracket."""
    rates = {name: fit.rate_at(1 - PERCENTS[name] / 100) for name, fit in fits.items()}
    if not rates:
        return None
    name = min(rates, key=rates.__getitem__)
    return name, min(max(rates[name], MAX_BELOW * lower_rps), MAX_ABOVE * upper_rps)
