"""The section `load` of a sweep file: node -> `Load`, and the cases of cells that need another."""

import math
import re
from dataclasses import replace
from typing import Any

from swarmsweep.cellsection import CellReader
from swarmsweep.fields import BOUNDS, Reader
from swarmsweep.load import Case, Load
from swarmsweep.matrix import AxisValue, Cell, axes_of
from swarmsweep.units import format_plain, shown
from swarmsweep.yamltree import Mapping, Node, Sequence

MAX_RAMP_SECONDS = 900  # the recorder gives up on a ramp that lasts longer (its LONGEST_RAMP_SECONDS)
MAX_LOAD_SECONDS = 86_000  # the sampler of the hosts records a day at most; the rest is for starting and draining
MAX_CASES = 100  # more is a table that nobody can read

_CASE_KEYS = ("users", "spawn_rate", "warmup_seconds", "measure_seconds", "wait_seconds", "workers")
_LOAD_KEYS = ("mode", *_CASE_KEYS, "locustfile", "cases")

When = tuple[tuple[str, tuple[AxisValue, ...]], ...]


def read_load(reader: Reader, node: Node | None) -> Load | None:
    """The load of all cells, without its cases; None when it is missing or was refused."""
    section = None if node is None else reader.mapping(node, "load", _LOAD_KEYS, required=("users",))
    if section is None:
        return None
    found = _read_settings(reader, section, "load")
    for key, value in section.entries.items():
        if key == "mode":
            found[key] = reader.text(value, "load.mode", re.compile("fixed"), "fixed (capacity is not available yet)")
        elif key == "locustfile":
            found[key] = reader.scenario(value, "load.locustfile")
    if "locustfile" not in found:
        reader.has_scenario(section.line, "load.locustfile", Load.locustfile)
    if "users" not in found or None in found.values():
        return None
    load = Load(**({"spawn_rate": _usual_spawn_rate(found["users"])} | found))
    _refuse_impossible(reader, section, "load", load)
    return load


def read_cases(
    reader: Reader, node: Node | None, load: Load | None, axes: CellReader, cells: list[Cell] | None
) -> tuple[Case, ...]:
    """The cases in the section ``node``, in order, less those that were refused.

    ``load`` is what they change; ``axes`` reads what they ask for. Where the ``cells`` are known, a case that can never
    count is refused: one that no cell matches, and one whose cells all have an earlier case.
    """
    if not isinstance(node, Mapping) or "cases" not in node.entries:
        return ()
    items = reader.items(node.entries["cases"], "load.cases", "[{when: {variant: slow}, users: 2}]") or []
    if len(items) > MAX_CASES:
        line = node.entries["cases"].line
        reader.refuse(line, "load.cases", f"has {len(items)} cases; allowed: up to {MAX_CASES}")
        return ()
    axes_by_id = None if cells is None else {cell.id: axes_of(cell) for cell in cells}
    cases: list[Case] = []
    taken: dict[str, int] = {}  # id of a cell -> number of its case
    for number, item in enumerate(items):
        case = _read_case(reader, item, f"load.cases[{number}]", load, "spawn_rate" in node.entries, axes)
        if case is not None and axes_by_id is not None:
            _refuse_idle(reader, item.line, number, case, axes_by_id, taken)
        cases += [] if case is None else [case]
    return tuple(cases)


def _read_case(
    reader: Reader, node: Node, key: str, load: Load | None, keep_spawn_rate: bool, axes: CellReader
) -> Case | None:
    section = reader.mapping(node, key, ("when", *_CASE_KEYS), required=("when",))
    if section is None:
        return None
    if not set(section.entries) & set(_CASE_KEYS):
        reader.refuse(section.line, key, f"changes nothing; name at least one of {', '.join(_CASE_KEYS)}")
    found = _read_settings(reader, section, key)
    when = _read_when(reader, section.entries["when"], f"{key}.when", axes) if "when" in section.entries else None
    if when is None or load is None or None in found.values():
        return None
    if "users" in found and not keep_spawn_rate:
        found = {"spawn_rate": _usual_spawn_rate(found["users"])} | found
    changed = replace(load, **found)
    _refuse_impossible(reader, section, key, changed)
    return Case(when, changed)


def _read_when(reader: Reader, node: Node, key: str, axes: CellReader) -> When | None:
    section = reader.mapping(node, key, axes.axes)
    if section is None:
        return None
    if not section.entries:
        reader.refuse(node.line, key, f"is empty; name at least one of {', '.join(axes.axes)}")
    found = tuple(
        (axis, _read_values(reader, entry, f"{key}.{axis}", axis, axes))
        for axis, entry in section.entries.items()
        if axis in axes.axes
    )
    sound = found and len(found) == len(section.entries) and all(None not in values for _, values in found)
    return found if sound else None


