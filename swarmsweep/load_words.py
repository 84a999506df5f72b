"""The loads of a run in words, for summary.md."""

from typing import Any

from swarmsweep.load import differences, load_of_cell
from swarmsweep.markdown import markdown
from swarmsweep.units import format_plain

_UNITS = {
    "users": "users",
    "spawn_rate": "started per second",
    "warmup_seconds": "s of warm-up",
    "measure_seconds": "s measured",
    "workers": "Locust worker(s)",
}


def load_sentence(plan: dict[str, Any]) -> str:
    """The load of all cells that have no other."""
    words = {key: _words(key, value) for key, value in plan["load"].items() if key != "mode"}
    words["users"] += f" ({words.pop('spawn_rate')}) with {words.pop('wait_seconds')}"
    words["warmup_seconds"] += " thrown away"
    return f"{', '.join(words.values())}, trials per cell: {plan['repeat']}"


def other_loads(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The loads that differ from the sweep's, each with the settings that differ and the ids of its cells."""
    shared: dict[str, list[str]] = {}
    for cell in plan["cells"]:
        if other := differences(plan["load"], load_of_cell(plan, cell)):
            text = ", ".join(_words(key, value) for key, value in other.items())
            shared.setdefault(text, []).append(cell["id"])
    return [{"text": markdown(text), "ids": ids} for text, ids in shared.items()]


def _words(key: str, value: Any) -> str:
    """One setting, as a part of a sentence."""
    if key == "wait_seconds":
        low, high = value
        return f"{format_plain(low)} to {format_plain(high)} s of think time" if high else "no think time"
    if key == "locustfile":
        return f"scenario {value}"
    return f"{format_plain(value)} {_UNITS[key]}" if key in _UNITS else f"{key} {value}"
