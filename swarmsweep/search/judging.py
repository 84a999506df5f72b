"""Judging a probe: whether the API held its SLO, and whether the load was made as ordered."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .steps import UNLOADED, Step
from .summary import Measured, ProbeSummary, Slo, due_and_dropped

GOOD, BAD, GENERATOR, PROBE = "good", "bad", "generator", "probe"
HELD = "all limits held"  # the reason of a good probe
# The share of all offered requests, in percent, that must have a good response within the limit.
PERCENTS = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}
# The minimum number of requests for a percentile, everywhere in the project. With fewer, the tail is a handful of
# requests, and its percentile is chance.
MIN_REQUESTS = {"p50_ms": 10, "p95_ms": 20, "p99_ms": 100}
# The default for an SLO without its own limit of failures. A mean shows nothing where requests failed, because a
# refusal is fast.
MAX_FAILURES_WITH_MEAN_PERCENT = 1.0
# The generator kept its rate if this share of due requests was sent, and 99 % of them with at most this lag. The lag is
# the greater of a time and a share of the tightest latency limit.
MIN_SENT = 0.99
MAX_LAG_MS, MAX_LAG_SHARE = 5.0, 0.02
# Workers of a search by arrivals may begin this share of the window apart: meanwhile, a part of the rate is missing.
MAX_APART_SHARE = 0.05
# Requests in flight must grow by this many standard deviations before it counts as growth.
BACKLOG_DEVIATIONS = 2.0
# The first and last part of a window, which are compared for growth.
BACKLOG_SHARE = 0.15
# If at least this share of the users that have not begun a task wait for a response, the API delays their on_start, and
# not the scenario.
LOGIN_SHARE = 0.5
# Percent of one core in the busiest second of a Locust worker. Above it, the worker delays requests itself, and users
# who wait for responses measure this delay.
MAX_WORKER_CPU_PERCENT = 90.0


@dataclass(frozen=True)
class Judgement:
    """``verdict``: good, bad, generator (the load was not made: no result for the API) or probe.

    ``over_percent``: the percentage of all offered requests without a good response within one latency limit. It is the
    limit that is nearest to being missed, or is missed by most. None where no percentile is limited or no figure
    exists.
    """

    verdict: str
    reason: str
    over_percent: float | None = None


def judge_probe(step: Step, summary: ProbeSummary, slo: Slo) -> Judgement:
    """Whether the API held its SLO in a probe.

    Args:
        summary: with ``within_limits`` for each of p50_ms, p95_ms and p99_ms of the SLO.
        slo: limits; a limit that is None is ignored. A percentile is over all offered requests: a request that failed,
            timed out, was dropped or has no response is over the limit. The mean is over those that ended.
    """
    measured = summary["measured"]
    if step.users is not None:
        return _judge_users(step, step.users, summary, slo)
    if step.rate_rps is None:
        rate = measured["ok"] / measured["seconds"]
        word = "connection" if measured.get("iterations") is None else "user"
        connections = f"{step.connections} {word}{'s' * (step.connections != 1)}"
        return Judgement(PROBE, f"{_figure(rate)} good responses/s on {connections}")
    limits = {name: limit for name, limit in slo.items() if limit is not None}
    over_percent = _over_percent(summary, limits)
    if reason := _not_made(step.rate_rps, summary, limits):
        return Judgement(GENERATOR, reason, over_percent)
    reasons = [
        *_percentiles_missed(summary, limits),
        *_mean_missed(summary, limits),
        *_failures_missed(measured, limits),
        *_iterations_failed(measured, limits),
        *_backlog(step.rate_rps, summary),
    ]
    if reasons:
        return Judgement(BAD, "; ".join(reasons), over_percent)
    return Judgement(GOOD, HELD, over_percent)


def _judge_users(step: Step, users: int, summary: ProbeSummary, slo: Slo) -> Judgement:
    """A probe of users who wait for each response. They cannot send faster than the API responds, so no backlog grows.

    The share over a limit is that of the requests that began in the window.
    """
    measured = summary["measured"]
    limits = {name: limit for name, limit in slo.items() if limit is not None}
    over_percent = _over_percent(summary, limits)
    if step.purpose == UNLOADED:
        rate = measured["ok"] / measured["seconds"]
        return Judgement(PROBE, f"{_figure(rate)} good responses/s to one user")
    if reason := _logins_missed(users, summary):
        return Judgement(BAD, reason, over_percent)
    if reason := _users_not_made(users, summary):
        return Judgement(GENERATOR, reason, over_percent)
    if measured["offered"] < (least := least_requests(limits)):
        waiting = [part["in_flight_mean"] for part in summary["bins"] if part["second"] >= 0]
        known = [level for level in waiting if level is not None]
        if known and sum(known) / len(known) >= users / 2:
            reason = f"only {measured['offered']} requests began, because most of {users} users waited for a response"
            return Judgement(BAD, reason, over_percent)
        reason = f"only {measured['offered']} requests began, but {least} are needed for the percentile"
        return Judgement(GENERATOR, reason, over_percent)
    reasons = [
        *_percentiles_missed(summary, limits),
        *_mean_missed(summary, limits),
        *_failures_missed(measured, limits),
        *_tasks_raised(summary, limits),
    ]
    return Judgement(BAD, "; ".join(reasons), over_percent) if reasons else Judgement(GOOD, HELD, over_percent)


def _logins_missed(users: int, summary: ProbeSummary) -> str | None:
    """Whether users are missing because the API does not respond to their ``on_start``, in words."""
    seen = summary.get("users")
    if seen is None or summary["stopped"] or summary["workers_reported"] < summary["workers_ordered"]:
        return None
    starting, waiting = seen.get("starting", 0), seen.get("logging_in", 0)
    if not starting or waiting < LOGIN_SHARE * starting or _is_worker_busy(summary["measured"]):
        return None
    return f"{starting} of {users} users had not begun a task, because the API did not respond to their on_start"


def _users_not_made(users: int, summary: ProbeSummary) -> str | None:
    """Why the load of users differs from the order, or None."""
    if summary["workers_reported"] < summary["workers_ordered"]:
        return f"{summary['workers_reported']} of {summary['workers_ordered']} workers of the generator reported"
    if summary["stopped"]:
        return f"the probe was stopped: {summary['stopped']}"
    seen = summary.get("users")
    if seen is None:
        return "the number of users was not recorded"
    if not seen["least"] == seen["most"] == users:
        between = f"{seen['least']} to {seen['most']}" if seen["least"] != seen["most"] else f"{seen['least']}"
        return f"{between} of {users} users ran tasks in the window"
    if _is_worker_busy(summary["measured"]):
        cpu = summary["measured"].get("cpu_percent_max") or 0.0
        return f"the busiest Locust worker used {cpu:.0f} % of a core (limit {MAX_WORKER_CPU_PERCENT:g} %)"
    return None


def _is_worker_busy(measured: Measured) -> bool:
    cpu = measured.get("cpu_percent_max")
    return cpu is not None and cpu >= MAX_WORKER_CPU_PERCENT


def _not_made(rate_rps: float, summary: ProbeSummary, limits: Mapping[str, float]) -> str | None:
    """Why the load differs from the order, or None."""
    measured = summary["measured"]
    if summary["workers_reported"] < summary["workers_ordered"]:
        return f"{summary['workers_reported']} of {summary['workers_ordered']} workers of the generator reported"
    if summary["stopped"]:
        return f"the probe was stopped: {summary['stopped']}"
    if reason := _apart(measured):
        return reason
    latencies = [limit for name, limit in limits.items() if name.endswith("_ms")]
    most_lag = max(MAX_LAG_MS, MAX_LAG_SHARE * min(latencies, default=0.0))
    lag = measured["lag_ms"].get("p99")
    if lag is not None and lag > most_lag and not _missed_without(_late_share(measured, most_lag), summary, limits):
        return f"requests were sent {lag:.1f} ms late (p99, limit {most_lag:g} ms)"
    if reason := _waited_for_users(summary, limits):
        return reason
    due, dropped = due_and_dropped(measured)
    # Requests are dropped when too many are in flight. If even the full rate could not serve those within the greatest
    # limit, the API is the cause (Little's law).
    room = summary["order"]["most_in_flight"] * summary["workers_reported"]
    if dropped and 1000 * room / rate_rps < max(latencies, default=0.0):
        words = ("started", "in progress") if measured.get("iterations") else ("sent", "in flight")
        return f"{dropped} of {due} {_unit(measured)} were not {words[0]}: at most {room} may be {words[1]}"
    sent = due / measured["seconds"] / rate_rps
    # The number of requests due by chance differs from the rate by a few standard deviations of a Poisson count.
    if sent < MIN_SENT - 4 / math.sqrt(rate_rps * measured["seconds"]):
        return f"only {_figure(due / measured['seconds'])} of {_figure(rate_rps)} {_unit(measured)}/s were due"
    if (offered := measured["offered"]) < (least := least_requests(limits)):
        return f"only {offered} requests were due by chance, but {least} are needed for the percentile"
    return None


def _apart(measured: Measured) -> str | None:
    """Whether the parts of the rate were made at different times, in words."""
    iterations = measured.get("iterations")
    if iterations is None:
        return None
    apart, most = iterations.get("apart_seconds", 0.0), MAX_APART_SHARE * measured["seconds"]
    if apart <= most:
        return None
    return f"workers began {_figure(apart)} s apart, because on_start took long, and {_figure(most)} s is allowed"


def _waited_for_users(summary: ProbeSummary, limits: Mapping[str, float]) -> str | None:
    """Whether a percentile is missed only because iterations waited for users that were in ``on_start``, in words.

    Such users are added while the probe runs. The next probe has them from its start.
    """
    iterations, offered = summary["measured"].get("iterations"), summary["measured"]["offered"]
    without = iterations.get("within_without_waits") if iterations is not None else None
    names = [name for name in PERCENTS if name in limits]
    if not without or not set(names) <= without.keys():
        return None
    if not any(100 * summary["within_limits"][name] < PERCENTS[name] * offered for name in names):
        return None
    if any(100 * without[name] < PERCENTS[name] * offered for name in names):
        return None
    share = max(100 * (without[name] - summary["within_limits"][name]) / offered for name in names)
    return f"{_figure(share)} % of requests were late alone because new users were still in on_start"


def _unit(measured: Measured) -> str:
    """What the rates count."""
    return "requests" if measured.get("iterations") is None else "iterations"


def _late_share(measured: Measured, most_lag: float) -> float:
    """The greatest share of requests, 0 to 1, that can have been sent more than ``most_lag`` ms late."""
    middle = measured["lag_ms"].get("p50")
    return 1.0 if middle is None or middle > most_lag else 0.5


def _missed_without(share: float, summary: ProbeSummary, limits: Mapping[str, float]) -> bool:
    """Whether a percentile is missed even if this whole share of requests had been in time without the generator's
    delay.

    An API that is far overloaded makes the generator late too: it opens thousands of connections, which time out.
    """
    offered = summary["measured"]["offered"]
    within = summary["within_limits"]
    return any(
        100 * (within[name] + share * offered) < percent * offered
        for name, percent in PERCENTS.items()
        if name in limits
    )


def _over_percent(summary: ProbeSummary, limits: Mapping[str, float]) -> float | None:
    """The share over the limit that is worst in relation to the allowed share, in percent."""
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
            yield f"{_figure(over)} % of requests were over {limits[name]:g} ms (limit {100 - percent} %)"


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
            yield f"mean {mean:.1f} ms (limit {limits['mean_ms']:g} ms)"


def _failures_missed(measured: Measured, limits: Mapping[str, float]) -> Iterable[str]:
    failures = _failure_percent(measured)
    if failures > limits.get("max_failure_percent", 100):
        yield f"{_figure(failures)} % of requests failed (limit {limits['max_failure_percent']:g} %)"


def _iterations_failed(measured: Measured, limits: Mapping[str, float]) -> Iterable[str]:
    """An exception in a task whose requests had good responses: the scenario did not accept one of them."""
    iterations = measured.get("iterations")
    if iterations is None or not iterations["due"]:
        return
    percent = 100 * iterations["failed"] / iterations["due"]
    if percent > limits.get("max_failure_percent", 100):
        yield f"{_figure(percent)} % of iterations raised an exception (limit {limits['max_failure_percent']:g} %)"


def _tasks_raised(summary: ProbeSummary, limits: Mapping[str, float]) -> Iterable[str]:
    """The same for the tasks of users. A failed request alone raises nothing."""
    users = summary.get("users")
    if users is None or not (tasks := users.get("tasks", 0)):
        return
    percent = 100 * users.get("raised", 0) / tasks
    if percent > limits.get("max_failure_percent", 100):
        yield f"{_figure(percent)} % of tasks raised an exception (limit {limits['max_failure_percent']:g} %)"


def _failure_percent(measured: Measured) -> float:
    """Requests that failed, timed out, were dropped or have no response, in percent of all."""
    offered = measured["offered"]
    return 100 * (offered - measured["ok"]) / offered if offered else 0.0


def least_requests(slo: Slo) -> int:
    """The minimum number of requests of a good probe."""
    return max((least for name, least in MIN_REQUESTS.items() if slo.get(name) is not None), default=1)


def _backlog(rate_rps: float, summary: ProbeSummary) -> Iterable[str]:
    """Growth of the requests in flight beyond chance, even at full load.

    With Poisson arrivals and services that vary no more than exponential ones, the queue of a fully loaded server is a
    random walk. Its change over T seconds has a variance of at most 2 x rate x T. A line fit to the seconds, as if they
    were independent, would find growth in most stable queues near their capacity.
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
