"""The capacity of a configuration: of one deployment from its probes, and of several deployments together.

There are two rates. The *verified* one was loaded and held; it is never interpolated. The *estimate* is where a fit to
the nearby probes meets the SLO exactly. It is nearer to the truth, but was not itself loaded.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from swarmsweep.judge.next_step import Counts, next_step
from swarmsweep.raw.search_files import ProbeEntry, SearchFile
from swarmsweep.search import (
    BAD,
    GENERATOR,
    GOOD,
    PERCENTS,
    Fit,
    OpenProbe,
    Slo,
    estimate_rps,
    fit_near,
    points_of,
    verified_rate,
)
from swarmsweep.stats import quantile
from swarmsweep.units import format_figure

CONFIDENCE = 0.95
WIDEST = math.log(10)
GENERATOR_LIMIT, MAX_RPS_LIMIT = "generator", "max_rps"


@dataclass(frozen=True)
class Capacity:
    """The capacity of one deployment within its SLO, in requests per second.

    ``verified_rps``: the highest rate, below every rate that failed, that is verified. The SLO must have been held at
    this rate or above for as long as the profile requires. ``verified_probe`` is the number of a probe at that rate.
    Both are None where no rate was verified. ``is_lower_bound``: no rate failed, so the capacity may be higher.
    ``limited_by`` says why the search did not try higher rates. ``estimate_rps`` is None unless some rate held and some
    rate failed. For ``interval_rps`` see `interval_of`. ``next_step``: what to do, where no rate was verified.
    """

    verified_rps: float | None
    verified_probe: int | None
    is_lower_bound: bool
    estimate_rps: float | None
    interval_rps: tuple[float, float] | None
    limited_by: str | None
    sentence: str
    next_step: str | None = None


@dataclass(frozen=True)
class Combined:
    """The capacity over several deployments: the smallest verified rate and the geometric mean of the estimates.

    ``between``: the interval and the one-sided lower bound come from the spread between deployments, so they hold for
    the next deployment too. With a single deployment, the interval is the one within it, and there is no lower bound.
    """

    verified_rps: float | None
    estimate_rps: float | None
    interval_rps: tuple[float, float] | None
    lower_bound_rps: float | None
    deployments: int
    between: bool
    is_lower_bound: bool


def capacity_of(search: SearchFile, counts: Mapping[int, Counts], slo: Slo) -> Capacity:
    """The capacity that the probes of one deployment show.

    Args:
        search: a search, finished or not.
        counts: by number of the probe. A probe without counts is used by its verdict alone.
        slo: limits by name, as p95_ms. A limit that is None is ignored.
    """
    judged = [
        (entry.rate_rps, entry.seconds_measure, entry.verdict) for entry in search.probes if entry.rate_rps is not None
    ]
    verified = verified_rate(judged, search.profile.verify_seconds)
    held = [rate for rate, _, verdict in judged if verdict == GOOD]
    failed = [rate for rate, _, verdict in judged if verdict == BAD]
    is_lower_bound = bool(held) and not failed
    limited_by = _limited_by(judged, search.order.max_rps) if is_lower_bound else None
    estimate, interval = None, None
    if held and failed:
        probes = [
            OpenProbe(entry.rate_rps, entry.seconds_measure, entry.verdict, seen.offered, seen.within_limits)
            for entry in search.probes
            if entry.rate_rps is not None and (seen := counts.get(entry.number)) is not None
        ]
        below = [rate for rate in held if rate < min(failed)]
        estimate, interval = _estimate(probes, max(below, default=min(failed)), min(failed), slo)
    seconds = sum(length for rate, length, verdict in judged if verdict == GOOD and verified and rate >= verified)
    return Capacity(
        verified_rps=verified,
        verified_probe=_probe_at(search.probes, verified),
        is_lower_bound=is_lower_bound,
        estimate_rps=estimate,
        interval_rps=interval,
        limited_by=limited_by,
        sentence=_sentence(
            verified, seconds, min(failed, default=None), held, limited_by, search.profile.verify_seconds
        ),
        next_step=next_step(search, counts, slo) if verified is None else None,
    )


def across(capacities: Sequence[Capacity]) -> Combined:
    """Combine several deployments of one configuration; without any, all fields are None.

    The interval is Student's for the mean of the logarithms (so for the geometric mean), at 95 %. The lower bound is
    one-sided, at 95 %. A deployment that held every rate is counted with its verified rate, which is too low.
    """
    count = len(capacities)
    verified = [capacity.verified_rps for capacity in capacities if capacity.verified_rps is not None]
    smallest = min(verified, default=None) if len(verified) == count else None
    is_lower_bound = any(capacity.is_lower_bound and capacity.verified_rps == smallest for capacity in capacities)
    blank = Combined(smallest, None, None, None, count, False, is_lower_bound)
    if count == 1:
        return Combined(
            smallest,
            capacities[0].estimate_rps,
            capacities[0].interval_rps,
            None,
            1,
            False,
            capacities[0].is_lower_bound,
        )
    rates = (capacity.verified_rps if capacity.is_lower_bound else capacity.estimate_rps for capacity in capacities)
    logs = [math.log(rate) for rate in rates if rate is not None]
    if not count or len(logs) < count or all(capacity.is_lower_bound for capacity in capacities):
        return blank
    mean, error = fmean(logs), stdev(logs) / math.sqrt(count)
    half = quantile((1 + CONFIDENCE) / 2, count - 1) * error
    lower = math.exp(mean - quantile(CONFIDENCE, count - 1) * error)
    interval = (math.exp(mean - half), math.exp(mean + half))
    return Combined(smallest, math.exp(mean), interval, lower, count, True, is_lower_bound)


def interval_of(fit: Fit, over: float) -> tuple[float, float] | None:
    """95 % interval of `Fit.rate_at`, in requests per second. None with fewer than three probes, or when probes
    contradict each other so much that the interval would reach ten times the rate.

    It covers differences between probes of one deployment, such as chance in arrivals and in the server. It also holds
    when requests over the limit come in groups, because it uses the spread of whole probes about the line. It does not
    cover differences between deployments, nor the curvature of the true curve.

    The delta method for the inverse of a weighted regression (Draper and Smith, Applied Regression Analysis, 3.2):
    variance of ln(rate) = residual / slope^2 x (1 / sum of weights + (ln(rate) - centre)^2 / spread), times Student's
    quantile. The residual variance is at least what independent requests would have.
    """
    degrees_of_freedom = len(fit.points) - 2
    if degrees_of_freedom < 1:
        return None
    middle = math.log(fit.rate_at(over))
    rows = [(p.weight, p.logit - fit.level - fit.slope * (math.log(p.rate_rps) - fit.centre)) for p in fit.points]
    residual = max(sum(weight * miss**2 for weight, miss in rows) / degrees_of_freedom, 1.0)
    lever = (middle - fit.centre) ** 2 / fit.spread if fit.spread > 0 else 0.0
    error = math.sqrt(residual * (1 / sum(weight for weight, _ in rows) + lever)) / fit.slope
    half = quantile((1 + CONFIDENCE) / 2, degrees_of_freedom) * error
    return (math.exp(middle - half), math.exp(middle + half)) if half < WIDEST else None


def _estimate(
    probes: Sequence[OpenProbe], lower: float, upper: float, slo: Slo
) -> tuple[float | None, tuple[float, float] | None]:
    """The rate at which the limit that binds first is met exactly, with its interval."""
    fits = {
        name: fit
        for name in PERCENTS
        if slo.get(name) is not None and (fit := fit_near(points_of(name, probes), lower, upper))
    }
    binding = estimate_rps(fits, lower, upper)
    if binding is None:
        return None, None
    name, rate = binding
    interval = interval_of(fits[name], 1 - PERCENTS[name] / 100)
    return rate, (min(interval[0], rate), max(interval[1], rate)) if interval else None


def _limited_by(judged: Sequence[tuple[float, float, str]], max_rps: float | None) -> str | None:
    """Why no rate failed."""
    if any(verdict == GENERATOR for _, _, verdict in judged):
        return GENERATOR_LIMIT
    return MAX_RPS_LIMIT if max_rps and any(rate >= max_rps for rate, _, verdict in judged if verdict == GOOD) else None


def _probe_at(entries: Sequence[ProbeEntry], verified: float | None) -> int | None:
    """The longest good probe at the verified rate, or the last of several with the same length."""
    good = (entry for entry in entries if entry.verdict == GOOD and entry.rate_rps == verified)
    longest = max(good, key=lambda entry: (entry.seconds_measure, entry.number), default=None)
    return None if longest is None else longest.number


def _sentence(
    verified: float | None,
    seconds: float,
    failed: float | None,
    held: Sequence[float],
    limited_by: str | None,
    verify_seconds: float,
) -> str:
    """The capacity in words."""
    if verified is None:
        if not held:
            low = f". The lowest tested rate was {format_figure(failed)} requests/s" if failed else ""
            return f"No rate held the SLO{low}."
        return (
            f"{format_figure(max(held))} requests/s held the SLO once, but no rate held it for the "
            f"{verify_seconds:g} s that a verified rate needs."
        )
    sentence = f"{format_figure(verified)} requests/s held the SLO for {seconds:g} s"
    if failed is not None:
        return f"{sentence}. {format_figure(failed)} requests/s did not."
    reasons = {
        GENERATOR_LIMIT: "the load generator could not send a higher rate",
        MAX_RPS_LIMIT: "the allowed maximum rate was reached",
        None: "the search ended before a higher rate failed",
    }
    return f"{sentence}. The capacity may be higher, because {reasons[limited_by]}."
