"""Sweep file: text -> validated `Sweep`, or one `InputError` that lists every mistake with its line."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swarmsweep.errors import InputError
from swarmsweep.sweep.case_section import read_cases
from swarmsweep.sweep.cell_section import CellReader, environment_axes
from swarmsweep.sweep.fields import BOUNDS, Reader
from swarmsweep.sweep.load import AnyLoad, Case, load_of
from swarmsweep.sweep.load_section import read_load
from swarmsweep.sweep.matrix import LOCUSTFILE_AXIS, Cell
from swarmsweep.sweep.scenarios import check_folder
from swarmsweep.sweep.yaml_tree import MAX_BYTES, Node, parse
from swarmsweep.units import quoted

# Further variables of the stack, and the scenario; see also `environment_axes`.
EXTRA_AXES = frozenset({"variant", "image", LOCUSTFILE_AXIS})

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_SECTIONS = ("name", "slo", "load", "matrix", "cells", "exclude", "include", "repeat", "seed")


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
class Sweep:
    """A validated sweep. ``cells`` are in the order of the file; ``seed`` is None where the file sets none.

    ``load`` is the load of all cells that no case of ``cases`` is for.
    """

    name: str
    slo: Slo
    load: AnyLoad
    cases: tuple[Case, ...]
    cells: tuple[Cell, ...]
    repeat: int
    seed: int | None
    file: str
    sha256: str

    def load_of(self, cell: Cell) -> AnyLoad:
        """The load of a cell: its case's, with its own scenario."""
        return load_of(cell, self.load, self.cases)


def load_sweep(path: Path | str, extra_axes: Collection[str] = EXTRA_AXES) -> Sweep:
    """Read and check a sweep file. ``extra_axes`` are the axes allowed beside replicas, cpus, memory and workers.

    Raises `InputError` with every mistake, as ``file:line: key: what is wrong; allowed: ...``, and for what cannot be
    in the folder of the scenarios beside that of the sweep file.
    """
    path = Path(path)
    data = _read(path)
    folder = path.resolve().parent.parent / "locustfiles"
    sweep = parse_sweep(data, _display(path), extra_axes, _scenarios_in(folder))
    check_folder(folder)
    return sweep


def parse_sweep(
    data: bytes, where: str, extra_axes: Collection[str] = EXTRA_AXES, scenarios: Collection[str] | None = None
) -> Sweep:
    """Check the bytes of a sweep file; ``where`` is the file's name for messages. See `load_sweep`.

    ``scenarios`` are the names of the locustfiles that there are; None does not judge them.
    """
    reader = Reader(where, scenarios)
    root = reader.mapping(parse(data, where), "", _SECTIONS, required=("name", "slo", "load"))
    if root is None:
        reader.stop_if_refused()
    assert root is not None
    sections = root.entries
    name = _read_name(reader, sections)
    slo = _read_slo(reader, sections.get("slo"))
    limits = None if slo is None else slo.limits()
    load = read_load(reader, sections.get("load"), limits)
    repeat = reader.number(sections["repeat"], "repeat", BOUNDS["repeat"]) if "repeat" in sections else 1
    seed = reader.number(sections["seed"], "seed", BOUNDS["seed"]) if "seed" in sections else None
    cell_reader = CellReader(reader, tuple(sorted({*extra_axes, *environment_axes(root)})))
    cells = cell_reader.read(root)
    known = None if reader.problems else cells
    cases = read_cases(reader, sections.get("load"), load, limits, cell_reader, known)
    reader.stop_if_refused()
    assert name and slo and load and repeat
    return Sweep(
        name=name,
        slo=slo,
        load=load,
        cases=cases,
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
        raise InputError(f"{quoted(str(path))}: cannot be read: {error}") from error


def _display(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _scenarios_in(folder: Path) -> list[str] | None:
    """Names of the locustfiles, where the repository's folder of them is beside the sweep's."""
    return sorted(entry.name for entry in folder.glob("*.py")) if folder.is_dir() else None


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
