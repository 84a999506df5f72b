"""A checked sweep -> the text of a sweep file: the inverse of `sweep_file`."""

import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

from swarmsweep.sweep.checked import Sweep
from swarmsweep.sweep.load import CAPACITY, FIXED, AnyLoad, Case, differences, mode_of
from swarmsweep.sweep.matrix import Cell, axes_of
from swarmsweep.units import format_memory

# Settings that the reader of a file derives from others.
_DERIVED = ("budget_seconds",)
# Settings that a case of the load may change.
_CASE_KEYS = {
    FIXED: ("users", "spawn_rate", "warmup_seconds", "measure_seconds", "wait_seconds", "workers"),
    CAPACITY: ("profile", "arrivals", "timeout_seconds", "spawn_rate", "wait_seconds", "workers"),
}
# A text that is written without quotes, if YAML does not read it as something else: a name, or an amount of memory.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*|[0-9]+(\.[0-9]+)?[bkmgBKMG]")
_WORDS_OF_YAML = frozenset(("y", "n", "yes", "no", "true", "false", "on", "off", "null"))
# A file has at most this many decimals of a number.
_DECIMALS = 3


def sweep_text(sweep: Sweep) -> str:
    """The text of a sweep file with these cells as a list. It has no baseline, which only a matrix may have."""
    slo: dict[str, Any] = dict(sweep.slo)
    if sweep.slo_endpoints:
        slo["endpoints"] = {name: dict(limits) for name, limits in sweep.slo_endpoints.items()}
    load = _settings(sweep.load)
    lines = [f"name: {flow(sweep.name)}", f"slo: {flow(slo)}", "load:"]
    lines += [f"  {key}: {flow(value)}" for key, value in load.items()]
    if sweep.cases:
        lines += ["  cases:", *(f"    - {flow(_case(case, sweep.load))}" for case in sweep.cases)]
    lines += ["cells:", *(f"  - {flow(_axes(cell))}" for cell in sweep.cells)]
    lines.append(f"repeat: {sweep.repeat}")
    if sweep.seed is not None:
        lines.append(f"seed: {sweep.seed}")
    return "\n".join(lines) + "\n"


def case_for(cell: Cell, load: AnyLoad) -> Case:
    """The case that gives one cell its own load."""
    return Case(tuple((axis, (value,)) for axis, value in axes_of(cell).items()), load)


def _settings(load: AnyLoad) -> dict[str, Any]:
    """The settings of a load that a file may have."""
    stored = load.as_json()
    return {key: _number(value) for key, value in stored.items() if value is not None and key not in _DERIVED}


def _case(case: Case, load: AnyLoad) -> dict[str, Any]:
    stored = case.load.as_json()
    other = differences(load.as_json(), stored)
    changed = {key: _number(other[key]) for key in _CASE_KEYS[mode_of(stored)] if other.get(key) is not None}
    when = {axis: [_axis(axis, value) for value in values] for axis, values in case.when}
    return {"when": when, **changed}


def _axes(cell: Cell) -> dict[str, Any]:
    return {axis: _axis(axis, value) for axis, value in axes_of(cell).items()}


def _axis(axis: str, value: Any) -> Any:
    return format_memory(value) if axis == "memory" else value


def _number(value: Any) -> Any:
    """A number with the decimals that a file may have. It is rounded up, because a timeout must exceed a limit."""
    if isinstance(value, float):
        scale = 10**_DECIMALS
        rounded = math.ceil(round(value * scale, 6)) / scale
        return int(rounded) if rounded.is_integer() else rounded
    return value


class _Dumper(yaml.SafeDumper):
    """Quotes every text but plain names, so that no reader takes it for a number or a boolean."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value in full, also where it occurs twice."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS_OF_YAML
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _text)


def flow(value: Any) -> str:
    """A value as YAML on one line. A text that YAML would read as something else is in quotes."""
    plain = dict(value) if isinstance(value, Mapping) else value
    text: str = yaml.dump(
        plain, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf
    )
    # A scalar alone ends with the mark of the end of a document.
    return text.removesuffix("...\n").rstrip("\n")
