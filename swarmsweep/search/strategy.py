"""The order of the probes: unloaded, closed, bracket, bisection, confirmation, verification.

It depends on the probes so far.
"""

import math

from .fitting import Fit, OpenProbe, estimate_rps, fit_near, points_of, verified_rate
from .judging import BAD, GENERATOR, GOOD, PERCENTS, Judgement, judge_probe, least_requests
from .steps import UNLOADED, Profile, Step
from .summary import ProbeSummary, Slo, served_rate

# Rates while all hold, as multiples of the closed probe's: up to 1.1, then ever higher, because a closed probe with few
# connections finds too low a rate. Below: rates while all fail, as multiples of the last one.
FIRST, UP, UP_MORE = 0.8, (0.95, 1.1), (1.4, 2.0, 4.0)
DOWN = (0.75, 0.6, 0.5)
MAX_DOWN = 6
MAX_RPS = 1e6
# Where to verify, as shares of the fitted rate and of the lowest that failed. The values come from simulation. Nearer
# to the fit, a probe fails too often, and then limits the rate that can be verified. A rate that held is repeated from
# REPEAT_OF_FIT on; otherwise a new one is tried. A rate that is NEAR is near enough. With the last of the budget a
# lower rate is used, so that any rate is verified: by the fit, and at least MIN_LAST of the lowest that failed.
REPEAT_OF_FIT, NEW_OF_FIT, NEW_OF_FAILED = 0.95, 0.97, 0.985
NEAR_FIT, NEAR_FAILED = 0.94, 0.97
LAST_OF_FIT, LAST_OF_FAILED, MIN_LAST, SURE_OF_FIT = 0.94, 0.965, 0.7, 0.9
# A bracket whose upper end is more than this multiple of its lower one comes from a poor first guess, and the budget is
# too small to narrow it. A fit says nothing in it, so the rate that held is verified before higher ones are tried.
FAR_APART = 1.5

# How a search ends, see `Search`. Those of `WITH_RATE` need a verified rate.
ENDS = ("done", "budget", "generator", "max_rps", "no_load_passes")
WITH_RATE = ("done", "max_rps", "max_users")


