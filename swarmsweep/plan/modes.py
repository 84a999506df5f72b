"""What differs in a plan between a load of users and a search: words, bounds, and where past seconds are kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.files import as_number, read_json
from swarmsweep.sweep.load import CAPACITY, FIXED, StoredLoad, mode_of


@dataclass(frozen=True)
class Mode:
    """One mode of a load.

    ``longest_share`` is how many times its own seconds a load takes at most, with its rests. ``at_most`` and ``ends``
    are words of sentences on the duration. ``in_short`` makes two words of a load; ``loaded_seconds`` says how long the
    load of an attempt lasted, by its folder, None where that is not known.
    """

    longest_share: int
    at_most: str
    ends: str
    in_short: Callable[[StoredLoad], str]
    loaded_seconds: Callable[[Path], float | None]


def mode_for(load: StoredLoad) -> Mode:
    """The mode of a load as plan.json holds it. Raises `LabError` for one that this version does not know."""
    return _MODES[mode_of(load)]


def number_in(file: Path, key: str) -> float | None:
    """A number in a JSON file; None where there is no such file, key or number."""
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
    return f"{count:,} user{'' if count == 1 else 's'}"


_MODES = {
    FIXED: Mode(1, "", "at", _users, _window_seconds),
    # A search drains and rests between its probes for as long as it loads, at most.
    CAPACITY: Mode(2, "at most ", "by", lambda load: f"profile {load['profile']}", _search_seconds),
}
