"""What to do after a search that verified no rate. The step follows from its probes and from why it ended."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from swarmsweep.raw.search_files import ProbeEntry, SearchFile
from swarmsweep.search import (
    BAD,
    GENERATOR,
    GOOD,
    PERCENTS,
    PROFILES,
    UNLOADED,
    Slo,
    least_requests,
    needed_seconds,
)
from swarmsweep.sweep.load import ARRIVALS
from swarmsweep.units import counted, format_figure, format_plain

# More workers than the rate needs by proportion, because they do not share the load exactly.
SPARE_WORKERS = 1.2
# A search tries no rate at which its longest probe may have too few requests by chance. Its lowest rate is this factor
# above the one with just enough of them, or less.
NEAR_LOWEST = 1.7
# In the reason of a probe: users that log in while they are needed, or whose login gets no response.
LATE_USERS, LATE_LOGINS = "new users were still in on_start", "did not respond to their on_start"
INTERRUPTED = "The search was interrupted before it verified a rate. Measure again."
# In the reason of a probe: exceptions of the scenario, in tasks whose requests may all be good.
RAISED = re.compile("% of (tasks|iterations) raised")


class Counts(NamedTuple):
    """Requests that were due in the measured window of a probe and, for each limit, how many had a good response within
    it. ``failed``: those with another response, timeouts excluded. ``ok_rps``: good responses per second.
    """

    offered: int
    within_limits: Mapping[str, int]
    failed: int = 0
    ok_rps: float = 0.0


def next_step(search: SearchFile, counts: Mapping[int, Counts], slo: Slo) -> str:
    """What to do after ``search``, which verified no rate: sentences.

    Args:
        search: with its probes as judged.
        counts: by number of the probe.
        slo: limits by name; a limit that is None is ignored.
    """
    step = _next_step(search, counts, slo)
    # The rates of this search are in iterations.
    return step.replace("requests/s", "iterations/s") if search.order.by == ARRIVALS else step


def _next_step(search: SearchFile, counts: Mapping[int, Counts], slo: Slo) -> str:
    opened = [entry for entry in search.probes if entry.is_searched]
    held = _rates(opened, GOOD)
    late = [entry for entry in opened if entry.verdict == GENERATOR]
    lowest_failed = min(_rates(opened, BAD), default=math.inf)
    if search.ended == "think_time":
        return _after_a_long_think_time(search)
    if late and (search.ended == "generator" or not held) and min(_rates(late, GENERATOR)) < lowest_failed:
        return _after_a_late_generator(search, opened, late, counts, slo)
    if counts and not any(count.offered for count in counts.values()) and not _has_other_cause(opened):
        return (
            "No task sent a request in any probe. Requests of on_start are no load. "
            "Move the requests that you want to measure into a task (@task) of the scenario."
        )
    if not held:
        return _after_no_good_probe(search, opened, counts, slo)
    passed = [rate for rate in held if rate < lowest_failed]
    if not passed:
        highest = max(held)
        higher = f"the higher number of {round(highest)}" if _by_users(opened) else ""
        higher = higher or f"the higher rate of {format_figure(highest)}"
        other = f"{higher} held it" if highest > lowest_failed else "held it in another probe"
        return (
            f"{_load(opened, lowest_failed)} missed the SLO, but {other}. So the API or a host was disturbed. "
            "Find out what else runs on the hosts, then measure again."
        )
    if search.ended is None:
        return INTERRUPTED
    seconds = sum(entry.seconds_measure for entry in opened if entry.verdict == GOOD and entry.level in passed)
    what = "up to" if _by_users(opened) else "rates up to"
    return (
        f"The budget ended after {what} {_load(opened, max(passed))} had held the SLO for "
        f"{format_plain(seconds)} s. {_longer(search.order.profile)}."
    )


def _has_other_cause(entries: Sequence[ProbeEntry]) -> bool:
    """Whether tasks sent no request because they raised, or because their users wait for responses to ``on_start``."""
    return any(RAISED.search(entry.reason) or LATE_LOGINS in entry.reason for entry in entries)


def _rates(entries: Sequence[ProbeEntry], verdict: str) -> list[float]:
    return [level for entry in entries if entry.verdict == verdict and (level := entry.level) is not None]


def _by_users(entries: Sequence[ProbeEntry]) -> bool:
    return any(entry.users is not None for entry in entries)


def _load(entries: Sequence[ProbeEntry], level: float | None) -> str:
    """A load in the unit of the search."""
    return counted(round(level or 0), "user") if _by_users(entries) else f"{format_figure(level or 0)} requests/s"


def _after_a_long_think_time(search: SearchFile) -> str:
    profile, think = PROFILES.get(search.order.profile or ""), search.think_seconds
    figures = ""
    if think is not None and profile is not None:
        figures = (
            f" They think for {format_figure(think)} s on average. A search then needs {needed_seconds(think):.0f} s "
            f"of load, and profile {profile.name} has {profile.budget_seconds:g} s."
        )
    longer = [known for known in PROFILES.values() if think is None or known.budget_seconds >= needed_seconds(think)]
    words = f"{_longer(search.order.profile)}. Or use a" if longer else "Use a"
    return (
        f"The budget of the search is too small for the think time of the users.{figures} "
        f"{words} shorter think time (load.wait_seconds)."
    )


def _longer(profile: str | None) -> str:
    """The next longer profile, without the end of the sentence."""
    budgets = {name: known.budget_seconds for name, known in PROFILES.items()}
    longer = [name for name in budgets if budgets[name] > budgets.get(profile or "", math.inf)]
    if not longer:
        return "Measure again, while nothing else runs on the hosts"
    name = min(longer, key=lambda name: budgets[name])
    return f"Use load.profile: {name}, which has up to {budgets[name]:g} s of load for each deployment"


def _after_a_late_generator(
    search: SearchFile,
    opened: Sequence[ProbeEntry],
    late: Sequence[ProbeEntry],
    counts: Mapping[int, Counts],
    slo: Slo,
) -> str:
    lowest = min(late, key=lambda entry: entry.level or 0.0)
    due, least = counts.get(lowest.number), least_requests(slo)
    if due is not None and due.offered < least:
        return (
            f"At {_load(opened, lowest.level)}, a probe of this profile has fewer requests than the "
            f"{least} that the percentile needs. {_longer(search.order.profile)}. Or limit a lower percentile."
        )
    made, workers, wanted = max(_rates(opened, GOOD), default=0.0), search.order.workers, min(_rates(late, GENERATOR))
    if not workers:
        return "Give the load more workers (load.workers), or add a load host, then measure again."
    now = counted(workers, "worker")
    if _by_users(opened) and "of a core" not in lowest.reason:
        return (
            f"Users were missing: {lowest.reason}. "
            "Correct what ends or delays them in the scenario (on_start), then measure again."
        )
    if LATE_USERS in lowest.reason:
        return (
            f"At {_load(opened, lowest.level)}, {lowest.reason}. "
            "Make on_start shorter in the scenario, or use load.by: users, then measure again."
        )
    if " apart, because on_start" in lowest.reason:
        return (
            f"At {_load(opened, lowest.level)}, {lowest.reason}. "
            "Make on_start shorter in the scenario, or set load.workers to 1, then measure again."
        )
    if not made:
        return (
            f"The load generator with {now} was late at every rate, also at {_load(opened, wanted)}. "
            f"Find out what else uses the CPU of the load hosts, or set load.workers to {2 * workers}."
        )
    if made >= wanted:
        return (
            f"The load generator with {now} was late at {_load(opened, wanted)}, and made {_load(opened, made)}. "
            "So something else used the CPU of the load hosts. Measure again, while nothing else runs on them."
        )
    more = max(workers + 1, math.ceil(SPARE_WORKERS * workers * wanted / made))
    return (
        f"The load generator with {now} made {_load(opened, made)}, but not {format_figure(wanted)}. "
        f"Set load.workers to {more}. If the load hosts have fewer cores than this, add a load host."
    )


def _after_no_good_probe(
    search: SearchFile, opened: Sequence[ProbeEntry], counts: Mapping[int, Counts], slo: Slo
) -> str:
    failed = [entry for entry in opened if entry.verdict == BAD]
    if not failed and search.ended is None:
        return INTERRUPTED
    if not failed:
        return (
            "No rate was probed, because on_start of the users used up the budget. "
            f"{_longer(search.order.profile)}. Or make on_start shorter in the scenario."
        )
    lowest = min(failed, key=lambda entry: entry.level or 0.0)
    rate, level = _load(opened, lowest.level), "number" if _by_users(opened) else "rate"
    seen = counts.get(lowest.number)
    allowed = slo.get("max_failure_percent")
    failures = 100 * seen.failed / seen.offered if seen is not None and seen.offered else 0.0
    if allowed is not None and failures > allowed:
        return (
            f"At {rate}, {format_figure(failures)} % of the requests failed, and {format_plain(allowed)} % may fail. "
            "The log (./lab logs api) may show why. Correct the API or the scenario."
        )
    if LATE_LOGINS in lowest.reason:
        return f"{lowest.reason}. Make the login of the API faster, add CPUs or replicas, or lower load.spawn_rate."
    if RAISED.search(lowest.reason):
        return (
            f"At {rate}, {lowest.reason}. The log (./lab logs locust) has the exceptions. "
            "Correct the API or the scenario."
        )
    alone = next((entry for entry in search.probes if entry.purpose == UNLOADED), None)
    missed = _missed(counts.get(alone.number) if alone is not None else None, slo)
    if missed is not None:
        name, over = missed
        one = "user" if _by_users(opened) else "connection"
        return (
            f"With a single {one}, {format_figure(over)} % of the requests already took longer than "
            f"{format_plain(slo[name] or 0)} ms, and {100 - PERCENTS[name]} % may. More replicas would not help. "
            "Raise the CPU limit, make the API itself faster, or relax the SLO."
        )
    profile = PROFILES.get(search.order.profile or "")
    by_rate = lowest.rate_rps is not None
    if (
        by_rate
        and profile is not None
        and (lowest.rate_rps or 0) <= NEAR_LOWEST * least_requests(slo) / profile.longest_seconds
    ):
        return (
            f"At rates below {rate}, a probe of this profile has too few requests for the percentile. "
            f"{_longer(search.order.profile)}. Or add CPUs or replicas, or relax the SLO."
        )
    return (
        f"One request at a time holds the SLO, but {rate}, the lowest tested {level}, does not. "
        "Remove the bottleneck of the configuration, or relax the SLO."
    )


def _missed(seen: Counts | None, slo: Slo) -> tuple[str, float] | None:
    """The percentile limit that these requests missed, and the percentage of them over it; None where all held."""
    if seen is None or not seen.offered:
        return None
    for name, percent in PERCENTS.items():
        over = 100 * (seen.offered - seen.within_limits.get(name, seen.offered)) / seen.offered
        if slo.get(name) is not None and over > 100 - percent:
            return name, over
    return None