class Search:
    """Decides which probe comes next, until the search has ended.

    Args:
        slo: p50_ms, p95_ms, p99_ms, mean_ms and max_failure_percent, those that are limited.
        connections: of the closed probe: enough to keep every worker of the API busy, and some more.
        arrivals: poisson or constant.
        max_rps: the highest rate that the search may try.

    ``ended`` is None while the search continues. Then it is one of: done; budget (ended early, with the results so
    far); generator (the API held every rate that the generator could make, or the generator prevented verification);
    max_rps (the API held the highest allowed rate); no_load_passes.
    """

    def __init__(
        self,
        profile: Profile,
        slo: Slo,
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
            raise ValueError(f"slo {dict(slo)} has no latency limit: without one, no rate is too high")
        self.ended: str | None = None
        self.spent_seconds = 0.0
        # Good responses per second to the closed probe; None before it.
        self._saturation_rps: float | None = None
        self._is_unloaded_known = False
        self._probes: list[OpenProbe] = []
        self._confirmed = 0

    def add(self, step: Step, summary: ProbeSummary, seconds: float | None = None) -> Judgement:
        """Add the summary of a probe (see `judge_probe`). ``seconds`` is the time that it took, if that is known."""
        judgement = judge_probe(step, summary, self.slo)
        self.spent_seconds += step.seconds if seconds is None else seconds
        measured = summary["measured"]
        if step.purpose == UNLOADED:
            self._is_unloaded_known = True
        elif step.rate_rps is None:
            self._saturation_rps = served_rate(measured)
        else:
            self._confirmed += step.purpose == "confirm"
            self._probes.append(
                OpenProbe(
                    step.rate_rps,
                    step.seconds_measure,
                    judgement.verdict,
                    measured["offered"],
                    summary["within_limits"],
                )
            )
        return judgement

    def next(self) -> Step | None:
        """The probe to be made now; None when the search has ended. A second call returns the same probe."""
        if self.ended:
            return None
        if not self._is_unloaded_known:
            return self._closed(UNLOADED, 1, self.profile.unloaded_settle_seconds, self.profile.unloaded_seconds)
        if self._saturation_rps is None:
            return self._closed(
                "probe", self.connections, self.profile.probe_settle_seconds, self.profile.probe_seconds
            )
        step = self._search(self._saturation_rps) or self._confirm() or self._verify()
        if step is None and self.ended is None:
            self.ended = self._how_it_ended()
        return step

    def _closed(self, purpose: str, connections: int, settle: float, measure: float) -> Step:
        return Step(purpose, "closed", None, connections, settle, measure)

    # Conclusions from the probes so far.

    @property
    def _most_rps(self) -> float:
        return min(self.max_rps or math.inf, MAX_RPS)

    def _rates(self, *verdicts: str) -> list[float]:
        return [probe.rate_rps for probe in self._probes if probe.verdict in verdicts]

    @property
    def _failed_rps(self) -> float:
        """Lowest rate at which the SLO was missed."""
        return min(self._rates(BAD), default=math.inf)

    @property
    def _unreached(self) -> list[float]:
        """Rates that the generator could not make, above all that it could make. Failures at lower rates were a
        disturbance.
        """
        made = max(self._rates(GOOD, BAD), default=0.0)
        return [rate for rate in self._rates(GENERATOR) if rate > made]

    @property
    def _repeatedly_unreached(self) -> list[float]:
        """Rates above all that held that the generator failed to make twice, whatever else it made."""
        rates, passed = self._rates(GENERATOR), max(self._passed, default=0.0)
        return [rate for rate in rates if rate > passed and rates.count(rate) > 1]

    @property
    def _passed(self) -> list[float]:
        """Rates that held the SLO below every rate that did not, ascending. If a lower rate failed, that failure
        counts.
        """
        return sorted({rate for rate in self._rates(GOOD) if rate < self._failed_rps})

    @property
    def _bracket(self) -> tuple[float, float]:
        return max(self._passed, default=self._failed_rps), self._failed_rps

    def _good_seconds(self, rate: float, below: float = math.inf) -> float:
        """How long the SLO was held at this rate or above, and lower than ``below``, in seconds."""
        failed = min(self._failed_rps, below)
        good = (probe for probe in self._probes if probe.verdict == GOOD and rate <= probe.rate_rps < failed)
        return sum(probe.seconds for probe in good)

    @property
    def _verified_rps(self) -> float | None:
        judged = [(probe.rate_rps, probe.seconds, probe.verdict) for probe in self._probes]
        return verified_rate(judged, self.profile.verify_seconds)

    def _fits(self) -> dict[str, Fit]:
        """For each percentile of the SLO, a fit to the probes near the bracket. Call it after a rate has failed."""
        lower, upper = self._bracket
        names = [name for name in PERCENTS if name in self.slo]
        return {name: fit for name in names if (fit := fit_near(points_of(name, self._probes), lower, upper))}

    def _fitted_rps(self) -> float:
        """The rate that meets the SLO exactly, from the probes near it. Call it only after a rate has failed."""
        lower, upper = self._bracket
        estimate = estimate_rps(self._fits(), lower, upper)
        return estimate[1] if estimate else (lower + upper) / 2

    # The steps of a search.

    def _search(self, saturation_rps: float) -> Step | None:
        """The next step of bracket or bisection; None when the bracket is narrow enough or the time is needed
        elsewhere.
        """
        if self._confirmed:
            return None
        passed, unreached = self._passed, self._unreached
        lower, upper = (
            max(passed, default=0.0),
            min(self._failed_rps, *unreached, *self._repeatedly_unreached, math.inf),
        )
        purpose, seconds = "bracket", self.profile.search_seconds
        rate: float | None
        if not self._probes:
            rate = self._first_rps(saturation_rps)
        elif len(unreached) == 1:
            # A second probe, before the generator is assumed to be at its limit: it may have been disturbed.
            rate = unreached[0]
        elif not passed:
            # Below all rates so far: after a rate that failed, the probe with a disturbed generator is not repeated.
            rate = self._lower(min(upper, *self._rates(GENERATOR), math.inf))
            seconds = self._lower_seconds()
        elif upper == math.inf:
            rate = self._higher(lower, saturation_rps)
        elif (upper - lower) / upper > self.profile.resolution:
            purpose, rate = "bisect", self._middle(lower, upper)
        else:
            rate = None
        if rate is None:
            return None
        return self._open(purpose, rate, seconds, self._reserve_seconds(lower, upper))

    def _lower_seconds(self) -> float:
        """The seconds to measure below all rates that failed: all that verify one, where no second probe could."""
        profile, left = self.profile, self.profile.budget_seconds - self.spent_seconds
        is_last = left < 2 * profile.settle_seconds + math.ceil(profile.search_seconds) + profile.verify_seconds
        return profile.verify_seconds if is_last else profile.search_seconds

    def _first_rps(self, saturation_rps: float) -> float:
        # An API that returns no good response on all those connections may still serve one request after the other.
        rate = FIRST * saturation_rps or self._wanted_requests / self.profile.search_seconds
        return min(max(rate, self._lowest_rps), self._most_rps)

    @property
    def _lowest_rps(self) -> float:
        """Below this rate, the longest probe has too few requests."""
        return self._wanted_requests / self.profile.longest_seconds

    @property
    def _wanted_requests(self) -> float:
        """The number of requests that a probe should expect, so that it has enough of them despite chance."""
        least = least_requests(self.slo)
        return least + (2 * math.sqrt(least) if self.arrivals == "poisson" else 1)

    def _higher(self, passed: float, saturation_rps: float) -> float | None:
        """A rate above all that held; None when no higher rate may be tried."""
        if passed >= self._most_rps:
            return None
        ladder = [factor * saturation_rps for factor in UP]
        above = [rate for rate in ladder if rate > 1.01 * passed]
        beyond = sum(rate > 1.01 * ladder[-1] for rate in self._rates(GOOD))
        rate = above[0] if above else passed * UP_MORE[min(beyond, len(UP_MORE) - 1)]
        return min(rate, self._most_rps)

    def _lower(self, upper: float) -> float | None:
        """A rate below all that failed; None when lower rates are useless."""
        tried = len(set(self._rates(BAD, GENERATOR)))
        if upper <= self._lowest_rps or tried > MAX_DOWN:
            return None
        down = DOWN[0] if upper in self._rates(GOOD) else DOWN[min(tried, len(DOWN)) - 1]
        return max(upper * down, self._lowest_rps)

    def _middle(self, lower: float, upper: float) -> float:
        """The next rate within the bracket."""
        return (lower + upper) / 2

    def _confirm(self) -> Step | None:
        """Long probes at and around the fitted rate, which is fitted anew each time."""
        done = self._confirmed
        if not self._rates(GOOD) or self._failed_rps == math.inf or done >= len(self.profile.confirm_factors):
            return None
        if self._is_unproven_far_below:
            return None
        lower, upper = self._bracket
        rate = self.profile.confirm_factors[done] * min(max(self._fitted_rps(), lower), upper)
        return self._open("confirm", rate, self.profile.confirm_seconds, self._first_proof_seconds())

    @property
    def _is_unproven_far_below(self) -> bool:
        """Whether no rate is verified, and all that held are far below the lowest that failed."""
        lower, upper = self._bracket
        return not self._verified_rps and 0 < FAR_APART * lower < upper < math.inf

    def _first_proof_seconds(self) -> float:
        """The seconds to verify the highest rate that held; 0 where a rate is verified, or none held."""
        top = max(self._passed, default=0.0)
        return self._hold_seconds(top) if top and not self._verified_rps else 0.0

    def _verify(self) -> Step | None:
        """The next step that holds a rate for as long as required.

        It is the highest rate that held. A new rate is used if that one is far below the fit, or has failed since.
        """
        good, verified, profile = self._rates(GOOD), self._verified_rps, self.profile
        if not good or self._is_proven(verified):
            return None
        if self._failed_rps == math.inf:
            return self._hold(max(good))
        fitted, failed, top = self._fitted_rps(), self._failed_rps, max(self._passed, default=0.0)
        new = min(NEW_OF_FIT * fitted, NEW_OF_FAILED * failed)
        # If the generator cannot make the preferred rate, only a rate that it made can be held.
        bounded = top > 0 and new >= min(self._repeatedly_unreached, default=math.inf)
        if bounded and verified == top:
            return None
        is_top = bounded or self._is_unproven_far_below or top >= REPEAT_OF_FIT * fitted or new < 1.01 * top
        rate = top if is_top else new
        left = profile.budget_seconds - self.spent_seconds
        lower = min(LAST_OF_FIT * fitted, LAST_OF_FAILED * rate)
        if left - self._hold_seconds(rate) < self._hold_seconds(lower, below=rate):
            # The last chance to verify a rate: if this one failed, the time for a lower one would be too short.
            if verified:
                return None if verified >= SURE_OF_FIT * fitted else self._hold(rate)
            rate = self._last_rps(min(rate, LAST_OF_FIT * fitted, LAST_OF_FAILED * failed), left)
        return self._hold(rate)

    def _last_rps(self, highest: float, left: float) -> float:
        """A rate that probably holds for as long as required in the ``left`` seconds.

        The fewer requests a probe has, the more chance moves its share over the limit. So the rate is one at which the
        fit predicts only a part of the allowed share. At a lower rate, more earlier probes count as held.
        """
        fits = [(fit, 1 - PERCENTS[name] / 100) for name, fit in self._fits().items()]
        safe = min((fit.rate_at(self.profile.last_share * over) for fit, over in fits), default=math.inf)
        rate = min(highest, max(safe, MIN_LAST * self._failed_rps))
        lower = [passed for passed in reversed(self._passed) if passed < rate]
        return next((known for known in (rate, *lower) if self._hold_seconds(known) <= left), rate)

    def _is_proven(self, verified: float | None) -> bool:
        """Whether the verified rate is as close to the capacity as a search of this length can get."""
        if not verified:
            return False
        if self._failed_rps == math.inf:
            return verified == max(self._rates(GOOD))
        return verified >= min(NEAR_FIT * self._fitted_rps(), NEAR_FAILED * self._failed_rps)

    def _hold(self, rate: float) -> Step | None:
        return self._open("verify", rate, self._hold_seconds(rate) - self.profile.settle_seconds)

    def _hold_seconds(self, rate: float, below: float = math.inf) -> float:
        """The missing seconds at this rate, settling included. Only probes at rates lower than ``below`` count."""
        missing = self.profile.verify_seconds - self._good_seconds(rate, below)
        return self.profile.settle_seconds + max(missing, self.profile.search_seconds)

    def _reserve_seconds(self, lower: float, upper: float) -> float:
        """The seconds that the search must leave for the rest: confirmation and another probe.

        While no rate has failed, it is only the time to verify. While no rate has held, it is 0. It is 0 also where a
        rate is verified that is far below those that failed.
        """
        if not lower:
            return 0.0
        if upper == math.inf or self._unreached:
            return self._hold_seconds(lower)
        if self._verified_rps and FAR_APART * lower < upper:
            return 0.0
        each = self.profile.settle_seconds + self._measure_seconds(lower, self.profile.confirm_seconds)
        return (len(self.profile.confirm_factors) + 1) * each

    def _measure_seconds(self, rate: float, seconds: float) -> float:
        """The seconds to measure: more for a low rate, so that there are enough requests for the percentiles."""
        return math.ceil(min(max(seconds, self._wanted_requests / rate), self.profile.longest_seconds))

    def _open(self, purpose: str, rate: float, seconds: float, reserve: float = 0.0) -> Step | None:
        """An open probe; None when the budget does not allow one that is long enough for a bracket."""
        if rate != self.max_rps:
            # Rounded for readers; the rate of an earlier probe is not changed.
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
            # If the generator could not make the rate, whether a lower one holds is unknown.
            return "generator" if min(self._rates(GENERATOR), default=math.inf) < self._failed_rps else "no_load_passes"
        proven = self._is_proven(self._verified_rps)
        if self._failed_rps == math.inf:
            if proven and max(good) >= self._most_rps:
                return "max_rps"
            return "generator" if self._unreached else "budget"
        if not proven and self._repeatedly_unreached:
            return "generator"
        return "done" if proven and self._confirmed >= len(self.profile.confirm_factors) else "budget"
