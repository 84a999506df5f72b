"""The search for the highest rate at which an API holds its SLO: which load comes next, and how a trial is judged.

    search = Search(PROFILES["standard"], {"p95_ms": 300, "max_failure_percent": 1}, connections=10, arrivals="poisson")
    while step := search.next():
        judgement = search.add(step, summary_of_the_trial)

Nothing here measures, waits or reads a file: the next step follows from the trials so far alone. Only the standard
library is used, because this one file is copied to the load hosts.

A closed *probe* shows about how much the API can serve at all. From there a *bracket* is sought (a rate that held the
SLO below one that did not), halved by *bisection*, and loaded at and around the rate that a fit to all trials foretells
(*confirm*). Last, the highest rate that held is repeated until it has held for long enough (*verify*).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GOOD, BAD, GENERATOR, PROBE = "good", "bad", "generator", "probe"
# Share of all offered requests, in percent, that must be answered right within the limit.
PERCENTS = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}
# Fewest requests from which a percentile is told, as everywhere in the project.
LEAST_REQUESTS = {"p50_ms": 10, "p95_ms": 20, "p99_ms": 100}
# A mean says nothing where requests failed: a refusal is fast. For an SLO that sets no limit of its own.
MOST_FAILURES_WITH_MEAN_PERCENT = 1.0
# The generator kept its rate: requests sent of those due, and how late 99 % of them were at most, as the greater of
# a time and a share of the tightest latency limit.
LEAST_SENT = 0.99
MOST_LAG_MS, MOST_LAG_SHARE = 5.0, 0.02
# Standard deviations by which the requests under way must grow before it is called growth.
BACKLOG_DEVIATIONS = 2.0
# First and last part of a window that are compared for it.
BACKLOG_SHARE = 0.15
# Rates to look at while all hold, as multiples of what the probe could do: up to 1.1, then ever higher, because a probe
# with few connections sees too little. Below, while none holds, as multiples of the last.
FIRST, UP, UP_MORE = 0.8, (0.95, 1.1), (1.4, 2.0, 4.0)
DOWN = (0.75, 0.6, 0.5)
MOST_DOWN = 6
MOST_RPS = 1e6
# Steepness of the fit: how fast the share over the limit grows with the rate, d logit / d ln(rate). Bounds because few
# trials say little about it. Simulated queues lie between: the steepest have limits of many service times.
LEAST_SLOPE, USUAL_SLOPE, MOST_SLOPE = 6.0, 16.0, 80.0
# A trial outside of these multiples of the bracket says nothing about the rate sought.
NEAR = (0.75, 1.2)
# Requests over the limit come together, so more than these say nothing more.
MOST_WEIGHT = 30.0
# The estimate stays so near to the bracket of what held and what failed: beyond it nothing was seen.
MOST_BELOW, MOST_ABOVE = 0.9, 1.1
# Where to verify, as shares of the fitted rate and of the lowest that failed. Chosen by simulation: nearer to the fit a
# trial fails too often, and then caps what can be verified. A rate that held is repeated from REPEAT_OF_FIT on, else a
# new one is tried; one that is NEAR is near enough; with the last of the budget a lower one is taken, to have any.
REPEAT_OF_FIT, NEW_OF_FIT, NEW_OF_FAILED = 0.95, 0.97, 0.985
NEAR_FIT, NEAR_FAILED = 0.94, 0.97
LAST_OF_FIT, LAST_OF_FAILED, SURE_OF_FIT = 0.94, 0.965, 0.9


@dataclass(frozen=True)
class Profile:
    """How much load a search may take. ``budget_seconds`` bounds settling and measuring of all trials together.

    ``settle_seconds`` belong to each open trial and are not measured. ``resolution``: bisection ends when the bracket
    is this share of its upper end. ``confirm_factors`` are multiples of the fitted rate. ``verify_seconds``: so long
    must the verified rate have held, at it or above.
    """

    name: str
    budget_seconds: float
    probe_settle_seconds: float
    probe_seconds: float
    settle_seconds: float
    search_seconds: float
    confirm_seconds: float
    resolution: float
    confirm_factors: tuple[float, ...]
    verify_seconds: float

    @property
    def longest_seconds(self) -> float:
        """Most that one trial may measure: one that is made longer for a low rate must leave time for another."""
        return self.budget_seconds / 2 - self.probe_seconds - self.settle_seconds


PROFILES = {
    profile.name: profile
    for profile in (
        # For trying things out: shows the order of magnitude, and that all works.
        Profile("smoke", 60, 1, 4, 1.5, 4.5, 8, 0.12, (1.0, 0.97), 12),
        # Short trials to bracket, long ones to decide: any that fails by chance below the capacity caps what can be
        # verified.
        Profile("standard", 420, 2, 13, 5, 20, 55, 0.08, (1.0, 0.97, 1.02), 80),
        Profile("publish", 1200, 2, 28, 8, 50, 150, 0.08, (1.0, 0.97, 1.02), 240),
    )
}


@dataclass(frozen=True)
class Step:
    """One trial to be made. ``purpose``: probe, bracket, bisect, confirm or verify; ``kind``: closed, poisson or
    constant. A closed one has ``connections``, an open one a ``rate_rps``."""

    purpose: str
    kind: str
    rate_rps: float | None
    connections: int | None
    seconds_settle: float
    seconds_measure: float

    @property
    def seconds(self) -> float:
        """What it takes of the budget."""
        return self.seconds_settle + self.seconds_measure


@dataclass(frozen=True)
class Judgement:
    """``verdict``: good, bad, generator (the load was not made: says nothing about the API) or probe.

    ``over_percent``: of all offered requests, those that were not answered right within the latency limit that is
    nearest to being missed, or missed by most; None where no percentile is limited or nothing can be said.
    """

    verdict: str
    reason: str
    over_percent: float | None = None


def judge(step: Step, summary: Mapping[str, Any], slo: Mapping[str, float]) -> Judgement:
    """Whether the API held its SLO in a trial.

    Args:
        summary: what `trials.Trials.run` returns, with ``within_limits``: for each of p50_ms, p95_ms and p99_ms of the
            SLO, how many requests due in the measured window were answered right within it.
        slo: limits; those that are None do not count. A percentile is over all offered requests, so that one that
            failed, timed out, was dropped or not answered is over the limit; the mean is over those that ended.
    """
    measured = summary["measured"]
    if step.kind == "closed":
        rate = measured["ok"] / measured["seconds"]
        return Judgement(PROBE, f"{_figure(rate)} right answers/s on {step.connections} connections")
    limits = {name: limit for name, limit in slo.items() if limit is not None}
    over_percent = _over_percent(summary, limits)
    if reason := _not_made(step, summary, limits):
        return Judgement(GENERATOR, reason, over_percent)
    reasons = [
        *_percentiles_missed(summary, limits),
        *_mean_missed(summary, limits),
        *_failures_missed(measured, limits),
        *_backlog(step, summary),
    ]
    if reasons:
        return Judgement(BAD, "; ".join(reasons), over_percent)
    return Judgement(GOOD, "all limits held", over_percent)


def _not_made(step: Step, summary: Mapping[str, Any], limits: Mapping[str, float]) -> str | None:
    """Why the load was not what was ordered, or None."""
    measured = summary["measured"]
    if summary["workers_reported"] < summary["workers_ordered"]:
        return f"{summary['workers_reported']} of {summary['workers_ordered']} workers of the generator reported"
    if summary["stopped"]:
        return f"the trial was stopped: {summary['stopped']}"
    latencies = [limit for name, limit in limits.items() if name.endswith("_ms")]
    most_lag = max(MOST_LAG_MS, MOST_LAG_SHARE * min(latencies, default=0.0))
    lag = measured["lag_ms"]["p99"]
    if lag is not None and lag > most_lag and not _missed_without(_late_share(measured, most_lag), summary, limits):
        return f"requests were sent {lag:.1f} ms late (p99), at most {most_lag:g} ms is allowed"
    offered, dropped = measured["offered"], measured["dropped"]
    # Requests are dropped when too many are under way. If those would take longer than the greatest limit even at the
    # full rate, it is the API that did not answer (Little's law).
    room = summary["order"]["most_in_flight"] * summary["workers_reported"]
    if dropped and 1000 * room / step.rate_rps < max(latencies, default=0.0):
        return f"{dropped} of {offered} requests were not sent: at most {room} may be under way"
    sent = offered / measured["seconds"] / step.rate_rps
    # What is due by chance differs from the rate by a few standard deviations of a Poisson count.
    if sent < LEAST_SENT - 4 / math.sqrt(step.rate_rps * measured["seconds"]):
        return f"only {_figure(offered / measured['seconds'])} of {_figure(step.rate_rps)} requests/s were due"
    if offered < (least := least_requests(limits)):
        return f"only {offered} requests were due by chance, {least} are the fewest that tell the percentile"
    return None


def _late_share(measured: Mapping[str, Any], most_lag: float) -> float:
    """The greatest share of requests, 0 to 1, that can have been sent later than ``most_lag`` ms."""
    middle = measured["lag_ms"].get("p50")
    return 1.0 if middle is None or middle > most_lag else 0.5


def _missed_without(share: float, summary: Mapping[str, Any], limits: Mapping[str, float]) -> bool:
    """Whether a percentile is missed even if all of this share of requests had been in time but for the generator.

    An API that is far overloaded makes the generator late too: thousands of connections are opened and given up.
    """
    offered = summary["measured"]["offered"]
    within = summary["within_limits"]
    return any(
        100 * (within[name] + share * offered) < percent * offered
        for name, percent in PERCENTS.items()
        if name in limits
    )


def _over_percent(summary: Mapping[str, Any], limits: Mapping[str, float]) -> float | None:
    """Share over the limit that is worst in proportion to what it allows."""
    offered = summary["measured"]["offered"]
    shares = [
        (100 * (offered - summary["within_limits"][name]) / offered, 100 - percent)
        for name, percent in PERCENTS.items()
        if name in limits and offered
    ]
    return max(shares, key=lambda share: share[0] / share[1], default=(None, 0))[0]


def _percentiles_missed(summary: Mapping[str, Any], limits: Mapping[str, float]) -> Iterable[str]:
    offered = summary["measured"]["offered"]
    for name, percent in PERCENTS.items():
        if name in limits and 100 * summary["within_limits"][name] < percent * offered:
            over = 100 * (offered - summary["within_limits"][name]) / offered
            yield f"{_figure(over)} % of requests over {limits[name]:g} ms, {100 - percent} % are allowed"


def _mean_missed(summary: Mapping[str, Any], limits: Mapping[str, float]) -> Iterable[str]:
    if "mean_ms" not in limits:
        return
    measured = summary["measured"]
    ended = measured["ok"] + measured["failed"] + measured["timed_out"]
    failures = _failure_percent(measured)
    if failures > limits.get("max_failure_percent", MOST_FAILURES_WITH_MEAN_PERCENT):
        yield f"a mean says nothing where {_figure(failures)} % of requests failed"
    elif ended:
        mean = sum(part["latency_ms_sum"] for part in summary["bins"] if part["second"] >= 0) / ended
        if mean > limits["mean_ms"]:
            yield f"mean {mean:.1f} ms, {limits['mean_ms']:g} ms is allowed"


def _failures_missed(measured: Mapping[str, Any], limits: Mapping[str, float]) -> Iterable[str]:
    failures = _failure_percent(measured)
    if failures > limits.get("max_failure_percent", 100):
        yield f"{_figure(failures)} % of requests failed, {limits['max_failure_percent']:g} % is allowed"


def _failure_percent(measured: Mapping[str, Any]) -> float:
    """Failed, timed out, dropped and unanswered requests, of all."""
    offered = measured["offered"]
    return 100 * (offered - measured["ok"]) / offered if offered else 0.0


def least_requests(slo: Mapping[str, float]) -> int:
    """Fewest requests of a trial that can be good."""
    return max((least for name, least in LEAST_REQUESTS.items() if slo.get(name) is not None), default=1)


def _backlog(step: Step, summary: Mapping[str, Any]) -> Iterable[str]:
    """Requests under way that grow by more than chance allows even at full load.

    With Poisson arrivals and services that vary no more than exponential ones, the queue of a fully loaded server is a
    random walk, whose change over T seconds has a variance of at most 2 x rate x T. A fit of a line to the seconds, as
    if they were independent, would find growth in most stable queues near their capacity.
    """
    seconds = summary["measured"]["seconds"]
    levels = [
        part["in_flight_mean"]
        for part in summary["bins"]
        if 0 <= part["second"] < seconds and part["in_flight_mean"] is not None
    ]
    part = max(1, round(BACKLOG_SHARE * len(levels)))
    if len(levels) < 4:
        return
    growth = sum(levels[-part:]) / part - sum(levels[:part]) / part
    if growth > BACKLOG_DEVIATIONS * math.sqrt(2 * step.rate_rps * seconds):
        yield f"requests under way grew by {growth:.0f}: they come faster than they are answered"


def verified_rate(trials: Iterable[tuple[float, float, str]], seconds: float) -> float | None:
    """The highest rate that is proven by trials of (rate, measured seconds, verdict); None where none is.

    It lies below every rate that failed (on inversion the smaller failing one counts), and at it or above the SLO was
    held for at least ``seconds`` altogether: what holds at a higher rate holds at a lower one.
    """
    trials = list(trials)
    failed = min((rate for rate, _, verdict in trials if verdict == BAD), default=math.inf)
    good = [(rate, length) for rate, length, verdict in trials if verdict == GOOD and rate < failed]
    proven = (rate for rate, _ in good if sum(length for other, length in good if other >= rate) >= seconds)
    return max(proven, default=None)


@dataclass(frozen=True)
class Point:
    """One trial as the fit sees it. ``over``: the share (0 to 1) of ``offered`` requests that was over the limit."""

    rate_rps: float
    over: float
    offered: int

    @property
    def logit(self) -> float:
        """Log odds of being over, with half a request added on both sides: none over is not impossible."""
        count = self.over * self.offered
        return math.log((count + 0.5) / (self.offered - count + 0.5))

    @property
    def weight(self) -> float:
        """About the inverse variance of the log odds; too few over the limit say as little as too few within it."""
        count = self.over * self.offered
        return min(count + 0.5, self.offered - count + 0.5, MOST_WEIGHT)


def points_of(name: str, trials: Iterable[tuple[float, str, Mapping[str, Any]]]) -> list[Point]:
    """Trials of (rate, verdict, summary) that say something about the limit ``name``, as p95_ms."""
    return [
        Point(rate, 1 - summary["within_limits"][name] / summary["measured"]["offered"], summary["measured"]["offered"])
        for rate, verdict, summary in trials
        if verdict in (GOOD, BAD) and summary["measured"]["offered"]
    ]


@dataclass(frozen=True)
class Fit:
    """logit(share over the limit) = level + slope x (ln(rate) - centre), by weighted least squares over ``points``.

    Source: the steep part of the curve of a queue near its capacity is close to a straight line in these coordinates.
    ``spread`` is the weighted sum of squares of ln(rate) around ``centre``; ``bounded``: the slope is one of the bounds
    or the usual one, not that of the points.
    """

    centre: float
    level: float
    slope: float
    spread: float
    bounded: bool
    points: tuple[Point, ...]

    def rate_at(self, over: float) -> float:
        """The rate at which this share (0 to 1, exclusive) is over the limit."""
        return math.exp(self.centre + (math.log(over / (1 - over)) - self.level) / self.slope)


def fit_near(points: Iterable[Point], lower_rps: float, upper_rps: float) -> Fit | None:
    """A fit to the points about the bracket from ``lower_rps`` to ``upper_rps``; None where there are none."""
    near = tuple(point for point in points if NEAR[0] * lower_rps <= point.rate_rps <= NEAR[1] * upper_rps)
    total = sum(point.weight for point in near)
    if not near:
        return None
    centre = sum(point.weight * math.log(point.rate_rps) for point in near) / total
    level = sum(point.weight * point.logit for point in near) / total
    spread = sum(point.weight * (math.log(point.rate_rps) - centre) ** 2 for point in near)
    slope = free = USUAL_SLOPE
    if spread > 1e-9:
        free = sum(p.weight * (math.log(p.rate_rps) - centre) * (p.logit - level) for p in near) / spread
        slope = min(max(free, LEAST_SLOPE), MOST_SLOPE)
    return Fit(centre, level, slope, spread, slope != free or spread <= 1e-9, near)


def estimate_rps(fits: Mapping[str, Fit], lower_rps: float, upper_rps: float) -> tuple[str, float] | None:
    """The limit that binds first and the rate at which it does, by the fits to each; kept about the bracket."""
    rates = {name: fit.rate_at(1 - PERCENTS[name] / 100) for name, fit in fits.items()}
    if not rates:
        return None
    name = min(rates, key=rates.__getitem__)
    return name, min(max(rates[name], MOST_BELOW * lower_rps), MOST_ABOVE * upper_rps)


@dataclass(frozen=True)
class _Trial:
    step: Step
    judgement: Judgement
    # Only what is needed later: the bins of a whole search would stay in memory.
    summary: Mapping[str, Any]


class Search:
    """Says which trial comes next, until it has ended.

    Args:
        slo: p50_ms, p95_ms, p99_ms, mean_ms and max_failure_percent, those that are limited.
        connections: of the closed probe, as many as keep every worker of the API busy and some more.
        arrivals: poisson or constant.
        max_rps: rates above it are of no interest.

    ``ended`` is None while it goes on, then: done; budget (stopped early, with what there is); generator (the API held
    every rate that the generator could make); max_rps (it held the highest rate asked for); no_load_passes.
    """

    def __init__(
        self,
        profile: Profile,
        slo: Mapping[str, float],
        connections: int,
        arrivals: str = "poisson",
        max_rps: float | None = None,
    ) -> None:
        self.profile, self.connections, self.arrivals, self.max_rps = profile, connections, arrivals, max_rps
        self.slo = {name: limit for name, limit in slo.items() if limit is not None}
        if arrivals not in ("poisson", "constant"):
            raise ValueError(f"arrivals is {arrivals!r}; allowed: poisson, constant")
        if connections < 1:
            raise ValueError(f"connections is {connections!r}; allowed: 1 and more")
        if max_rps is not None and not max_rps > 0:
            raise ValueError(f"max_rps is {max_rps!r}; allowed: above 0, or None")
        if not any(name.endswith("_ms") for name in self.slo):
            raise ValueError(f"slo {dict(slo)} limits no latency: without one, no rate is too high")
        self.ended: str | None = None
        self.spent_seconds = 0.0
        self._trials: list[_Trial] = []

    def add(self, step: Step, summary: Mapping[str, Any]) -> Judgement:
        """Take the summary of a trial (see `judge`) into account."""
        judgement = judge(step, summary, self.slo)
        self.spent_seconds += step.seconds
        kept = {name: summary.get(name) for name in ("measured", "within_limits")}
        self._trials.append(_Trial(step, judgement, kept))
        return judgement

    def next(self) -> Step | None:
        """The trial to be made now; None when the search has ended. Asking again gives the same answer."""
        if self.ended:
            return None
        if not self._trials:
            return Step(
                "probe", "closed", None, self.connections, self.profile.probe_settle_seconds, self.profile.probe_seconds
            )
        step = self._search() or self._confirm() or self._verify()
        if step is None and self.ended is None:
            self.ended = self._how_it_ended()
        return step

    # What the trials say so far.

    @property
    def _probed_rps(self) -> float:
        measured = self._trials[0].summary["measured"]
        return measured["ok"] / measured["seconds"]

    @property
    def _most_rps(self) -> float:
        return min(self.max_rps or math.inf, MOST_RPS)

    def _rates(self, *verdicts: str) -> list[float]:
        return [trial.step.rate_rps for trial in self._trials if trial.judgement.verdict in verdicts]

    @property
    def _failed_rps(self) -> float:
        """Lowest rate at which the SLO was missed."""
        return min(self._rates(BAD), default=math.inf)

    @property
    def _unmade(self) -> list[float]:
        """Rates that the generator could not make, above all that it could; those below were a disturbance."""
        made = max(self._rates(GOOD, BAD), default=0.0)
        return [rate for rate in self._rates(GENERATOR) if rate > made]

    @property
    def _passed(self) -> list[float]:
        """Rates that held the SLO below every one that did not, ascending: on inversion the failing one counts."""
        return sorted({rate for rate in self._rates(GOOD) if rate < self._failed_rps})

    @property
    def _bracket(self) -> tuple[float, float]:
        return max(self._passed, default=self._failed_rps), self._failed_rps

    def _good_seconds(self, rate: float) -> float:
        """How long the SLO was held at this rate or above."""
        return sum(
            trial.step.seconds_measure
            for trial in self._trials
            if trial.judgement.verdict == GOOD and rate <= trial.step.rate_rps < self._failed_rps
        )

    @property
    def _verified_rps(self) -> float | None:
        trials = [(trial.step.rate_rps, trial.step.seconds_measure, trial.judgement.verdict) for trial in self._opened]
        return verified_rate(trials, self.profile.verify_seconds)

    @property
    def _opened(self) -> list[_Trial]:
        return [trial for trial in self._trials if trial.step.kind != "closed"]

    def _fitted_rps(self) -> float:
        """The rate that meets the SLO exactly, by the trials near it. To be asked for once a rate has failed."""
        lower, upper = self._bracket
        trials = [(trial.step.rate_rps, trial.judgement.verdict, trial.summary) for trial in self._opened]
        fits = {name: fit_near(points_of(name, trials), lower, upper) for name in PERCENTS if name in self.slo}
        estimate = estimate_rps(fits, lower, upper)
        return estimate[1] if estimate else (lower + upper) / 2

    # Steps.

    def _search(self) -> Step | None:
        """The next step of bracket or bisection; None when the bracket is narrow enough or time is needed elsewhere."""
        if any(trial.step.purpose == "confirm" for trial in self._trials):
            return None
        passed, unmade = self._passed, self._unmade
        lower, upper = max(passed, default=0.0), min(self._failed_rps, *unmade, math.inf)
        purpose = "bracket"
        if not self._opened:
            rate = self._first_rps()
        elif len(unmade) == 1:
            # Before the generator is believed to be at its limit: it may have been disturbed.
            rate = unmade[0]
        elif not passed:
            rate = self._lower(upper)
        elif upper == math.inf:
            rate = self._higher(lower)
        elif (upper - lower) / upper > self.profile.resolution:
            purpose, rate = "bisect", (lower + upper) / 2
        else:
            rate = None
        if rate is None:
            return None
        return self._open(purpose, rate, self.profile.search_seconds, self._reserve_seconds(lower, upper))

    def _first_rps(self) -> float:
        # An API that answers nothing on all those connections may still answer one request after the other.
        rate = FIRST * self._probed_rps or self._wanted_requests / self.profile.search_seconds
        return min(max(rate, self._lowest_rps), self._most_rps)

    @property
    def _lowest_rps(self) -> float:
        """Rate below which the longest trial has too few requests."""
        return self._wanted_requests / self.profile.longest_seconds

    @property
    def _wanted_requests(self) -> float:
        """Requests to be expected of a trial, so that it has enough of them in spite of chance."""
        least = least_requests(self.slo)
        return least + (2 * math.sqrt(least) if self.arrivals == "poisson" else 1)

    def _higher(self, passed: float) -> float | None:
        """A rate above all that held, or None when there is none of interest."""
        if passed >= self._most_rps:
            return None
        ladder = [factor * self._probed_rps for factor in UP]
        above = [rate for rate in ladder if rate > 1.01 * passed]
        beyond = sum(rate > 1.01 * ladder[-1] for rate in self._rates(GOOD))
        rate = above[0] if above else passed * UP_MORE[min(beyond, len(UP_MORE) - 1)]
        return min(rate, self._most_rps)

    def _lower(self, upper: float) -> float | None:
        """A rate below all that failed, or None when lower ones make no sense."""
        tried = len(set(self._rates(BAD, GENERATOR)))
        if upper <= self._lowest_rps or tried > MOST_DOWN:
            return None
        return max(upper * DOWN[min(tried, len(DOWN)) - 1], self._lowest_rps)

    def _confirm(self) -> Step | None:
        """Long trials at and around the fitted rate, which is fitted anew each time."""
        done = sum(trial.step.purpose == "confirm" for trial in self._trials)
        if not self._rates(GOOD) or self._failed_rps == math.inf or done >= len(self.profile.confirm_factors):
            return None
        lower, upper = self._bracket
        rate = self.profile.confirm_factors[done] * min(max(self._fitted_rps(), lower), upper)
        return self._open("confirm", rate, self.profile.confirm_seconds)

    def _verify(self) -> Step | None:
        """Hold a rate for as long as is asked for: the highest that held, or a new one where that is far below the fit
        or has failed since."""
        good, verified, profile = self._rates(GOOD), self._verified_rps, self.profile
        if not good or self._is_proven(verified):
            return None
        if self._failed_rps == math.inf:
            return self._hold(max(good))
        fitted, failed, top = self._fitted_rps(), self._failed_rps, max(self._passed, default=0.0)
        new = min(NEW_OF_FIT * fitted, NEW_OF_FAILED * failed)
        rate = top if top >= REPEAT_OF_FIT * fitted or new < 1.01 * top else new
        left = profile.budget_seconds - self.spent_seconds
        if left - self._hold_seconds(rate) < profile.settle_seconds + 0.6 * profile.verify_seconds:
            # The last chance.
            if verified:
                return None if verified >= SURE_OF_FIT * fitted else self._hold(rate)
            rate = min(rate, LAST_OF_FIT * fitted, LAST_OF_FAILED * failed)
        return self._hold(rate)

    def _is_proven(self, verified: float | None) -> bool:
        """Whether the verified rate is as near to the capacity as a search of this length brings it."""
        if not verified:
            return False
        if self._failed_rps == math.inf:
            return verified == max(self._rates(GOOD))
        return verified >= min(NEAR_FIT * self._fitted_rps(), NEAR_FAILED * self._failed_rps)

    def _hold(self, rate: float) -> Step | None:
        return self._open("verify", rate, self._hold_seconds(rate) - self.profile.settle_seconds)

    def _hold_seconds(self, rate: float) -> float:
        """What is missing at this rate, settling included."""
        missing = self.profile.verify_seconds - self._good_seconds(rate)
        return self.profile.settle_seconds + max(missing, self.profile.search_seconds)

    def _reserve_seconds(self, lower: float, upper: float) -> float:
        """What the search must leave for the rest: confirmation and another trial; to verify alone where nothing has
        failed yet, and nothing before anything has held."""
        if not lower:
            return 0.0
        if upper == math.inf or self._unmade:
            return self._hold_seconds(lower)
        each = self.profile.settle_seconds + self._measure_seconds(lower, self.profile.confirm_seconds)
        return (len(self.profile.confirm_factors) + 1) * each

    def _measure_seconds(self, rate: float, seconds: float) -> float:
        """Longer for a low rate, so that there are enough requests for the percentiles."""
        return math.ceil(min(max(seconds, self._wanted_requests / rate), self.profile.longest_seconds))

    def _open(self, purpose: str, rate: float, seconds: float, reserve: float = 0.0) -> Step | None:
        """An open trial, or None when the budget does not allow one that is long enough to bracket."""
        if rate != self.max_rps:
            # Figures that people can read; the rate of an earlier trial stays the same.
            rate = min(float(f"{rate:.4g}"), self._most_rps)
        settle, left = self.profile.settle_seconds, self.profile.budget_seconds - self.spent_seconds - reserve
        shortest = self._measure_seconds(rate, self.profile.search_seconds)
        if settle + shortest > left:
            return None
        measure = min(self._measure_seconds(rate, seconds), math.floor(left - settle))
        return Step(purpose, self.arrivals, rate, None, settle, max(measure, shortest))

    def _how_it_ended(self) -> str:
        good = self._rates(GOOD)
        if not good:
            return "generator" if self._unmade and not self._rates(BAD) else "no_load_passes"
        proven = self._is_proven(self._verified_rps)
        if self._failed_rps == math.inf:
            if proven and max(good) >= self._most_rps:
                return "max_rps"
            return "generator" if self._unmade else "budget"
        confirmed = sum(trial.step.purpose == "confirm" for trial in self._trials)
        return "done" if proven and confirmed >= len(self.profile.confirm_factors) else "budget"


def _figure(value: float) -> str:
    """Four digits at most, as 0.333, 12.5 or 1234."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
