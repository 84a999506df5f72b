"""How a probe is judged: did the API hold its SLO, and was the load made that says so?"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .steps import Step
from .summary import Measured, ProbeSummary, Slo

GOOD, BAD, GENERATOR, PROBE = "good", "bad", "generator", "probe"
# Share of all offered requests, in percent, that must be answered right within the limit.
PERCENTS = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}
# Fewest requests from which a percentile is given, everywhere in the project: below, the tail is a handful of requests,
# and a percentile of it is chance.
MIN_REQUESTS = {"p50_ms": 10, "p95_ms": 20, "p99_ms": 100}
# A mean says nothing where requests failed: a refusal is fast. For an SLO that sets no limit of its own.
MAX_FAILURES_WITH_MEAN_PERCENT = 1.0
# The generator kept its rate: requests sent of those due, and how late 99 % of them were at most, as the greater of
# a time and a share of the tightest latency limit.
MIN_SENT = 0.99
MAX_LAG_MS, MAX_LAG_SHARE = 5.0, 0.02
# Standard deviations by which the requests in flight must grow before it is called growth.
BACKLOG_DEVIATIONS = 2.0
# First and last part of a window that are compared for it.
BACKLOG_SHARE = 0.15


@dataclass(frozen=True)
class Judgement:
    """``verdict``: good, bad, generator (the load was not made: says nothing about the API) or probe.

    ``over_percent``: of all offered requests, those that were not answered right within the latency limit that is
    nearest to being missed, or missed by most; None where no percentile is limited or nothing can be said.
    """

    verdict: str
    reason: str
    over_percent: float | None = None


def judge_probe(step: Step, summary: ProbeSummary, slo: Slo) -> Judgement:
    """Whether the API held its SLO in a probe.

    Args:
        summary: with ``within_limits`` for each of p50_ms, p95_ms and p99_ms of the SLO.
        slo: limits; those that are None do not count. A percentile is over all offered requests, so that one that
            failed, timed out, was dropped or not answered is over the limit; the mean is over those that ended.
    """
    measured = summary["measured"]
    if step.rate_rps is None:
        rate = measured["ok"] / measured["seconds"]
        return Judgement(PROBE, f"{_figure(rate)} right answers/s on {step.connections} connections")
    limits = {name: limit for name, limit in slo.items() if limit is not None}
    over_percent = _over_percent(summary, limits)
    if reason := _not_made(step.rate_rps, summary, limits):
        return Judgement(GENERATOR, reason, over_percent)
    reasons = [
        *_percentiles_missed(summary, limits),
        *_mean_missed(summary, limits),
        *_failures_missed(measured, limits),
        *_backlog(step.rate_rps, summary),
    ]
    if reasons:
        return Judgement(BAD, "; ".join(reasons), over_percent)
    return Judgement(GOOD, "all limits held", over_percent)


def _not_made(rate_rps: float, summary: ProbeSummary, limits: Mapping[str, float]) -> str | None:
    """Why the load was not what was ordered, or None."""
    measured = summary["measured"]
    if summary["workers_reported"] < summary["workers_ordered"]:
        return f"{summary['workers_reported']} of {summary['workers_ordered']} workers of the generator reported"
    if summary["stopped"]:
        return f"the probe was stopped: {summary['stopped']}"
    latencies = [limit for name, limit in limits.items() if name.endswith("_ms")]
    most_lag = max(MAX_LAG_MS, MAX_LAG_SHARE * min(latencies, default=0.0))
    lag = measured["lag_ms"].get("p99")
    if lag is not None and lag > most_lag and not _missed_without(_late_share(measured, most_lag), summary, limits):
        return f"requests were sent {lag:.1f} ms late (p99), at most {most_lag:g} ms is allowed"
    offered, dropped = measured["offered"], measured["dropped"]
    # Requests are dropped when too many are in flight. If those would take longer than the greatest limit even at the
    # full rate, it is the API that did not answer (Little's law).
    room = summary["order"]["most_in_flight"] * summary["workers_reported"]
    if dropped and 1000 * room / rate_rps < max(latencies, default=0.0):
        return f"{dropped} of {offered} requests were not sent: at most {room} may be in flight"
    sent = offered / measured["seconds"] / rate_rps
    # What is due by chance differs from the rate by a few standard deviations of a Poisson count.
    if sent < MIN_SENT - 4 / math.sqrt(rate_rps * measured["seconds"]):
        return f"only {_figure(offered / measured['seconds'])} of {_figure(rate_rps)} requests/s were due"
    if offered < (least := least_requests(limits)):
        return f"only {offered} requests were due by chance, but {least} are needed for the percentile"
    return None


def _late_share(measured: Measured, most_lag: float) -> float:
    """The greatest share of requests, 0 to 1, that can have been sent later than ``most_lag`` ms."""
    middle = measured["lag_ms"].get("p50")
    return 1.0 if middle is None or middle > most_lag else 0.5


def _missed_without(share: float, summary: ProbeSummary, limits: Mapping[str, float]) -> bool:
    """Whether a percentile is missed even if all of this share of requests had been in time but for the generator.

    An API that is far overloaded makes the generator late too: thousands of connections are opened and timed out.
    """
    offered = summary["measured"]["offered"]
    within = summary["within_limits"]
    return any(
        100 * (within[name] + share * offered) < percent * offered
        for name, percent in PERCENTS.items()
        if name in limits
    )


def _over_percent(summary: ProbeSummary, limits: Mapping[str, float]) -> float | None:
    """Share over the limit that is worst in proportion to what it allows."""
    offered = summary["measured"]["offered"]
    shares = [
        (100 * (offered - summary["within_limits"][name]) / offered, 100 - percent)
        for name, percent in PERCENTS.items()
        if name in limits and offered
    ]
    return max(shares, key=lambda share: share[0] / share[1], default=(None, 0))[0]


def _percentiles_missed(summary: ProbeSummary, limits: Mapping[str, float]) -> Iterable[str]:
    offered = summary["measured"]["offered"]
    for name, percent in PERCENTS.items():
        if name in limits and 100 * summary["within_limits"][name] < percent * offered:
            over = 100 * (offered - summary["within_limits"][name]) / offered
            yield f"{_figure(over)} % of requests over {limits[name]:g} ms, {100 - percent} % are allowed"


def _mean_missed(summary: ProbeSummary, limits: Mapping[str, float]) -> Iterable[str]:
    if "mean_ms" not in limits:
        return
    measured = summary["measured"]
    ended = measured["ok"] + measured["failed"] + measured["timed_out"]
    failures = _failure_percent(measured)
    if failures > limits.get("max_failure_percent", MAX_FAILURES_WITH_MEAN_PERCENT):
        yield f"the mean is meaningless, because {_figure(failures)} % of requests failed"
    elif ended:
        mean = sum(part["latency_ms_sum"] for part in summary["bins"] if part["second"] >= 0) / ended
        if mean > limits["mean_ms"]:
            yield f"mean {mean:.1f} ms, {limits['mean_ms']:g} ms is allowed"


def _failures_missed(measured: Measured, limits: Mapping[str, float]) -> Iterable[str]:
    failures = _failure_percent(measured)
    if failures > limits.get("max_failure_percent", 100):
        yield f"{_figure(failures)} % of requests failed, {limits['max_failure_percent']:g} % is allowed"


def _failure_percent(measured: Measured) -> float:
    """Failed, timed out, dropped and unanswered requests, of all."""
    offered = measured["offered"]
    return 100 * (offered - measured["ok"]) / offered if offered else 0.0


def least_requests(slo: Slo) -> int:
    """Fewest requests of a probe that can be good."""
    return max((least for name, least in MIN_REQUESTS.items() if slo.get(name) is not None), default=1)


def _backlog(rate_rps: float, summary: ProbeSummary) -> Iterable[str]:
    """Requests in flight that grow by more than chance allows even at full load.

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
    if growth > BACKLOG_DEVIATIONS * math.sqrt(2 * rate_rps * seconds):
        yield f"requests in flight grew by {growth:.0f}: requests arrive faster than the API responds"


def _figure(value: float) -> str:
    """Four digits at most, as 0.333, 12.5 or 1234."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
