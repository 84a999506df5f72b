"""The cases in the section `load` of a sweep file: other loads for some of the cells."""

from collections.abc import Mapping as Names
from dataclasses import replace
from typing import Any

from swarmsweep.sweep.cell_section import CellReader
from swarmsweep.sweep.fields import Reader
from swarmsweep.sweep.load import AnyLoad, Case, Load, with_profile
from swarmsweep.sweep.load_section import (
    CASE_KEYS,
    keys_of,
    misplaced_keys,
    read_settings,
    refuse_impossible,
    usual_spawn_rate,
)
from swarmsweep.sweep.matrix import AxisValue, Cell, axes_of
from swarmsweep.sweep.yaml_tree import Mapping, Node, Sequence
from swarmsweep.units import format_plain, quoted

MAX_CASES = 100  # more is a table that nobody can read

When = tuple[tuple[str, tuple[AxisValue, ...]], ...]


def read_cases(
    reader: Reader,
    node: Node | None,
    load: AnyLoad | None,
    limits: Names[str, float] | None,
    axes: CellReader,
    cells: list[Cell] | None,
) -> tuple[Case, ...]:
    """The cases in the section ``node``, in order, less those that were refused.

    ``load`` is what they change, ``limits`` are those of the SLO; ``axes`` reads what they ask for. Where the ``cells``
    are known, a case that can never count is refused: one that no cell matches, and one whose cells all have an earlier
    case.
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
        key = f"load.cases[{number}]"
        case = _read_case(reader, item, key, load, "spawn_rate" in node.entries, axes)
        if case is None:
            continue
        refuse_impossible(reader, item, key, case.load, limits)
        if axes_by_id is not None:
            _refuse_idle(reader, item.line, number, case, axes_by_id, taken)
        cases.append(case)
    return tuple(cases)


def _read_case(
    reader: Reader, node: Node, key: str, load: AnyLoad | None, keep_spawn_rate: bool, axes: CellReader
) -> Case | None:
    keys = keys_of(reader.mode, CASE_KEYS)
    section = reader.mapping(node, key, ("when", *keys), ("when",), misplaced_keys(reader.mode, CASE_KEYS))
    if section is None:
        return None
    if not set(section.entries) & set(keys):
        reader.refuse(section.line, key, f"changes nothing; name at least one of {', '.join(keys)}")
    found = read_settings(reader, section, key, keys)
    when = _read_when(reader, section.entries["when"], f"{key}.when", axes) if "when" in section.entries else None
    if when is None or load is None or None in found.values():
        return None
    if "users" in found and not keep_spawn_rate:
        found = {"spawn_rate": usual_spawn_rate(found["users"])} | found
    return Case(when, replace(load, **(found if isinstance(load, Load) else with_profile(found))))


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
        return quoted(value)
    return f"{value} bytes" if axis == "memory" else format_plain(value)
