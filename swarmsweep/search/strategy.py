"""Which probe comes next: bracket, bisection, confirmation and proof, as the probes so far ask for."""

import math

from .fitting import OpenProbe, estimate_rps, fit_near, points_of, verified_rate
from .judging import BAD, GENERATOR, GOOD, PERCENTS, Judgement, judge_probe, least_requests
from .steps import Profile, Step
from .summary import ProbeSummary, Slo

# Rates to look at while all hold, as multiples of what the closed probe could do: up to 1.1, then ever higher, because
# one with few connections sees too little. Below, while all fail, as multiples of the last.
FIRST, UP, UP_MORE = 0.8, (0.95, 1.1), (1.4, 2.0, 4.0)
DOWN = (0.75, 0.6, 0.5)
MAX_DOWN = 6
MAX_RPS = 1e6
# Where to verify, as shares of the fitted rate and of the lowest that failed. Chosen by simulation: nearer to the fit a
# probe fails too often, and then caps what can be verified. A rate that held is repeated from REPEAT_OF_FIT on, else a
# new one is tried; one that is NEAR is near enough; with the last of the budget a lower one is taken, to have any.
REPEAT_OF_FIT, NEW_OF_FIT, NEW_OF_FAILED = 0.95, 0.97, 0.985
NEAR_FIT, NEAR_FAILED = 0.94, 0.97
LAST_OF_FIT, LAST_OF_FAILED, SURE_OF_FIT = 0.94, 0.965, 0.9


