"""How the plan of a load of users differs from that of a search: texts, bounds, and the source of past durations."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.files import as_number, read_json
from swarmsweep.search import PROFILES
from swarmsweep.shared.request_record import UNLOADED_REQUESTS, UNLOADED_SECONDS
from swarmsweep.sweep.load import CAPACITY, FIXED, RATE, USERS, StoredLoad, mode_of, varied_by
from swarmsweep.units import counted


@dataclass(frozen=True)
class Mode:
    """One mode of a load.

    ``longest_share`` is the factor from the seconds of a load to its maximum duration with its rests. ``at_most`` and
    ``ends`` are parts of sentences on the duration, as is ``with_unloaded``: the time of the probe of one user.
    ``in_short`` describes a load in two words. ``sentence`` describes
    its settings and the repeats of a cell. ``loaded_seconds`` returns the duration of the load of an attempt, by its
    folder; None where that is unknown.
    """

    longest_share: int
    at_most: str
    ends: str
    with_unloaded: str
    in_short: Callable[[StoredLoad], str]
    sentence: Callable[[StoredLoad, dict[str, str], int], str]
    loaded_seconds: Callable[[Path], float | None]


def mode_for(load: StoredLoad) -> Mode:
    """The mode of a load as plan.json holds it. Raises `LabError` for one that this version does not know."""
    return MODES[mode_of(load)]


def number_in(file: Path, key: str) -> float | None:
    """A number in a JSON file; None if the file, the key or the number is missing."""
    try:
        return as_number(read_json(file).get(key))
    except LabError:
        return None


def _window_seconds(attempt: Path) -> float | None:
    begin, end = (number_in(attempt / "locust" / "timeline.json", key) for key in ("spawn_started", "window_end"))
    return None if begin is None or end is None else end - begin


def _search_seconds(attempt: Path) -> float | None:
    return number_in(attempt / "locust" / "capacity.json", "load_seconds")


def _users(load: StoredLoad) -> str:
    count: Any = load["users"]
    return counted(count, "user")


def _profile(load: StoredLoad) -> str:
    return f"profile {load['profile']}"


def _users_sentence(_load: StoredLoad, words: dict[str, str], repeat: int) -> str:
    users = f"{words.pop('users')} ({words.pop('spawn_rate')}) with {words.pop('wait_seconds')}"
    window = f"{words.pop('warmup_seconds')} discarded, then {words.pop('measure_seconds')}"
    return _sentences(users, window, words, f"attempts per cell: {repeat}")


def _search_sentence(load: StoredLoad, words: dict[str, str], repeat: int) -> str:
    by = varied_by(load)
    by_rate = by != USERS
    highest = {RATE: "rate that holds the SLO", USERS: "number of users that holds the SLO"}.get(
        by, "rate of iterations that holds the SLO"
    )
    search = f"search for the highest {highest}. {_course(load, by_rate)}"
    words.pop("by", None)
    if not by_rate:
        words["spawn_rate"] = f"users: {words['spawn_rate']}, with {words.pop('wait_seconds')}"
    budget = f"{words.pop('budget_seconds')} ({words.pop('profile')})"
    return _sentences(search, budget, words, f"deployments per cell: {repeat}")


def _sentences(what: str, time: str, others: dict[str, str], last: str) -> str:
    """Sentences: the load, its time, all other settings, and the number of attempts."""
    program = [others.pop(key) for key in ("locustfile", "workers") if key in others]
    parts = [what, time, *others.values(), " with ".join(program), last]
    return ". ".join(part[:1].upper() + part[1:] for part in parts if part)


def _course(load: StoredLoad, by_rate: bool) -> str:
    """The parts of a search. Its resolution is given if this version still has the profile."""
    profile = PROFILES.get(load["profile"])
    fineness = f" to {100 * profile.resolution:.0f} %" if profile else ""
    saturation = "saturation, " if by_rate else ""
    return f"Its probes: unloaded, {saturation}bracket, bisection{fineness}, confirmation"


_UNLOADED = f", with up to {UNLOADED_SECONDS:g} s or about {UNLOADED_REQUESTS} requests each for the probe of one user"

MODES = {
    FIXED: Mode(1, "", "at", _UNLOADED, _users, _users_sentence, _window_seconds),
    # Between its probes, a search drains and rests for at most as long as it loads.
    CAPACITY: Mode(2, "at most ", "by", "", _profile, _search_sentence, _search_seconds),
}
