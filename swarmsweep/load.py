"""The load of a trial: its settings, how long it takes, and which of a sweep's loads a cell gets."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from swarmsweep.matrix import LOCUSTFILE_AXIS, AxisValue, Cell, axes_of


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

    @property
    def seconds(self) -> float:
        """How long the load lasts: starting the users, warm-up, measuring."""
        return self.users / self.spawn_rate + self.warmup_seconds + self.measure_seconds

    def as_json(self) -> dict[str, Any]:
        """The load as plan.json holds it."""
        keys = ("mode", "users", "spawn_rate", "warmup_seconds", "measure_seconds", "wait_seconds", "workers")
        values = asdict(self)
        return {key: values[key] for key in (*keys, "locustfile")} | {"wait_seconds": list(self.wait_seconds)}


@dataclass(frozen=True)
class Case:
    """Another load for the cells that have, on each axis of ``when``, one of the values given there."""

    when: tuple[tuple[str, tuple[AxisValue, ...]], ...]
    load: Load

    def matches(self, axes: Mapping[str, Any]) -> bool:
        """Whether the case is for a cell with these axis values (see `matrix.axes_of`)."""
        return all(axis in axes and axes[axis] in values for axis, values in self.when)


def load_of(cell: Cell, load: Load, cases: Iterable[Case]) -> Load:
    """The load of a cell: that of the first case that matches, else ``load``; the scenario is the cell's own."""
    axes = axes_of(cell)
    found = next((case.load for case in cases if case.matches(axes)), load)
    return replace(found, locustfile=axes[LOCUSTFILE_AXIS]) if LOCUSTFILE_AXIS in axes else found


def load_of_cell(plan: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any]:
    """The load of a planned cell, as plan.json holds it. Plans from before cells had loads of their own hold one."""
    return cell.get("load", plan["load"])


def differences(load: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of ``other`` that are not those of ``load``; both as plan.json holds them."""
    return {key: value for key, value in other.items() if load.get(key) != value}
