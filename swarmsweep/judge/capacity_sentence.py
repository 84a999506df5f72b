"""The capacity of one deployment in words, from the verdicts of its probes."""

import math
from collections.abc import Sequence

from swarmsweep.search import BAD, GOOD
from swarmsweep.units import counted, format_figure

# Why no load failed.
GENERATOR_LIMIT, MAX_RPS_LIMIT, MAX_USERS_LIMIT = "generator", "max_rps", "max_users"
# Units of what a search varies.
REQUESTS, USERS, ITERATIONS = "requests/s", "users", "iterations/s"

# Level, measured seconds and verdict of a probe. The level is a rate or a number of users.
Judged = tuple[float, float, str]


def capacity_sentence(
    judged: Sequence[Judged], unit: str, verified: float | None, limited_by: str | None, verify_seconds: float
) -> str:
    """What the probes show. ``unit`` is that of the levels, and ``verified`` the verified level.

    Seconds are only those of probes that count for this level: at it or above, and below each level that failed.
    """
    if verified is None:
        return _unverified(judged, unit, verify_seconds)
    failed = min(_levels(judged, BAD), default=math.inf)
    counting = [
        (level, seconds) for level, seconds, verdict in judged if verdict == GOOD and verified <= level < failed
    ]
    is_more = any(level > verified for level, _ in counting)
    sentence = f"{_load(verified, unit, is_more)} held the SLO for {sum(seconds for _, seconds in counting):g} s"
    if failed < math.inf:
        return f"{sentence}. {_load(failed, unit)} did not."
    higher = "more users" if unit == USERS else "a higher rate"
    reasons = {
        GENERATOR_LIMIT: f"the load generator could not {'make' if unit == USERS else 'send'} {higher}",
        MAX_RPS_LIMIT: "the allowed maximum rate was reached",
        MAX_USERS_LIMIT: "the allowed number of users was reached",
        None: f"the search ended before {higher} failed",
    }
    return f"{sentence}. The capacity may be higher, because {reasons[limited_by]}."


def _unverified(judged: Sequence[Judged], unit: str, verify_seconds: float) -> str:
    """Why no level is verified: none held, one that is as low or lower failed, or the time was too short."""
    what = "number of users" if unit == USERS else "rate"
    held, missed = _levels(judged, GOOD), _levels(judged, BAD)
    failed = min(missed, default=math.inf)
    if not held:
        return f"No {what} held the SLO" + (f". The lowest tested {what} was {_load(failed, unit)}." if missed else ".")
    highest = max(held)
    seconds = sum(length for level, length, verdict in judged if verdict == GOOD and level == highest)
    sentence = f"{_load(highest, unit)} held the SLO for {seconds:g} s, but"
    needed = f"held it for the {verify_seconds:g} s that a verified {what} needs."
    if highest < failed:
        return f"{sentence} no {what} {needed}"
    if failed == highest:
        sentence += " missed it in another probe"
    else:
        sentence += f" {_load(failed, unit)} missed it"
        if highest in missed:
            sentence += f", and so did {_load(highest, unit)} in another probe"
    return f"{sentence}. No lower {what} {needed if min(held) < failed else 'held it.'}"


def _levels(judged: Sequence[Judged], wanted: str) -> list[float]:
    return [level for level, _, verdict in judged if verdict == wanted]


def _load(level: float, unit: str, or_more: bool = False) -> str:
    if unit != USERS:
        return f"{format_figure(level)} {unit}{' or more' if or_more else ''}"
    return f"{round(level)} or more users" if or_more else counted(round(level), "user")
