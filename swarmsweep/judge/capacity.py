"""The capacity of a configuration: of one deployment from its probes, and of several deployments together.

There are two rates. The *verified* one was loaded and held; it is never interpolated. The *estimate* is where a fit to
the nearby probes meets the SLO exactly. It is nearer to the truth, but was not itself loaded.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, stdev

from swarmsweep.judge.capacity_sentence import (
    GENERATOR_LIMIT,
    ITERATIONS,
    MAX_RPS_LIMIT,
    MAX_USERS_LIMIT,
    REQUESTS,
    USERS,
    capacity_sentence,
)
from swarmsweep.judge.next_step import Counts, next_step
from swarmsweep.judge.shown_probe import longest, shown_probe
from swarmsweep.raw.search_files import ProbeEntry, SearchFile
from swarmsweep.search import (
    BAD,
    GENERATOR,
    GOOD,
    MAX_ABOVE,
    MAX_BELOW,
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
from swarmsweep.sweep.load import ARRIVALS

CONFIDENCE = 0.95
WIDEST = math.log(10)
# A line has two parameters, so with fewer points nothing shows how far they are from it.
MIN_POINTS = 3


@dataclass(frozen=True)
class Capacity:
    """The capacity of one deployment within its SLO, in requests per second.

    ``verified_rps``: the highest rate, below every rate that failed, that is verified. The SLO must have been held at
    this rate or above for as long as the profile requires. ``verified_probe`` is the number of the longest probe at
    that rate. Both are None where no rate was verified. ``is_lower_bound``: no rate failed, so the capacity may be
    higher. ``limited_by`` says why the search did not try higher rates. ``estimate_rps`` is None unless some rate held
    and some rate failed. For ``interval_rps`` see `interval_of`. ``next_step``: what to do, where no rate was verified.

    A search with users finds numbers of users, and the fields of this name have them. Then the rates are what the
    generator measured at these numbers: between two probes interpolated, below the lowest one proportional, and above
    the highest one constant, because an API that is full serves no more. The same holds for a search by arrivals, and
    the fields of iterations per second.
    """

    verified_rps: float | None
    verified_probe: int | None
    is_lower_bound: bool
    estimate_rps: float | None
    interval_rps: tuple[float, float] | None
    limited_by: str | None
    sentence: str
    next_step: str | None = None
    verified_users: int | None = None
    estimate_users: float | None = None
    interval_users: tuple[float, float] | None = None
    verified_iterations_per_second: float | None = None


@dataclass(frozen=True)
class Combined:
    """The capacity over several deployments: the smallest verified rate and the geometric mean of the estimates.

    The numbers of users are those of the smallest verified rate, and of the mean estimate of all deployments.
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
    verified_users: int | None = None
    estimate_users: float | None = None
    verified_iterations_per_second: float | None = None


def capacity_of(search: SearchFile, counts: Mapping[int, Counts], slo: Slo) -> Capacity:
    """The capacity that the probes of one deployment show.

    Args:
        search: a search, finished or not.
        counts: by number of the probe. A probe without counts is used by its verdict alone.
        slo: limits by name, as p95_ms. A limit that is None is ignored.
    """
    entries = [(entry, level) for entry in search.probes if entry.is_searched and (level := entry.level) is not None]
    judged = [(level, entry.seconds_measure, entry.verdict) for entry, level in entries]
    by_users = any(entry.users is not None for entry in search.probes)
    unit = USERS if by_users else ITERATIONS if search.order.by == ARRIVALS else REQUESTS
    verified = verified_rate(judged, search.profile.verify_seconds)
    held = [rate for rate, _, verdict in judged if verdict == GOOD]
    failed = [rate for rate, _, verdict in judged if verdict == BAD]
    is_lower_bound = bool(held) and not failed
    most = search.order.max_users if by_users else search.order.max_rps
    limited_by = _limited_by(judged, most, by_users) if is_lower_bound else None
    estimate, interval = None, None
    if held and failed:
        probes = [
            OpenProbe(level, entry.seconds_measure, entry.verdict, seen.offered, seen.within_limits)
            for entry, level in entries
            if (seen := counts.get(entry.number)) is not None
        ]
        below = [rate for rate in held if rate < min(failed)]
        estimate, interval = _estimate(probes, max(below, default=min(failed)), min(failed), slo)
    shown = shown_probe(search.probes, verified) if verified is not None else None
    found = Capacity(
        verified_rps=verified,
        verified_probe=None if shown is None else shown.number,
        is_lower_bound=is_lower_bound,
        estimate_rps=estimate,
        interval_rps=interval,
        limited_by=limited_by,
        sentence=capacity_sentence(judged, unit, verified, limited_by, search.profile.verify_seconds),
        next_step=next_step(search, counts, slo) if verified is None else None,
    )
    return found if unit == REQUESTS else _with_rates(found, unit, entries, counts)


