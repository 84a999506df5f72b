"""The search for the highest rate at which an API holds its SLO: which load comes next, and how a trial is judged.

    search = Search(PROFILES["standard"], {"p95_ms": 300, "max_failure_percent": 1}, connections=10, arrivals="poisson")
    while step := search.next():
        judgement = search.add(step, summary_of_the_trial)

Nothing here measures, waits or reads a file: the next step follows from the trials so far alone. Only the standard
library is used, and modules import each other by relative names, because this folder is copied to the load hosts.

A closed *probe* shows about how much the API can serve at all. From there a *bracket* is sought (a rate that held the
SLO below one that did not), halved by *bisection*, and loaded at and around the rate that a fit to all trials foretells
(*confirm*). Last, the highest rate that held is repeated until it has held for long enough (*verify*).
"""

from .fitting import Fit, Point, estimate_rps, fit_near, points_of, verified_rate
from .judging import (
    BAD,
    GENERATOR,
    GOOD,
    MAX_LAG_MS,
    MAX_LAG_SHARE,
    MIN_SENT,
    PERCENTS,
    PROBE,
    Judgement,
    judge,
    least_requests,
)
from .steps import PROFILES, Profile, Step
from .strategy import Search

__all__ = [
    "BAD",
    "GENERATOR",
    "GOOD",
    "MAX_LAG_MS",
    "MAX_LAG_SHARE",
    "MIN_SENT",
    "PERCENTS",
    "PROBE",
    "PROFILES",
    "Fit",
    "Judgement",
    "Point",
    "Profile",
    "Search",
    "Step",
    "estimate_rps",
    "fit_near",
    "judge",
    "least_requests",
    "points_of",
    "verified_rate",
]
