"""Cells: one configuration each, with a stable readable id, and the product of axes."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarmsweep.units import format_memory, format_plain

CORE_AXES = ("replicas", "cpus", "memory", "workers")
LOCUSTFILE_AXIS = "locustfile"  # the scenario of a cell: a setting of its load, and not a variable of the stack
MAX_ID_LENGTH = 120  # leaves room for suffixes below the 255 bytes of a file name

# Price of one GiB of memory in units of one vCPU: about 1 to 9 in the price list of AWS Fargate.
MEMORY_PRICE_PER_GIB = 0.11

AxisValue = str | int | float
# A configuration as in plan.json: numbers under replicas, cpus, memory_bytes and workers; other axes by name.
Config = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One configuration of the API.

    ``replicas`` containers, each with ``cpus`` CPUs, ``memory_bytes`` bytes and ``workers`` server processes;
    ``extra`` holds any other axes as (name, value), sorted by name.
    """

    replicas: int
    cpus: int | float
    memory_bytes: int
    workers: int
    extra: tuple[tuple[str, AxisValue], ...] = ()

    @property
    def memory(self) -> str:
        """The memory limit as Docker text, in its shortest exact form."""
        return format_memory(self.memory_bytes)

    @property
    def id(self) -> str:
        """A readable, stable name that is safe in file names: ``r2-c0.5-m600M-w2`` and ``-<axis><value>`` for each
        extra axis.

        A locustfile is named without ``.py``.
        """
        core = f"r{self.replicas}-c{format_plain(self.cpus)}-m{self.memory}-w{self.workers}"
        name = core + "".join(f"-{axis}{_slug(axis, value)}" for axis, value in self.extra)
        if len(name) <= MAX_ID_LENGTH:
            return name
        return f"{name[: MAX_ID_LENGTH - 9]}-{_digest(name)}"

    def config(self) -> Config:
        """The configuration as plan.json and summary.json hold it."""
        core = {
            "replicas": self.replicas,
            "cpus": self.cpus,
            "memory_bytes": self.memory_bytes,
            "workers": self.workers,
        }
        return core | dict(self.extra)


def cell_from_axes(values: Mapping[str, Any]) -> Cell:
    """Cell of axis values by name; ``memory`` is in bytes."""
    extra = tuple(sorted((axis, value) for axis, value in values.items() if axis not in CORE_AXES))
    return Cell(values["replicas"], values["cpus"], values["memory"], values["workers"], extra)


def axes_of(cell: Cell) -> dict[str, Any]:
    """Axis values by name, the inverse of `cell_from_axes`."""
    core = {"replicas": cell.replicas, "cpus": cell.cpus, "memory": cell.memory_bytes, "workers": cell.workers}
    return core | dict(cell.extra)


def axis_text(value: AxisValue) -> str:
    """The value of an axis for a person, who would not see an empty one."""
    return '""' if value == "" else str(value)


def product_size(axes: Mapping[str, Sequence[Any]]) -> int:
    """How many cells the product of the axes has, counted without building it."""
    size = 1
    for values in axes.values():
        size *= len(values)
    return size


def product(axes: Mapping[str, Sequence[Any]]) -> list[Cell]:
    """All cells of the product, the first axis slowest, as nested loops in the order of the file."""
    return [cell_from_axes(dict(zip(axes, values, strict=True))) for values in itertools.product(*axes.values())]


def matches(values: Mapping[str, Any], pattern: Mapping[str, Any]) -> bool:
    """Whether every axis value of ``pattern`` is among a cell's ``values`` (see `axes_of`)."""
    return all(axis in values and values[axis] == value for axis, value in pattern.items())


def first_repeated(cells: Iterable[Cell]) -> tuple[int, int] | None:
    """Positions of the first cell that occurs twice (by id) and of its repetition, or None."""
    seen: dict[str, int] = {}
    for position, cell in enumerate(cells):
        if cell.id in seen:
            return seen[cell.id], position
        seen[cell.id] = position
    return None


def _slug(axis: str, value: AxisValue) -> str:
    text = value if isinstance(value, str) else format_plain(value)
    if axis == LOCUSTFILE_AXIS:
        text = text.removesuffix(".py")
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", text) or "empty"
    # Replacing or shortening could make two values equal; a part of their hash keeps them different.
    return safe if safe == text and len(safe) <= 40 else f"{safe[:31]}-{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def cost(config: Config) -> float:
    """Cost of a configuration in CPU equivalents: replicas x (cpus + 0.11 x memory in GiB)."""
    memory_gib: float = config["memory_bytes"] / 1024**3
    equivalents: float = config["replicas"] * (config["cpus"] + MEMORY_PRICE_PER_GIB * memory_gib)
    return equivalents
