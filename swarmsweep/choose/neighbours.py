"""Configurations beside a measured one: larger by its bottleneck, cheaper, or between two that were measured."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from swarmsweep.plan.row import Row
from swarmsweep.sweep.matrix import CORE_AXES, Cell, axes_of, cell_from_axes

# The limits of a sweep file, see `sweep.values`.
MAX_REPLICAS, MAX_WORKERS, MAX_CPUS = 100, 128, 512.0
# Two values of an axis that differ by less than this factor are near enough: the next one between them says little.
MIN_FACTOR = 1.25
# Memory beyond the highest use that was seen, because the next attempt may use more. Rounded up to a step that a person
# would choose.
MEMORY_HEADROOM, MEMORY_STEP_BYTES = 1.25, 16 * 1024**2
# What held a configuration back, where more of it would not help.
NOT_BY_SIZE = frozenset(("generator", "proxy", "network", "database", "mlflow", "service", "host_cpu", "hot_replica"))


def cell_of(row: Row) -> Cell:
    """The configuration of a row."""
    values = {("memory" if axis == "memory_bytes" else axis): value for axis, value in row.config.items()}
    return cell_from_axes(values)


def larger(row: Row, has_workers_axis: bool, *, is_slow_alone: bool = False) -> list[Cell]:
    """Configurations in which more of what held the row back is there; empty where size does not help.

    The number of workers changes only where the sweep varies it: an image may ignore it. ``is_slow_alone``: one request
    at a time is too slow, and only more CPU may make it faster.
    """
    if row.bottleneck in NOT_BY_SIZE:
        return []
    cell = cell_of(row)
    ways = (_more_cpus,) if is_slow_alone else _GROWTH.get(row.bottleneck or "", (_more_cpus, _more_replicas))
    if not has_workers_axis:
        ways = tuple(way for way in ways if way not in _WORKERS) or (_more_replicas,)
    grown = (way(cell) for way in ways)
    return [cell for cell in grown if cell is not None]


def doubled_memory(row: Row) -> Cell:
    """The same configuration with twice the memory."""
    cell = cell_of(row)
    return replace(cell, memory_bytes=2 * cell.memory_bytes)


def one_more_replica(row: Row) -> Cell | None:
    """The same configuration with one more replica; None where no sweep may have it."""
    cell = cell_of(row)
    return replace(cell, replicas=cell.replicas + 1) if cell.replicas < MAX_REPLICAS else None


def lower_neighbour(row: Row, rows: Sequence[Row], axis: str) -> Row | None:
    """The row with the next lower value of an axis that is equal on all others; None where there is none."""
    axes = axes_of(cell_of(row))
    rest = {name: value for name, value in axes.items() if name != axis}
    lower = []
    for other in rows:
        theirs = axes_of(cell_of(other))
        if theirs[axis] < axes[axis] and {name: value for name, value in theirs.items() if name != axis} == rest:
            lower.append((theirs[axis], other))
    return max(lower, key=lambda pair: pair[0])[1] if lower else None


def between(lower: Row, upper: Row, axis: str) -> Cell | None:
    """The configuration in the middle of two that differ in one axis; None where they are near each other."""
    cell, low, high = cell_of(upper), axes_of(cell_of(lower))[axis], axes_of(cell_of(upper))[axis]
    if axis == "replicas":
        return replace(cell, replicas=(low + high) // 2) if high - low > 1 else None
    middle = math.sqrt(low * high)
    if high < MIN_FACTOR * low:
        return None
    if axis == "cpus":
        return _with_cpus(cell, middle, low, high)
    memory_bytes = _stepped(middle)
    return replace(cell, memory_bytes=memory_bytes) if low < memory_bytes < high else None


def half_the_cpus(row: Row) -> Cell | None:
    """The same configuration with half the CPUs; None below a hundredth of a CPU."""
    cell = cell_of(row)
    return _with_cpus(cell, cell.cpus / 2, 0.01, cell.cpus)


def enough_memory(row: Row) -> Cell | None:
    """The same configuration with as much memory as it used, and headroom. None where this saves hardly anything."""
    cell, peak_bytes = cell_of(row), row.api.memory_peak_bytes
    if peak_bytes is None:
        return None
    memory_bytes = _stepped(MEMORY_HEADROOM * peak_bytes)
    return replace(cell, memory_bytes=memory_bytes) if MIN_FACTOR * memory_bytes <= cell.memory_bytes else None


def vary(rows: Sequence[Row], axis: str) -> bool:
    """Whether rows have several values of an axis of every cell."""
    assert axis in CORE_AXES
    return len({axes_of(cell_of(row))[axis] for row in rows}) > 1


def _with_cpus(cell: Cell, cpus: float, low: float, high: float) -> Cell | None:
    rounded = round(cpus, 2)
    if not low < rounded < high:
        return None
    return replace(cell, cpus=int(rounded) if rounded.is_integer() else rounded)


def _stepped(memory_bytes: float) -> int:
    return math.ceil(memory_bytes / MEMORY_STEP_BYTES) * MEMORY_STEP_BYTES


def _more_cpus(cell: Cell) -> Cell | None:
    cpus = round(2 * cell.cpus, 3)
    return replace(cell, cpus=int(cpus) if float(cpus).is_integer() else cpus) if cpus <= MAX_CPUS else None


def _more_replicas(cell: Cell) -> Cell | None:
    return replace(cell, replicas=2 * cell.replicas) if 2 * cell.replicas <= MAX_REPLICAS else None


def _more_workers(cell: Cell) -> Cell | None:
    return replace(cell, workers=2 * cell.workers) if 2 * cell.workers <= MAX_WORKERS else None


def _more_workers_and_cpus(cell: Cell) -> Cell | None:
    grown = _more_workers(cell)
    return None if grown is None else _more_cpus(grown)


def _single_workers(cell: Cell) -> Cell | None:
    """As many server processes, each in a replica of its own."""
    replicas = cell.replicas * cell.workers
    return replace(cell, replicas=replicas, workers=1) if replicas <= MAX_REPLICAS else None


_WORKERS = (_more_workers, _more_workers_and_cpus, _single_workers)
_GROWTH: dict[str, tuple[Callable[[Cell], Cell | None], ...]] = {
    "worker_cpu": (_more_replicas, _more_workers_and_cpus),
    "hot_worker": (_single_workers,),
    "concurrency": (_more_workers, _more_replicas),
    "not_saturated": (_more_replicas,),
}
