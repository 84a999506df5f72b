"""Sweep file: text -> validated `Sweep`, or one `InputError` that lists every mistake with its line."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from swarmsweep.errors import InputError
from swarmsweep.sweep.case_rules import read_cases, refuse_idle
from swarmsweep.sweep.cell_rules import read_cells, takes_baseline
from swarmsweep.sweep.checked import Sweep
from swarmsweep.sweep.load import Case
from swarmsweep.sweep.load_rules import read_load
from swarmsweep.sweep.models import SweepFile, mode_of
from swarmsweep.sweep.problems import Problems
from swarmsweep.sweep.scalars import describe
from swarmsweep.sweep.scenarios import check_folder
from swarmsweep.sweep.sections import read_sections
from swarmsweep.sweep.slo_rules import refuse_endpoints
from swarmsweep.sweep.values import Scenarios
from swarmsweep.sweep.yaml_tree import MAX_BYTES, Entries, read_tree
from swarmsweep.units import quoted


def load_sweep(path: Path | str) -> Sweep:
    """Read and check a sweep file.

    Raises `InputError` with every mistake, as ``file:line: key: what is wrong; allowed: ...``. It is also raised for
    files that may not be in the folder of the scenarios beside the sweep file's folder.
    """
    path = Path(path)
    data = _read(path)
    folder = path.resolve().parent.parent / "locustfiles"
    sweep = parse_sweep(data, _display(path), _scenarios_in(folder))
    check_folder(folder)
    return sweep


def parse_sweep(data: bytes, where: str, scenarios: Collection[str] | None = None) -> Sweep:
    """Check the bytes of a sweep file; ``where`` is the file's name for messages. See `load_sweep`.

    ``scenarios`` are the names of the existing locustfiles; with None they are not checked.
    """
    problems = Problems(where)
    tree = read_tree(data, problems)
    if not isinstance(tree, Entries):
        keys = ", ".join(SweepFile.model_fields)
        problems.add(tree.line, "", f"expected a mapping with {keys}, but this is {describe(tree)}")
        raise problems.error()
    known = Scenarios(scenarios, mode_of(tree.get("load")))
    sections = read_sections(tree, known, problems)
    slo = None if sections.slo is None else sections.slo.limits()
    limits = None if slo is None else slo.total
    load = None if sections.load is None else read_load(sections.load, limits, known, problems)
    refuse_endpoints(sections, problems)
    cells = read_cells(sections, tree, problems)
    has_baseline = takes_baseline(sections, tree, cells, problems)
    cells_are_sound = not problems
    cases: list[Case] = []
    if sections.load is not None and load is not None:
        cases = read_cases(sections.load, load, limits, problems)
        if cells_are_sound:
            refuse_idle(sections.load, cases, cells, problems)
    if problems:
        raise problems.error()
    assert sections.name and slo and load
    return Sweep(
        name=sections.name,
        slo=dict(slo.total),
        slo_endpoints=slo.endpoints,
        load=load,
        cases=tuple(cases),
        cells=tuple(cells),
        repeat=sections.repeat,
        seed=sections.seed,
        file=where,
        sha256=hashlib.sha256(data).hexdigest(),
        takes_baseline=has_baseline,
    )


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is not a file")
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        # A name without a folder means one of the lab's own sweeps, which are beside the playbooks.
        is_known = path.parent != Path() and path.parent.is_dir()
        folder = path.parent if is_known else Path("sweeps")
        present = ", ".join(sorted(str(entry) for entry in folder.glob("*.yml"))[:10]) or "none"
        raise InputError(f"{path}: no such sweep file; available: {present}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{quoted(str(path))}: cannot be read: {error}") from error


def _display(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def _scenarios_in(folder: Path) -> list[str] | None:
    """Names of the locustfiles, if the repository's folder of them is beside the sweep's."""
    return sorted(entry.name for entry in folder.glob("*.py")) if folder.is_dir() else None
