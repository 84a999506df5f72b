"""Checks that the type of a plan cannot make: damaged loads, configurations, hosts and ids in a stored plan.json."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from swarmsweep.errors import LabError
from swarmsweep.plan.planned import Plan
from swarmsweep.record_file import Amount, Positive, WrittenAmount, as_record
from swarmsweep.sweep.load import CAPACITY, FIXED, mode_of
from swarmsweep.units import quoted

_Above0 = Annotated[float, Meta(gt=0, lt=1e18)]
# The id of a cell is the name of its folder.
_CELL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)


class _FixedLoad(Struct):
    users: Positive
    spawn_rate: _Above0
    warmup_seconds: Amount
    measure_seconds: _Above0
    wait_seconds: tuple[Amount, Amount] | None
    workers: Positive
    locustfile: str


class _Search(Struct):
    profile: str
    budget_seconds: Amount
    timeout_seconds: _Above0
    workers: Positive
    locustfile: str
    target_rps: WrittenAmount | None = None
    target_users: Positive | None = None
    arrivals: str | None = None
    by: str | None = None
    spawn_rate: _Above0 | None = None
    wait_seconds: tuple[Amount, Amount] | None = None


class _Config(Struct):
    replicas: Positive
    cpus: _Above0
    memory_bytes: Positive
    workers: Positive


class _Host(Struct):
    cpus: Amount | None = None
    memory_bytes: Amount | None = None
    swap_bytes: Amount | None = None
    reserve_memory_bytes: Amount | None = None


_LOADS: dict[str, type[Struct]] = {FIXED: _FixedLoad, CAPACITY: _Search}


def refuse_damaged(plan: Plan, where: str) -> None:
    """Raise a `LabError`, which begins with ``where``, for a value that no version has written.

    A load of an unknown mode is also refused. Unknown keys are accepted: a later version may have them.
    """
    ids = Counter(cell.id for cell in plan.cells)
    for cell_id, count in ids.items():
        if not _CELL_ID.fullmatch(cell_id):
            raise LabError(f"{where}: is damaged: the id of a cell is {quoted(cell_id)}; expected: a file name")
        if count > 1:
            raise LabError(f"{where}: is damaged: cell {cell_id} occurs {count} times")
    for step in plan.steps:
        if step.cell_id not in ids:
            raise LabError(f"{where}: is damaged: a step is for cell {quoted(step.cell_id)}, which is not in cells")
    for place, part, kind in _parts(plan, where):
        as_record(dict(part), kind, f"{where}: {place}")


def _parts(plan: Plan, where: str) -> Iterator[tuple[str, Mapping[str, Any], type[Struct]]]:
    """The place, the value and the type of each part that is untyped in a plan."""
    loads = {"load": plan.load} | {f"load of cell {cell.id}": plan.load_of(cell) for cell in plan.cells}
    for place, load in loads.items():
        try:
            yield place, load, _LOADS[mode_of(load)]
        except LabError as error:
            raise LabError(f"{where}: {error}") from error
    for cell in plan.cells:
        yield f"config of cell {cell.id}", cell.config, _Config
    for group, hosts in plan.hosts.items():
        for host in hosts:
            yield f"host {quoted(host.get('name'))} of group {group}", host, _Host
