"""The checked sweep, as data that one step of a play hands to the next: a sweep file is read once.

Ansible runs each step in a process of its own and passes JSON. Without pydantic, which only the reader of the file
needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct, to_builtins

from swarmsweep.record_file import Number, as_record
from swarmsweep.sweep.load import AnyLoad, Case, StoredLoad, load_from_json, load_of
from swarmsweep.sweep.matrix import AxisValue, Cell, axes_of, cell_from_axes
from swarmsweep.sweep.scenarios import Scenario, scenarios_of


@dataclass(frozen=True)
class Sweep:
    """A validated sweep. ``cells`` are in the order of the file; ``seed`` is None where the file sets none.

    ``slo`` has the limits of all requests, by name, and ``slo_endpoints`` those of single endpoints. ``load`` is the
    load of all cells to which no case of ``cases`` applies. ``file`` is the file's name for messages.
    ``takes_baseline``: the configuration of the inventory is to be measured too.
    """

    name: str
    slo: dict[str, Number]
    load: AnyLoad
    cases: tuple[Case, ...]
    cells: tuple[Cell, ...]
    repeat: int
    seed: int | None
    file: str
    sha256: str
    slo_endpoints: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    takes_baseline: bool = False

    def load_of(self, cell: Cell) -> AnyLoad:
        """The load of a cell: its case's, with its own scenario."""
        return load_of(cell, self.load, self.cases)


class CheckedCase(Struct, frozen=True, kw_only=True):
    """Another load for the cells that have, on each axis of ``when``, one of the given values."""

    when: dict[str, list[AxisValue]]
    load: StoredLoad


class CheckedSweep(Struct, frozen=True, kw_only=True):
    """A `Sweep` as JSON, with the scenarios that its cells load. ``path`` and ``sha256`` are those of the file.

    A cell is its axis values by name, with ``memory`` in bytes.
    """

    name: str
    path: str
    sha256: str
    slo: dict[str, Number]
    load: StoredLoad
    cases: list[CheckedCase]
    cells: list[dict[str, AxisValue]]
    scenarios: list[Scenario]
    repeat: int
    seed: int | None
    slo_endpoints: dict[str, dict[str, Number]] = {}
    takes_baseline: bool = False

    def sweep(self) -> Sweep:
        """The sweep that was checked."""
        return Sweep(
            name=self.name,
            slo=self.slo,
            load=load_from_json(self.load),
            cases=tuple(
                Case(tuple((axis, tuple(values)) for axis, values in case.when.items()), load_from_json(case.load))
                for case in self.cases
            ),
            cells=tuple(cell_from_axes(axes) for axes in self.cells),
            repeat=self.repeat,
            seed=self.seed,
            file=self.path,
            sha256=self.sha256,
            slo_endpoints=self.slo_endpoints,
            takes_baseline=self.takes_baseline,
        )


def checked(sweep: Sweep) -> CheckedSweep:
    """The sweep as data."""
    return CheckedSweep(
        name=sweep.name,
        path=sweep.file,
        sha256=sweep.sha256,
        slo=sweep.slo,
        load=sweep.load.as_json(),
        cases=[
            CheckedCase(when={axis: list(values) for axis, values in case.when}, load=case.load.as_json())
            for case in sweep.cases
        ],
        cells=[axes_of(cell) for cell in sweep.cells],
        scenarios=scenarios_of(sweep.load_of(cell).as_json() for cell in sweep.cells),
        repeat=sweep.repeat,
        seed=sweep.seed,
        slo_endpoints={name: dict(limits) for name, limits in sweep.slo_endpoints.items()},
        takes_baseline=sweep.takes_baseline,
    )


def to_data(sweep: CheckedSweep) -> dict[str, Any]:
    """The checked sweep as plain JSON values."""
    plain: dict[str, Any] = to_builtins(sweep)
    return plain


def from_data(data: Mapping[str, Any]) -> CheckedSweep:
    """The checked sweep from what `to_data` returned. Raises `LabError` with the key for any other value."""
    return as_record(dict(data), CheckedSweep, "the checked sweep")
