"""The content of plan.json: the cells of a run, the steps in their order, and the facts of the hosts."""

from typing import Any

from msgspec import Struct, to_builtins

from swarmsweep.lab.prices import Prices
from swarmsweep.record_file import Number
from swarmsweep.sweep.load import StoredLoad
from swarmsweep.sweep.matrix import Config
from swarmsweep.sweep.slo_limits import SloLimits

SCHEMA = 1
# Facts of a host, as the module host_capacity reports them; a missing or null one is not judged.
Host = dict[str, Any]


class PlannedCell(Struct, frozen=True, kw_only=True):
    """One configuration.

    ``memory`` is as the sweep file has it. ``load`` is missing in plans from versions in which cells had no loads of
    their own. ``twin_of`` is the id of the anchor if the cell is its twin. ``placement`` has the least and the most
    replicas of each API host, by its name, where there are several.
    """

    id: str
    config: Config
    memory: str
    load: StoredLoad | None = None
    infeasible_reason: str | None = None
    doubts: list[str] = []
    twin_of: str | None = None
    placement: dict[str, tuple[int, int]] | None = None


class Step(Struct, frozen=True, kw_only=True):
    """One attempt at a cell, in the order of the run.

    ``block`` and ``seed`` are missing in plans of earlier versions. ``load_seconds`` is the duration of its load.
    """

    position: int
    cell_id: str
    attempt: int
    block: int | None = None
    seed: int | None = None
    load_seconds: Number | None = None

    @property
    def key(self) -> tuple[str, int]:
        """The key that identifies the attempt within its run."""
        return self.cell_id, self.attempt


class Anchor(Struct, frozen=True):
    """The two ids of the cell that is measured under two names."""

    cell_id: str
    twin_id: str


class Baseline(Struct, frozen=True, kw_only=True):
    """The configuration of the inventory, with which the answer is compared.

    ``added``: the sweep file does not have it. With an ``infeasible_reason`` it is not measured, and is no cell of the
    plan unless the sweep file has it.
    """

    cell_id: str
    added: bool
    infeasible_reason: str | None = None


class Estimate(Struct, frozen=True, kw_only=True):
    """Expected seconds: the mean load of a step, the time of a step beside its load, and all steps together."""

    load_per_step: Number = 0
    other_per_step: Number = 0
    total: Number = 0


class Plan(Struct, frozen=True, kw_only=True):
    """One run. Its SLO and ``load`` are those of the sweep. Keys that earlier versions lack have a default.

    ``slo`` has the limits of all requests together, and ``slo_endpoints`` those of single endpoints. ``prices`` are
    those of the inventory when the run began, and ``baseline`` is its configuration.
    """

    schema: int = SCHEMA
    run_id: str
    sweep: str
    sweep_file: str | None = None
    sweep_sha256: str | None = None
    seed: int | None = None
    created_at: str | None = None
    colocated: bool = False
    slo: dict[str, Number]
    slo_endpoints: dict[str, dict[str, Number]] = {}
    load: StoredLoad
    repeat: int
    anchor: Anchor | None = None
    baseline: Baseline | None = None
    prices: Prices | None = None
    hosts: dict[str, list[Host]] = {}
    cells: list[PlannedCell]
    steps: list[Step]
    estimate_seconds: Estimate = Estimate()

    @property
    def limits(self) -> SloLimits:
        """The SLO."""
        return SloLimits(self.slo, self.slo_endpoints)

    def load_of(self, cell: PlannedCell) -> StoredLoad:
        """The load of a cell, as plan.json holds it."""
        return self.load if cell.load is None else cell.load

    @property
    def added_cell(self) -> str | None:
        """The id of the cell that the sweep file does not have: the baseline. None where there is none."""
        baseline = self.baseline
        return baseline.cell_id if baseline and baseline.added and not baseline.infeasible_reason else None

    def cells_by_id(self) -> dict[str, PlannedCell]:
        """The cells by their ids, in the order of the sweep file."""
        return {cell.id: cell for cell in self.cells}


def as_json(value: Plan | PlannedCell | Step) -> dict[str, Any]:
    """``value`` as plan.json has it. For example, a cell that is not a twin has no such key."""
    plain: dict[str, Any] = to_builtins(value)
    if isinstance(value, Plan):
        cells, steps = ([as_json(entry) for entry in entries] for entries in (value.cells, value.steps))
        for key in ("slo_endpoints", "baseline", "prices"):
            if not plain[key]:
                del plain[key]
        return plain | {"cells": cells, "steps": steps}
    optional = ("load", "twin_of", "placement") if isinstance(value, PlannedCell) else ("block", "seed", "load_seconds")
    return {key: entry for key, entry in plain.items() if entry is not None or key not in optional}
