"""Every limit that a check compares with, its unit, and the reason for its value.

The limits were calibrated on 45 attempts on two virtual machines of one core each, some of them while other processes
used the computer. V and A numbers are those of the method's list of validity checks.
"""

from dataclasses import dataclass

from swarmsweep.search import MAX_LAG_MS, MAX_LAG_SHARE, MIN_SENT


@dataclass(frozen=True)
class Limit:
    """A number, its unit, and the reason for it."""

    value: float
    unit: str
    why: str


LIMITS = {
    # Generator
    "generator_cpu": Limit(90, "percent of one core", "above this, a worker is late itself and reports its own delay"),
    "load_host_cpu": Limit(95, "percent of its cores", "processes wait for a core, and latencies contain the wait"),
    "window_length": Limit(1, "seconds off the plan", "the master cuts the window on a tick of one second"),
    "rate_kept": Limit(MIN_SENT, "share of the required rate", "as the search judges a probe"),
    "lag": Limit(MAX_LAG_MS, "ms, p99", "as the search judges a probe"),
    "lag_share": Limit(MAX_LAG_SHARE, "share of the tightest latency limit", "the larger of this and the 5 ms applies"),
    # Counts
    "window_edge": Limit(
        2,
        "requests a worker",
        "a request due at an edge of the window is assigned by two clocks that round differently",
    ),
    "proxy_difference": Limit(
        0.5,
        "percent of requests",
        "requests in flight are allowed in addition. The difference was 0 in 45 real attempts",
    ),
    # Flow
    "users_in_generator": Limit(
        15,
        "percent of users",
        "users who are neither in a request nor thinking wait for the generator. They were 1 to 11 % in sound "
        "attempts of Locust at up to 4000 requests/s, and 15.4 % where its core was full",
    ),
    "little": Limit(5, "percent", "requests that an edge of the window cuts are allowed in addition"),
    "steadiness": Limit(
        1.25,
        "times, busiest over idlest third of the window",
        "on one core, 1.10 to 1.22 is usual. A virtual core that often sleeps can "
        "be 1.3 to 1.9 times slower for seconds. Then a third of the windows of 8 s, and a fifth of those of 16 s, "
        "exceed the limit, and their attempts are invalid. Medians are not compared, because a CPU limit splits "
        "latencies into two groups. The median changed by a factor of 4.5 while the throughput changed by 5 %",
    ),
    "steadiness_chance": Limit(
        4.2, "over the square root of the requests in a third", "range of 3 Poisson counts, 99 %"
    ),
    "warming_up": Limit(
        4, "times, in flight in the first third over the last", "a queue near its limit swings by 2 to 3"
    ),
    # Replicas
    "share_ratio": Limit(1.25, "times, busiest over idlest replica", "1.00 to 1.01 in 7 real attempts"),
    "answers_a_replica": Limit(20, "responses for each", "with fewer requests, chance alone may leave one replica out"),
    # Responses
    "unexplained_errors": Limit(0.1, "percent of requests", "one broken connection does not invalidate an attempt"),
    # Machines
    "steal": Limit(1, "percent of CPU time", "0 to 0.6 % in 45 real attempts"),
    "steal_most": Limit(10, "percent of CPU time", "a tenth of the machine was missing, so its figures are not valid"),
    "external_cpu": Limit(0.1, "cores", "a controller on the same computer uses 0.03 to 0.05 of a core"),
    "external_cpu_most": Limit(25, "percent of the cores", "on a full host, the API loses this CPU time"),
    "other_own_cpu": Limit(
        0.2,
        "cores of an API host",
        "0.01 to 0.07 in 100 sound attempts, mostly Docker; an upgrade of packages used 0.4 to 0.65",
    ),
    "full_host": Limit(90, "percent of its cores", "below this, every process found a free core"),
    "sampler": Limit(0.02, "cores", "0.003 measured with five containers"),
    "clock_offset": Limit(0.2, "seconds", "in addition to the uncertainty of the comparison itself"),
    "clock_offset_most": Limit(1, "seconds", "a whole sample: CPU use would belong to another time"),
}


def limit(name: str) -> float:
    """The number of a limit."""
    return LIMITS[name].value