def _with_rates(
    found: Capacity, unit: str, entries: Sequence[tuple[ProbeEntry, float]], counts: Mapping[int, Counts]
) -> Capacity:
    """A capacity in users or iterations, with the rates that were measured.

    The rate at a number is that of its longest probe. So the verified rate is that of ``verified_probe``, whose
    latencies the page shows beside it.
    """
    probes: dict[float, list[ProbeEntry]] = {}
    for entry, users in entries:
        if entry.number in counts and entry.verdict in (GOOD, BAD):
            probes.setdefault(users, []).append(entry)
    known = sorted(
        (users, counts[shown.number].ok_rps) for users, same in probes.items() if (shown := longest(same)) is not None
    )

    def rate_at(users: float | None) -> float | None:
        return None if users is None or not known else _interpolated(known, users)

    interval = found.interval_rps
    measured = replace(
        found,
        verified_rps=rate_at(found.verified_rps),
        estimate_rps=rate_at(found.estimate_rps),
        interval_rps=_rates_within(known, interval, found.estimate_rps) if interval and known else None,
    )
    if unit == ITERATIONS:
        return replace(measured, verified_iterations_per_second=found.verified_rps)
    return replace(
        measured,
        verified_users=None if found.verified_rps is None else round(found.verified_rps),
        estimate_users=found.estimate_rps,
        interval_users=interval,
    )


def _rates_within(
    known: Sequence[tuple[float, float]], interval: tuple[float, float], estimate: float | None = None
) -> tuple[float, float]:
    """The lowest and the highest rate at numbers of this interval. More users may get a lower rate than fewer.

    The rate of the estimate is one of them: beyond the capacity, those of both ends may be lower.
    """
    low, high = interval
    ends = [_interpolated(known, users) for users in (low, high, estimate) if users is not None]
    rates = [*ends, *(rate for users, rate in known if low < users < high)]
    return min(rates), max(rates)


def _interpolated(known: Sequence[tuple[float, float]], users: float) -> float:
    """The rate at a number of users, from those at other numbers, which ascend."""
    if users <= known[0][0]:
        return known[0][1] * users / known[0][0]
    for (lower, rate), (upper, next_rate) in pairwise(known):
        if users <= upper:
            return rate + (next_rate - rate) * (users - lower) / (upper - lower)
    return known[-1][1]


def across(capacities: Sequence[Capacity]) -> Combined:
    """Combine several deployments of one configuration; without any, all fields are None.

    The interval is Student's for the mean of the logarithms (so for the geometric mean), at 95 %. The lower bound is
    one-sided, at 95 %. A deployment that held every rate is counted with its verified rate, which is too low.
    """
    count = len(capacities)
    verified = [capacity.verified_rps for capacity in capacities if capacity.verified_rps is not None]
    smallest = min(verified, default=None) if len(verified) == count else None
    is_lower_bound = any(capacity.is_lower_bound and capacity.verified_rps == smallest for capacity in capacities)
    users, estimates = _users(capacities, smallest)
    iterations = _iterations(capacities, smallest)
    blank = Combined(smallest, None, None, None, count, False, is_lower_bound, users, None, iterations)
    if count == 1:
        return Combined(
            smallest,
            capacities[0].estimate_rps,
            capacities[0].interval_rps,
            None,
            1,
            False,
            capacities[0].is_lower_bound,
            users,
            estimates,
            iterations,
        )
    rates = (capacity.verified_rps if capacity.is_lower_bound else capacity.estimate_rps for capacity in capacities)
    logs = [math.log(rate) for rate in rates if rate is not None]
    if not count or len(logs) < count or all(capacity.is_lower_bound for capacity in capacities):
        return blank
    mean, error = fmean(logs), stdev(logs) / math.sqrt(count)
    half = quantile((1 + CONFIDENCE) / 2, count - 1) * error
    lower = math.exp(mean - quantile(CONFIDENCE, count - 1) * error)
    interval = (math.exp(mean - half), math.exp(mean + half))
    return Combined(
        smallest, math.exp(mean), interval, lower, count, True, is_lower_bound, users, estimates, iterations
    )


def _users(capacities: Sequence[Capacity], smallest_rps: float | None) -> tuple[int | None, float | None]:
    """The users of the smallest verified rate, and the geometric mean of those of the estimates."""
    verified = [one.verified_users for one in capacities if one.verified_rps == smallest_rps and one.verified_users]
    estimates = [one.estimate_users for one in capacities if one.estimate_users]
    every = estimates and len(estimates) == len(capacities)
    mean = math.exp(fmean(math.log(users) for users in estimates)) if every else None
    return min(verified, default=None) if smallest_rps is not None else None, mean


def _iterations(capacities: Sequence[Capacity], smallest_rps: float | None) -> float | None:
    """The rate of iterations of the smallest verified rate."""
    rates = [one.verified_iterations_per_second for one in capacities if one.verified_rps == smallest_rps]
    known = [rate for rate in rates if rate is not None]
    return min(known, default=None) if smallest_rps is not None else None


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
    if len(fit.points) < MIN_POINTS:
        return None
    degrees_of_freedom = len(fit.points) - 2
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
    """The rate at which the limit that binds first is met exactly, with its interval.

    Where probes contradict each other, the fit may know less than the bracket: its interval contains all rates that an
    estimate may have. Then the estimate is kept between the rate that held and the rate that failed.
    """
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
    if interval is None:
        is_contradicted = len(fits[name].points) >= MIN_POINTS
    else:
        is_contradicted = interval[0] <= MAX_BELOW * lower and MAX_ABOVE * upper <= interval[1]
    if is_contradicted and lower < upper:
        rate = min(max(rate, lower), upper)
    return rate, (min(interval[0], rate), max(interval[1], rate)) if interval else None


def _limited_by(judged: Sequence[tuple[float, float, str]], most: float | None, by_users: bool) -> str | None:
    """Why no rate failed."""
    if any(verdict == GENERATOR for _, _, verdict in judged):
        return GENERATOR_LIMIT
    if not most or not any(rate >= most for rate, _, verdict in judged if verdict == GOOD):
        return None
    return MAX_USERS_LIMIT if by_users else MAX_RPS_LIMIT
