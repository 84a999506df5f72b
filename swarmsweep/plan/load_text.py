"""The loads of a run in words, for summary.md and for `./lab plan`."""

from typing import Any

from msgspec import Struct

from swarmsweep.files import as_number
from swarmsweep.markdown import markdown
from swarmsweep.plan.modes import mode_for
from swarmsweep.plan.planned import Plan
from swarmsweep.sweep.load import OPTIONAL, StoredLoad, differences
from swarmsweep.units import counted, format_plain

_COUNTED = {"users": "user", "workers": "Locust worker"}
# What changes the figures of a cell. The others only change how the load is made, and for how long.
_DECISIVE = frozenset(("users", "wait_seconds", "arrivals", "timeout_seconds", "profile"))
_FORMS = {
    "spawn_rate": "{} started per second",
    "warmup_seconds": "{} s of warm-up",
    "measure_seconds": "{} s measured",
    "locustfile": "scenario {}",
    "profile": "profile {}",
    "budget_seconds": "at most {} s of load for each deployment",
    "by": "by: {}",
    "arrivals": "arrivals: {}",
    "timeout_seconds": "a request fails after {} s",
    "target_rps": "target {} requests/s",
    "target_users": "target {} users",
    "env": "variables {}",
    "secrets": "secrets {}",
    "tags": "tasks tagged {}",
    "exclude_tags": "without tasks tagged {}",
    "user_classes": "user classes {}",
}


def load_sentence(plan: Plan) -> str:
    """The load of all cells that do not have their own, as sentences; the last one has no full stop."""
    load = plan.load
    words = {
        key: _words(key, value)
        for key, value in load.items()
        if key != "mode" and (value is not None or key == "wait_seconds")
    }
    return mode_for(load).sentence(load, words, plan.repeat)


class OtherLoad(Struct, frozen=True):
    """How a load differs from the sweep's, as text that is safe in Markdown, and the ids of its cells."""

    text: str
    ids: list[str]


def other_loads(plan: Plan) -> list[OtherLoad]:
    """The loads that differ from the sweep's, each with the settings that differ and the ids of its cells."""
    shared: dict[str, list[str]] = {}
    for cell in plan.cells:
        if other := differences(plan.load, plan.load_of(cell)):
            shared.setdefault(_list_of(other), []).append(cell.id)
    return [OtherLoad(markdown(text), ids) for text, ids in shared.items()]


def own_load(plan: Plan, cell_id: str) -> str:
    """What a case of the load changes for a cell, in words; empty if its figures can be compared with those of others.

    Its scenario is an axis, and no case.
    """
    cell = plan.cells_by_id().get(cell_id)
    other = {} if cell is None else differences(plan.load, plan.load_of(cell))
    if not _DECISIVE & other.keys():
        return ""
    return _list_of({key: value for key, value in other.items() if key != "locustfile"})


def _list_of(settings: StoredLoad) -> str:
    return ", ".join(_words(key, value) for key, value in settings.items())


def _words(key: str, value: Any) -> str:
    """One setting, as a part of a sentence."""
    if key == "wait_seconds":
        if value is None:
            return "the scenario's own think time"
        low, high = value
        return f"{format_plain(low)} to {format_plain(high)} s of think time" if high else "no think time"
    if key in _COUNTED and (count := as_number(value)) is not None:
        return counted(count, _COUNTED[key])
    if key in OPTIONAL and isinstance(value, (dict, list)):
        # Names of variables without their values, which may be long and are in plan.json.
        value = ", ".join(map(str, value))
    text = format_plain(value) if as_number(value) is not None else str(value)
    return _FORMS.get(key, f"{key} {{}}").format(text)
