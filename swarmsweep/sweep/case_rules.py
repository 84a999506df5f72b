"""The cases of a load: other loads for some of the cells. A case that can never apply is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from swarmsweep.sweep.load import AnyLoad, Case
from swarmsweep.sweep.load_rules import refuse_impossible
from swarmsweep.sweep.matrix import AxisValue, Cell, axes_of
from swarmsweep.sweep.models import CapacityCase, CapacitySection, FixedCase, FixedSection, When
from swarmsweep.sweep.modes import MODES
from swarmsweep.sweep.problems import Problems
from swarmsweep.sweep.yaml_tree import Items, Text
from swarmsweep.units import format_memory, format_plain, quoted

# Values of an axis that a message names.
_SHOWN_VALUES = 8


def read_cases(
    section: FixedSection | CapacitySection, load: AnyLoad, limits: Mapping[str, float] | None, problems: Problems
) -> list[Case]:
    """The cases of a load, in order; ``load`` is the one that they change, ``limits`` are those of the SLO."""
    cases = []
    for case_section in section.cases or ():
        case = _case(case_section, load, "spawn_rate" in section.written)
        written = case_section.written
        if set(written) == {"when"}:
            keys = ", ".join(key for key in type(case_section).model_fields if key != "when")
            problems.add(written.line, written.key, f"changes nothing; set at least one of {keys}")
        refuse_impossible(case.load, written, limits, problems)
        cases.append(case)
    return cases


def _case(section: FixedCase | CapacityCase, load: AnyLoad, keep_spawn_rate: bool) -> Case:
    settings = {key: value for key, value in section.given().items() if key != "when"}
    changed = MODES[load.mode].changed(load, settings, keep_spawn_rate)
    when = section.when.given().items()
    return Case(tuple((axis, tuple(value) if isinstance(value, list) else (value,)) for axis, value in when), changed)


def refuse_idle(
    section: FixedSection | CapacitySection, cases: list[Case], cells: list[Cell], problems: Problems
) -> None:
    """Note each case that can never apply: no cell matches it, or all its cells have an earlier case."""
    axes_by_id = {cell.id: axes_of(cell) for cell in cells}
    taken: dict[str, str] = {}  # id of a cell -> place of its case
    sections: Sequence[FixedCase | CapacityCase] = section.cases or ()
    for case_section, case in zip(sections, cases, strict=True):
        line, place = case_section.written.line, case_section.written.key
        unknown = _refuse_unknown_values(case_section.when, case, list(axes_by_id.values()), line, problems)
        matching = [name for name, axes in axes_by_id.items() if case.matches(axes)]
        if not matching and not unknown:
            text = "matches no cell: each of its values occurs in the matrix, but no cell has all of them"
            problems.add(line, place, text)
        elif matching and all(name in taken for name in matching):
            earlier = ", ".join(dict.fromkeys(other for name, other in taken.items() if name in matching))
            problems.add(line, place, f"never applies: each cell that it matches uses an earlier case: {earlier}")
        for name in matching:
            taken.setdefault(name, place)


def _refuse_unknown_values(when: When, case: Case, cells: list[dict[str, Any]], line: int, problems: Problems) -> bool:
    """Note each value that no cell has; return whether there is one."""
    known = dict.fromkeys([*type(when).model_fields, *(axis for axes in cells for axis in axes)])
    unknown = False
    for axis, values in case.when:
        node, place = when.written[axis], when.written.place(axis)
        for value, text in zip(values, node if isinstance(node, Items) else [node], strict=True):
            if any(axis in axes and axes[axis] == value for axes in cells):
                continue
            unknown = True
            if axis in known:
                problems.add(line, place, f"no cell has the value {_as_written(value, text)}{_allowed(axis, cells)}")
            else:
                problems.add(line, place, f"is unknown; allowed: {', '.join(known)}")
    return unknown


def _allowed(axis: str, cells: list[dict[str, Any]]) -> str:
    """The end of the message: the values that the cells have, in the form of a sweep file."""
    values = list(dict.fromkeys(axes[axis] for axes in cells if axis in axes))
    if not values:
        axes_of_cells = ", ".join(dict.fromkeys(name for axes in cells for name in axes))
        return f", because no cell has the axis {axis}; allowed: {axes_of_cells}"
    forms = {"memory": format_memory}
    shown = [quoted(value) if isinstance(value, str) else forms.get(axis, format_plain)(value) for value in values]
    more = f", and {len(shown) - _SHOWN_VALUES} more" if len(shown) > _SHOWN_VALUES else ""
    return f"; allowed: {', '.join(shown[:_SHOWN_VALUES])}{more}"


def _as_written(value: AxisValue, node: Any) -> str:
    assert isinstance(node, Text)
    return quoted(value) if isinstance(value, str) else str(node)
