"""How long a verified rate was held, and how long the probe was whose figures the page shows beside it."""

from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import AttemptEntry, ProbeRow, Row
from swarmsweep.search import GOOD, PROFILES
from swarmsweep.units import format_plain


def required_text(plan: Plan) -> str:
    """The time that a verified rate needs by the profiles of the cells, as '12 s (profile smoke)'."""
    names = {plan.load_of(cell).get("profile") for cell in plan.cells}
    # A later version may have further profiles.
    known = [profile for profile in PROFILES.values() if profile.name in names]
    if not known or len(known) < len(names):
        return "the time that its profile requires"
    return " or ".join(f"{format_plain(profile.verify_seconds)} s (profile {profile.name})" for profile in known)


def shorter_probes(plan: Plan, rows: list[Row]) -> list[tuple[str, list[str]]]:
    """The cells whose latencies are those of less time than the profile requires: the seconds, and the ids.

    A rate may be verified by several probes together, also at higher rates. The latencies are of the longest one at it.
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        cell = plan.cells_by_id().get(row.id)
        profile = None if cell is None else PROFILES.get(str(plan.load_of(cell).get("profile")))
        if profile is None or row.capacity is None or row.capacity.verified_rps is None:
            continue
        seconds = [longest for attempt in row.attempts if (longest := _longest_seconds(attempt)) is not None]
        if not seconds or min(seconds) >= profile.verify_seconds:
            continue
        low, high = format_plain(min(seconds)), format_plain(max(seconds))
        found.setdefault(f"{low} s" if low == high else f"{low} to {high} s", []).append(row.id)
    return list(found.items())


def _longest_seconds(attempt: AttemptEntry) -> float | None:
    """The seconds of the longest probe that held the SLO at the verified level; None where no level is verified."""
    seconds = [
        probe.seconds_measure
        for probe in attempt.probes
        if probe.verdict == GOOD and probe.seconds_measure is not None and _is_at_verified(attempt, probe)
    ]
    return max(seconds, default=None)


def _is_at_verified(attempt: AttemptEntry, probe: ProbeRow) -> bool:
    """Whether the probe had the verified level: a number of users, a rate of iterations, or a rate of requests."""
    if attempt.verified_users is not None:
        return probe.users == attempt.verified_users
    if attempt.verified_iterations_per_second is not None:
        return probe.iterations_per_second == attempt.verified_iterations_per_second
    return probe.rate_rps is not None and probe.rate_rps == attempt.verified_rps
