"""Sweep file: text -> validated `Sweep`, or one `InputError` that lists every mistake with its line."""

import hashlib
import math
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swarmsweep import matrix as cells_of
from swarmsweep.errors import InputError
from swarmsweep.fields import BOUNDS, Reader, is_plain_number, plain_kind
from swarmsweep.matrix import CORE_AXES, AxisValue, Cell
from swarmsweep.units import format_plain, shown
from swarmsweep.yamltree import MAX_BYTES, Mapping, Node, Scalar, Sequence, parse

MAX_CELLS = 2000  # at 20 s each that is half a day; more is a slip of the keyboard
MAX_EXCLUDES = 200
MAX_RAMP_SECONDS = 900  # the recorder gives up on a ramp that lasts longer (its LONGEST_RAMP_SECONDS)
MAX_LOAD_SECONDS = 86_000  # the sampler of the hosts records a day at most; the rest is for starting and draining
EXTRA_AXES = frozenset({"variant", "image"})  # further variables of the stack; see also `_environment_axes`

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_LOCUSTFILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\.py", re.ASCII)
# Values of extra axes reach a compose file and file names: nothing that a shell, YAML or Jinja could read as more.
_AXIS_TEXT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}", re.ASCII)
_ENVIRONMENT_AXIS = re.compile(r"[A-Z][A-Z0-9_]{1,39}", re.ASCII)
_AXIS_ALLOWED = "letters, digits and . _ : / @ - (up to 128, the first a letter or digit)"
_SECTIONS = ("name", "slo", "load", "matrix", "cells", "exclude", "include", "repeat", "seed")
_LOAD_KEYS = (
    "mode",
    "users",
    "spawn_rate",
    "warmup_seconds",
    "measure_seconds",
    "wait_seconds",
    "workers",
    "locustfile",
)