def _read_values(reader: Reader, node: Node, key: str, axis: str, axes: CellReader) -> tuple[Any, ...]:
    """One value, or a list of values of which any will do; None stands for one that was refused."""
    if not isinstance(node, Sequence):
        return (axes.value(axis, node, key),)
    items = reader.items(node, key, "[1, 2]")
    return (None,) if items is None else tuple(axes.value(axis, item, f"{key}[{i}]") for i, item in enumerate(items))


def _refuse_idle(
    reader: Reader, line: int, number: int, case: Case, cells: dict[str, dict[str, Any]], taken: dict[str, int]
) -> None:
    """Note a case that can never count; ``cells`` are axis values by id, ``taken`` learns which have this case."""
    key = f"load.cases[{number}]"
    unknown = [
        (axis, value)
        for axis, wanted in case.when
        for value in wanted
        if all(axis not in axes or axes[axis] != value for axes in cells.values())
    ]
    for axis, value in unknown:
        reader.refuse(line, f"{key}.when.{axis}", f"no cell has the value {_as_written(axis, value)} (a typing slip?)")
    matching = [name for name, axes in cells.items() if case.matches(axes)]
    if not matching and not unknown:
        reader.refuse(line, key, "matches no cell: there are cells with each of its values, but none with all of them")
    elif matching and all(name in taken for name in matching):
        earlier = ", ".join(f"load.cases[{other}]" for other in sorted({taken[name] for name in matching}))
        text = f"never counts: the first case that matches a cell wins, and all that it matches have {earlier} already"
        reader.refuse(line, key, text)
    for name in matching:
        taken.setdefault(name, number)


def _as_written(axis: str, value: AxisValue) -> str:
    if isinstance(value, str):
        return shown(value)
    return f"{value} bytes" if axis == "memory" else format_plain(value)


def _read_settings(reader: Reader, section: Mapping, prefix: str) -> dict[str, Any]:
    """The numbers of a load or a case; None for one that was refused."""
    found: dict[str, Any] = {}
    for key, value in section.entries.items():
        if key == "wait_seconds":
            found[key] = _read_wait(reader, value, f"{prefix}.{key}")
        elif key in _CASE_KEYS:
            found[key] = reader.number(value, f"{prefix}.{key}", BOUNDS[f"load.{key}"])
    return found


def _read_wait(reader: Reader, node: Node, key: str) -> tuple[float, float] | None:
    items = reader.items(node, key, "[0.5, 2]")
    if items is None:
        return None
    if len(items) != 2:
        reader.refuse(node.line, key, f"has {len(items)} values; allowed: two, [shortest, longest]")
        return None
    bounds = BOUNDS["load.wait_seconds"]
    low, high = (reader.number(item, f"{key}[{i}]", bounds) for i, item in enumerate(items))
    if low is None or high is None:
        return None
    if low > high:
        reader.refuse(node.line, key, f"{low} is above {high}; allowed: [shortest, longest]")
        return None
    return low, high


def _usual_spawn_rate(users: int) -> int:
    """All users within one second, but never more than 100 a second: faster starts upset Locust itself."""
    return min(users, 100)


def _refuse_impossible(reader: Reader, section: Mapping, key: str, load: Load) -> None:
    """Note a load that has more workers than users, or that the lab would cut off before its end."""
    lines = section.key_lines

    def line_of(*names: str) -> int:
        return next((lines[name] for name in names if name in lines), section.line)

    if load.workers > load.users:
        text = f"{load.workers} workers share {load.users} users; allowed: 1 to {load.users}"
        reader.refuse(line_of("workers", "users"), f"{key}.workers", text)
    ramp_seconds = load.users / load.spawn_rate
    if ramp_seconds > MAX_RAMP_SECONDS:
        text = (
            f"{format_plain(load.spawn_rate)} users per second start {load.users} users in {ramp_seconds:,.0f} s; "
            f"allowed: up to {MAX_RAMP_SECONDS} s (the recorder gives up then), "
            f"so at least {math.ceil(load.users * 1000 / MAX_RAMP_SECONDS) / 1000:g}"
        )
        reader.refuse(line_of("spawn_rate", "users"), f"{key}.spawn_rate", text)
    if load.seconds > MAX_LOAD_SECONDS:
        text = (
            f"starting the users, warm-up and measuring take {load.seconds:,.0f} s together; "
            f"allowed: up to {MAX_LOAD_SECONDS:,} s (the sampler of the hosts records a day at most)"
        )
        reader.refuse(line_of("measure_seconds", "warmup_seconds"), f"{key}.measure_seconds", text)
