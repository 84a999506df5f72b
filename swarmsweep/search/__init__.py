"""The search for the highest rate at which an API holds its SLO: which load comes next, and how a probe is judged.

    search = Search(PROFILES["standard"], {"p95_ms": 300, "max_failure_percent": 1}, connections=10, arrivals="poisson")
    while step := search.next():
        judgement = search.add(step, summary_of_the_probe)

This code does not measure, wait or read a file: the next step depends only on the probes so far. Only the standard
library is used, and modules import each other by relative names, because this folder is copied to the load hosts.

Each step is a *probe*. The first one has a single connection: it shows the latency without load. The second one is a
closed loop of many connections. It shows roughly how much the API can serve at all. Further probes then search for a
*bracket*: a rate that held the SLO below one that did not. *Bisection* halves the bracket. *Confirm* loads at and
around the rate that a fit to all probes predicts. Finally, *verify* repeats the highest rate that held until it has
held for long enough.
"""

from .by_users import USER_ENDS, UserSearch, needed_seconds
from .fitting import MAX_ABOVE, MAX_BELOW, Fit, OpenProbe, Point, estimate_rps, fit_near, points_of, verified_rate
from .judging import (
    BAD,
    GENERATOR,
    GOOD,
    MAX_LAG_MS,
    MAX_LAG_SHARE,
    MAX_WORKER_CPU_PERCENT,
    MIN_REQUESTS,
    MIN_SENT,
    PERCENTS,
    PROBE,
    Judgement,
    judge_probe,
    least_requests,
)
from .steps import PROFILES, UNLOADED, Profile, Step
from .strategy import ENDS, WITH_RATE, Search
from .summary import ProbeSummary, Slo

__all__ = [
    "BAD",
    "ENDS",
    "GENERATOR",
    "GOOD",
    "MAX_ABOVE",
    "MAX_BELOW",
    "MAX_LAG_MS",
    "MAX_LAG_SHARE",
    "MAX_WORKER_CPU_PERCENT",
    "MIN_REQUESTS",
    "MIN_SENT",
    "PERCENTS",
    "PROBE",
    "PROFILES",
    "UNLOADED",
    "USER_ENDS",
    "WITH_RATE",
    "Fit",
    "Judgement",
    "OpenProbe",
    "Point",
    "ProbeSummary",
    "Profile",
    "Search",
    "Slo",
    "Step",
    "UserSearch",
    "estimate_rps",
    "fit_near",
    "judge_probe",
    "least_requests",
    "needed_seconds",
    "points_of",
    "verified_rate",
]