@dataclass(frozen=True)
class Slo:
    """What "good" means: upper limits, None where the sweep sets none."""

    mean_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    # A server that only answers errors is fast: without a limit of its own, 1 % of requests may fail.
    max_failure_percent: float = 1

    def limits(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Load:
    """The load of one trial: ``users`` simulated users in a closed loop for a fixed time."""

    users: int
    spawn_rate: float
    mode: str = "fixed"
    warmup_seconds: float = 10  # connections open, caches and thread pools fill; the requests are thrown away
    measure_seconds: float = 30  # a few thousand requests for p99 at 100 requests/s
    wait_seconds: tuple[float, float] = (0, 0)  # no think time: the users ask for all the API can give
    workers: int = 1  # Locust workers over all load hosts; one fills one core
    locustfile: str = "predict.py"  # one-row predictions, the usual request


@dataclass(frozen=True)
class Sweep:
    """A validated sweep. ``cells`` are in the order of the file; ``seed`` is None where the file sets none."""

    name: str
    slo: Slo
    load: Load
    cells: tuple[Cell, ...]
    repeat: int
    seed: int | None
    file: str
    sha256: str


def load_sweep(path: Path | str, extra_axes: Collection[str] = EXTRA_AXES) -> Sweep:
    """Read and check a sweep file. ``extra_axes`` are the axes allowed beside replicas, cpus, memory and workers.

    Raises `InputError` with every mistake, as ``file:line: key: what is wrong; allowed: ...``.
    """
    path = Path(path)
    sweep = parse_sweep(_read(path), _display(path), extra_axes)
    _require_locustfile(path, sweep)
    return sweep


def parse_sweep(data: bytes, where: str, extra_axes: Collection[str] = EXTRA_AXES) -> Sweep:
    """Check the bytes of a sweep file; ``where`` is the file's name for messages. See `load_sweep`."""
    reader = Reader(where)
    root = reader.mapping(parse(data, where), "", _SECTIONS, required=("name", "slo", "load"))
    if root is None:
        reader.stop_if_refused()
    assert root is not None
    sections = root.entries
    name = _read_name(reader, sections)
    slo = _read_slo(reader, sections.get("slo"))
    load = _read_load(reader, sections.get("load"))
    repeat = reader.number(sections["repeat"], "repeat", BOUNDS["repeat"]) if "repeat" in sections else 1
    seed = reader.number(sections["seed"], "seed", BOUNDS["seed"]) if "seed" in sections else None
    cells = _CellReader(reader, tuple(sorted({*extra_axes, *_environment_axes(root)}))).read(root)
    reader.stop_if_refused()
    assert name and slo and load and repeat
    return Sweep(
        name=name,
        slo=slo,
        load=load,
        cells=tuple(cells),
        repeat=int(repeat),
        seed=None if seed is None else int(seed),
        file=where,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is not a file")
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        folder = path.parent if path.parent.is_dir() else Path("sweeps")
        present = ", ".join(sorted(str(entry) for entry in folder.glob("*.yml"))[:10]) or "none"
        raise InputError(f"{path}: no such sweep file; present: {present}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{shown(str(path))}: cannot be read: {error}") from error


def _display(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _require_locustfile(path: Path, sweep: Sweep) -> None:
    """Where the repository's locustfiles/ is beside the sweep's folder, the named scenario must be in it."""
    folder = path.resolve().parent.parent / "locustfiles"
    if folder.is_dir() and not (folder / sweep.load.locustfile).is_file():
        present = ", ".join(sorted(entry.name for entry in folder.glob("*.py"))) or "none"
        raise InputError(
            f"{sweep.file}: load.locustfile: {shown(sweep.load.locustfile)} is not in locustfiles/; present: {present}"
        )


def _read_name(reader: Reader, sections: dict[str, Node]) -> str | None:
    if "name" not in sections:
        return None
    return reader.text(sections["name"], "name", _NAME, "a-z, 0-9 and -, up to 32, the first a letter or digit")


def _read_slo(reader: Reader, node: Node | None) -> Slo | None:
    if node is None:
        return None
    keys = tuple(Slo.__dataclass_fields__)
    section = reader.mapping(node, "slo", keys)
    if section is None:
        return None
    if not section.entries:
        reader.refuse(node.line, "slo", f"is empty; set at least one of {', '.join(keys)}")
        return None
    limits: dict[str, Any] = {
        key: reader.number(section.entries[key], f"slo.{key}", BOUNDS[f"slo.{key}"])
        for key in keys
        if key in section.entries
    }
    return None if None in limits.values() else Slo(**limits)


def _read_load(reader: Reader, node: Node | None) -> Load | None:
    if node is None:
        return None
    section = reader.mapping(node, "load", _LOAD_KEYS, required=("users",))
    if section is None:
        return None
    found: dict[str, Any] = {}
    for key, value in section.entries.items():
        if key == "mode":
            found[key] = reader.text(value, "load.mode", re.compile("fixed"), "fixed (capacity is not available yet)")
        elif key == "locustfile":
            allowed = "the plain name of a file in locustfiles/, ending in .py"
            found[key] = reader.text(value, "load.locustfile", _LOCUSTFILE, allowed)
        elif key == "wait_seconds":
            found[key] = _read_wait(reader, value)
        elif key in _LOAD_KEYS:
            found[key] = reader.number(value, f"load.{key}", BOUNDS[f"load.{key}"])
    if "users" not in found or None in found.values():
        return None
    # All users within one second, but never more than 100 a second: faster starts upset Locust itself.
    found.setdefault("spawn_rate", min(found["users"], 100))
    load = Load(**found)
    if load.workers > load.users:
        line = section.key_lines["workers"]
        reader.refuse(
            line, "load.workers", f"{load.workers} workers share {load.users} users; allowed: 1 to load.users"
        )
    _refuse_too_long(reader, section, load)
    return load


def _refuse_too_long(reader: Reader, section: Mapping, load: Load) -> None:
    """A load that the lab would cut off before its end can never be measured."""
    ramp_seconds = load.users / load.spawn_rate
    line = section.key_lines.get("spawn_rate", section.line)
    if ramp_seconds > MAX_RAMP_SECONDS:
        text = (
            f"{format_plain(load.spawn_rate)} users per second start {load.users} users in {ramp_seconds:,.0f} s; "
            f"allowed: up to {MAX_RAMP_SECONDS} s (the recorder gives up then), "
            f"so at least {math.ceil(load.users * 1000 / MAX_RAMP_SECONDS) / 1000:g}"
        )
        reader.refuse(line, "load.spawn_rate", text)
    total_seconds = ramp_seconds + load.warmup_seconds + load.measure_seconds
    if total_seconds > MAX_LOAD_SECONDS:
        text = (
            f"starting the users, warm-up and measuring take {total_seconds:,.0f} s together; "
            f"allowed: up to {MAX_LOAD_SECONDS:,} s (the sampler of the hosts records a day at most)"
        )
        reader.refuse(section.key_lines.get("measure_seconds", section.line), "load.measure_seconds", text)


def _read_wait(reader: Reader, node: Node) -> tuple[float, float] | None:
    items = reader.items(node, "load.wait_seconds", "[0.5, 2]")
    if items is None:
        return None
    if len(items) != 2:
        reader.refuse(node.line, "load.wait_seconds", f"has {len(items)} values; allowed: two, [shortest, longest]")
        return None
    bounds = BOUNDS["load.wait_seconds"]
    values = [reader.number(item, f"load.wait_seconds[{i}]", bounds) for i, item in enumerate(items)]
    low, high = values
    if low is None or high is None:
        return None
    if low > high:
        reader.refuse(node.line, "load.wait_seconds", f"{low} is above {high}; allowed: [shortest, longest]")
        return None
    return low, high


def _environment_axes(root: Mapping) -> set[str]:
    """Axes written in capitals: environment variables of the API, whatever its image understands."""
    found: set[str] = set()
    for section in ("matrix", "cells", "include"):
        node = root.entries.get(section)
        for item in node.items if isinstance(node, Sequence) else [node]:
            if isinstance(item, Mapping):
                found.update(key for key in item.entries if _ENVIRONMENT_AXIS.fullmatch(key))
    return found


class _CellReader:
    """The part of a sweep file that names cells: matrix or cells, less exclude, plus include."""

    def __init__(self, reader: Reader, extra_axes: tuple[str, ...]):
        self.reader = reader
        self.axes = CORE_AXES + extra_axes

    def read(self, root: Mapping) -> list[Cell]:
        """All cells in order; an incomplete list when something was refused."""
        sections = root.entries
        if "matrix" in sections and "cells" in sections:
            line = max(root.key_lines["matrix"], root.key_lines["cells"])
            self.reader.refuse(line, "cells", "stands beside matrix; keep one: matrix is a product, cells a plain list")
            return []
        if "cells" in sections:
            found = self._listed(sections["cells"], "cells")
        elif "matrix" in sections:
            found = self._product(sections["matrix"])
        else:
            self.reader.refuse(root.line, "matrix", "is missing; write matrix (a product of axes) or cells (a list)")
            return []
        if found is None:
            found = []
        elif "exclude" in sections:
            found = self._without(found, sections["exclude"])
        if "include" in sections and not _is_empty_list(sections["include"]):
            found += self._listed(sections["include"], "include") or []
        self._check_total(root, found)
        return [cell for cell, _ in found]

    def _product(self, node: Node) -> list[tuple[Cell, int]] | None:
        section = self.reader.mapping(node, "matrix", self.axes, required=CORE_AXES)
        if section is None or any(axis not in section.entries for axis in CORE_AXES):
            return None
        nodes = {axis: section.entries[axis] for axis in section.entries if axis in self.axes}
        items = {axis: self.reader.items(value, f"matrix.{axis}", "[1, 2]") for axis, value in nodes.items()}
        axes = {axis: values for axis, values in items.items() if values is not None}
        size = cells_of.product_size(axes)
        if size > MAX_CELLS:
            self.reader.refuse(section.line, "matrix", f"has {size} cells; allowed: up to {MAX_CELLS}")
            return None
        if any(values is None for values in items.values()):
            return None
        values = {axis: self._axis(axis, nodes, f"matrix.{axis}") for axis, nodes in axes.items()}
        if any(value is None for axis in values.values() for value in axis):
            return None
        return [(cell, section.line) for cell in cells_of.product(values)]

    def _axis(self, axis: str, nodes: list[Node], key: str) -> list[Any]:
        values = [self._value(axis, node, f"{key}[{i}]") for i, node in enumerate(nodes)]
        for i, value in enumerate(values):
            if value is not None and value in values[:i]:
                first = values.index(value)
                self.reader.refuse(nodes[i].line, f"{key}[{i}]", f"is the same value as {key}[{first}]; keep one")
        return values

    def _listed(self, node: Node, key: str) -> list[tuple[Cell, int]] | None:
        items = self.reader.items(node, key, "[{replicas: 1, cpus: 1, memory: 1G, workers: 2}]")
        if items is None:
            return None
        if len(items) > MAX_CELLS:
            self.reader.refuse(node.line, key, f"has {len(items)} cells; allowed: up to {MAX_CELLS}")
            return None
        found = []
        for i, item in enumerate(items):
            values = self._axes_of_item(item, f"{key}[{i}]", required=CORE_AXES)
            if values is not None:
                found.append((cells_of.cell_from_axes(values), item.line))
        return found

    def _without(self, found: list[tuple[Cell, int]], node: Node) -> list[tuple[Cell, int]]:
        if _is_empty_list(node):
            return found
        items = self.reader.items(node, "exclude", "[{replicas: 4, memory: 2G}]")
        if items is None:
            return found
        if len(items) > MAX_EXCLUDES:
            self.reader.refuse(node.line, "exclude", f"has {len(items)} entries; allowed: up to {MAX_EXCLUDES}")
            return found
        values = [cells_of.axes_of(cell) for cell, _ in found]
        dropped: set[int] = set()
        for i, item in enumerate(items):
            pattern = self._axes_of_item(item, f"exclude[{i}]")
            if pattern is None:
                continue
            hit = {position for position, axes in enumerate(values) if cells_of.matches(axes, pattern)}
            if not hit:
                text = "matches no cell; each value must be one of the matrix (a typing slip?)"
                self.reader.refuse(item.line, f"exclude[{i}]", text)
            dropped |= hit
        return [entry for position, entry in enumerate(found) if position not in dropped]

    def _axes_of_item(self, node: Node, key: str, required: tuple[str, ...] = ()) -> dict[str, Any] | None:
        section = self.reader.mapping(node, key, self.axes, required)
        if section is None:
            return None
        if not section.entries:
            self.reader.refuse(node.line, key, f"is empty; name at least one of {', '.join(self.axes)}")
            return None
        nodes = {axis: value for axis, value in section.entries.items() if axis in self.axes}
        values = {axis: self._value(axis, value, f"{key}.{axis}") for axis, value in nodes.items()}
        complete = len(nodes) == len(section.entries) and not section.repeated
        complete = complete and all(axis in values for axis in required)
        return values if complete and None not in values.values() else None

    def _value(self, axis: str, node: Node, key: str) -> AxisValue | None:
        if axis == "memory":
            return self.reader.memory(node, key)
        if axis in BOUNDS:
            return self.reader.number(node, key, BOUNDS[axis])
        if isinstance(node, Scalar) and not node.quoted and is_plain_number(node.text) and node.text[0] != "-":
            value = float(node.text)
            return int(value) if value.is_integer() and plain_kind(node.text) == "number" else value
        return self.reader.text(node, key, _AXIS_TEXT, _AXIS_ALLOWED)

    def _check_total(self, root: Mapping, found: list[tuple[Cell, int]]) -> None:
        if len(found) > MAX_CELLS:
            self.reader.refuse(root.line, "include", f"makes {len(found)} cells in all; allowed: up to {MAX_CELLS}")
        elif not found and not self.reader.problems:
            self.reader.refuse(root.line, "exclude", "leaves no cell; exclude less")
        repeated = cells_of.first_repeated(cell for cell, _ in found)
        if repeated is not None:
            first, second = repeated
            cell, line = found[second]
            self.reader.refuse(line, cell.id, f"is given twice (first on line {found[first][1]}); keep one")


def _is_empty_list(node: Node) -> bool:
    return getattr(node, "items", None) == []