class Search:
    """Says which probe comes next, until it has ended.

    Args:
        slo: p50_ms, p95_ms, p99_ms, mean_ms and max_failure_percent, those that are limited.
        connections: of the closed probe, as many as keep every worker of the API busy and some more.
        arrivals: poisson or constant.
        max_rps: rates above it are of no interest.

    ``ended`` is None while it goes on, then: done; budget (stopped early, with what there is); generator (the API held
    every rate that the generator could make, or because of it no more could be proven); max_rps (it held the highest
    rate asked for); no_load_passes.
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
            raise ValueError(f"slo {dict(slo)} limits no latency: without one, no rate is too high")
        self.ended: str | None = None
        self.spent_seconds = 0.0
        # Right answers per second to the closed probe; None before it.
        self._saturation_rps: float | None = None
        self._probes: list[OpenProbe] = []
        self._confirmed = 0

    def add(self, step: Step, summary: ProbeSummary) -> Judgement:
        """Take the summary of a probe (see `judge_probe`) into account."""
        judgement = judge_probe(step, summary, self.slo)
        self.spent_seconds += step.seconds
        measured = summary["measured"]
        if step.rate_rps is None:
            self._saturation_rps = measured["ok"] / measured["seconds"]
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
        """The probe to be made now; None when the search has ended. Asking again gives the same answer."""
        if self.ended:
            return None
        if self._saturation_rps is None:
            return Step(
                "probe", "closed", None, self.connections, self.profile.probe_settle_seconds, self.profile.probe_seconds
            )
        step = self._search(self._saturation_rps) or self._confirm() or self._verify()
        if step is None and self.ended is None:
            self.ended = self._how_it_ended()
        return step

    # What the probes say so far.

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
        """Rates that the generator could not make, above all that it could; those below were a disturbance."""
        made = max(self._rates(GOOD, BAD), default=0.0)
        return [rate for rate in self._rates(GENERATOR) if rate > made]

    @property
    def _repeatedly_unreached(self) -> list[float]:
        """Rates above all that passed that the generator could not make a second time either, whatever else it made."""
        rates, passed = self._rates(GENERATOR), max(self._passed, default=0.0)
        return [rate for rate in rates if rate > passed and rates.count(rate) > 1]

    @property
    def _passed(self) -> list[float]:
        """Rates that held the SLO below every one that did not, ascending: on inversion the failing one counts."""
        return sorted({rate for rate in self._rates(GOOD) if rate < self._failed_rps})

    @property
    def _bracket(self) -> tuple[float, float]:
        return max(self._passed, default=self._failed_rps), self._failed_rps

    def _good_seconds(self, rate: float) -> float:
        """How long the SLO was held at this rate or above."""
        failed = self._failed_rps
        good = (probe for probe in self._probes if probe.verdict == GOOD and rate <= probe.rate_rps < failed)
        return sum(probe.seconds for probe in good)

    @property
    def _verified_rps(self) -> float | None:
        judged = [(probe.rate_rps, probe.seconds, probe.verdict) for probe in self._probes]
        return verified_rate(judged, self.profile.verify_seconds)

    def _fitted_rps(self) -> float:
        """The rate that meets the SLO exactly, by the probes near it. To be asked for once a rate has failed."""
        lower, upper = self._bracket
        names = [name for name in PERCENTS if name in self.slo]
        fits = {name: fit for name in names if (fit := fit_near(points_of(name, self._probes), lower, upper))}
        estimate = estimate_rps(fits, lower, upper)
        return estimate[1] if estimate else (lower + upper) / 2

    # Steps.

    def _search(self, saturation_rps: float) -> Step | None:
        """The next step of bracket or bisection; None when the bracket is narrow enough or time is needed elsewhere."""
        if self._confirmed:
            return None
        passed, unreached = self._passed, self._unreached
        lower, upper = (
            max(passed, default=0.0),
            min(self._failed_rps, *unreached, *self._repeatedly_unreached, math.inf),
        )
        purpose = "bracket"
        rate: float | None
        if not self._probes:
            rate = self._first_rps(saturation_rps)
        elif len(unreached) == 1:
            # Before the generator is believed to be at its limit: it may have been disturbed.
            rate = unreached[0]
        elif not passed:
            # Below all that was tried: after a rate that failed, a disturbed generator is not worth a second look.
            rate = self._lower(min(upper, *self._rates(GENERATOR), math.inf))
        elif upper == math.inf:
            rate = self._higher(lower, saturation_rps)
        elif (upper - lower) / upper > self.profile.resolution:
            purpose, rate = "bisect", (lower + upper) / 2
        else:
            rate = None
        if rate is None:
            return None
        return self._open(purpose, rate, self.profile.search_seconds, self._reserve_seconds(lower, upper))

    def _first_rps(self, saturation_rps: float) -> float:
        # An API that answers nothing on all those connections may still answer one request after the other.
        rate = FIRST * saturation_rps or self._wanted_requests / self.profile.search_seconds
        return min(max(rate, self._lowest_rps), self._most_rps)

    @property
    def _lowest_rps(self) -> float:
        """Rate below which the longest probe has too few requests."""
        return self._wanted_requests / self.profile.longest_seconds

    @property
    def _wanted_requests(self) -> float:
        """Requests to be expected of a probe, so that it has enough of them in spite of chance."""
        least = least_requests(self.slo)
        return least + (2 * math.sqrt(least) if self.arrivals == "poisson" else 1)

    def _higher(self, passed: float, saturation_rps: float) -> float | None:
        """A rate above all that held, or None when there is none of interest."""
        if passed >= self._most_rps:
            return None
        ladder = [factor * saturation_rps for factor in UP]
        above = [rate for rate in ladder if rate > 1.01 * passed]
        beyond = sum(rate > 1.01 * ladder[-1] for rate in self._rates(GOOD))
        rate = above[0] if above else passed * UP_MORE[min(beyond, len(UP_MORE) - 1)]
        return min(rate, self._most_rps)

    def _lower(self, upper: float) -> float | None:
        """A rate below all that failed, or None when lower ones make no sense."""
        tried = len(set(self._rates(BAD, GENERATOR)))
        if upper <= self._lowest_rps or tried > MAX_DOWN:
            return None
        return max(upper * DOWN[min(tried, len(DOWN)) - 1], self._lowest_rps)

    def _confirm(self) -> Step | None:
        """Long probes at and around the fitted rate, which is fitted anew each time."""
        done = self._confirmed
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
        # A rate that the generator made is all that can be held where it cannot make the one that ought to be.
        bounded = top > 0 and new >= min(self._repeatedly_unreached, default=math.inf)
        if bounded and verified == top:
            return None
        rate = top if bounded or top >= REPEAT_OF_FIT * fitted or new < 1.01 * top else new
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
        """What the search must leave for the rest: confirmation and another probe; to verify alone where nothing has
        failed yet, and nothing before anything has held."""
        if not lower:
            return 0.0
        if upper == math.inf or self._unreached:
            return self._hold_seconds(lower)
        each = self.profile.settle_seconds + self._measure_seconds(lower, self.profile.confirm_seconds)
        return (len(self.profile.confirm_factors) + 1) * each

    def _measure_seconds(self, rate: float, seconds: float) -> float:
        """Longer for a low rate, so that there are enough requests for the percentiles."""
        return math.ceil(min(max(seconds, self._wanted_requests / rate), self.profile.longest_seconds))

    def _open(self, purpose: str, rate: float, seconds: float, reserve: float = 0.0) -> Step | None:
        """An open probe, or None when the budget does not allow one that is long enough to bracket."""
        if rate != self.max_rps:
            # Figures that people can read; the rate of an earlier probe stays the same.
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
            # Whether a lower rate holds is not known where the generator could not make it.
            return "generator" if min(self._rates(GENERATOR), default=math.inf) < self._failed_rps else "no_load_passes"
        proven = self._is_proven(self._verified_rps)
        if self._failed_rps == math.inf:
            if proven and max(good) >= self._most_rps:
                return "max_rps"
            return "generator" if self._unreached else "budget"
        if not proven and self._repeatedly_unreached:
            return "generator"
        return "done" if proven and self._confirmed >= len(self.profile.confirm_factors) else "budget"
