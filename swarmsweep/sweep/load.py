"""The load of a deployment: its settings, how long it takes, and which of a sweep's loads a cell gets."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.search import PROFILES
from swarmsweep.sweep.matrix import LOCUSTFILE_AXIS, AxisValue, Cell, axes_of
from swarmsweep.units import quoted

# FastHttpUser's own limits, 60 s to connect and 60 s to read, and those of the proxy, which times out after 60 s.
DRAIN_SECONDS = 120.0
# Users for a fixed time, or a search for the highest rate that holds the SLO.
FIXED, CAPACITY = "fixed", "capacity"
# Of a search: those whose rates are compared, so that the noise of the comparison must be known.
ANCHORED_PROFILES = ("standard", "publish")
# A load as plan.json holds it, also one of an earlier version; `load_from_json` makes it typed.
StoredLoad = Mapping[str, Any]


@dataclass(frozen=True)
class Load:
    """The load of one trial: ``users`` simulated users in a closed loop for a fixed time."""

    users: int
    spawn_rate: float
    mode: str = FIXED
    warmup_seconds: float = 10  # connections open, caches and thread pools fill; the requests are discarded
    measure_seconds: float = 30  # a few thousand requests for p99 at 100 requests/s
    wait_seconds: tuple[float, float] = (0, 0)  # no think time: the users ask for all the API can give
    workers: int = 1  # Locust workers over all load hosts; one fills one core
    locustfile: str = "predict.py"  # one-row predictions, the usual request

    @property
    def seconds(self) -> float:
        """How long the load lasts: starting the users, warm-up, measuring."""
        return self.users / self.spawn_rate + self.warmup_seconds + self.measure_seconds

    @property
    def is_compared(self) -> bool:
        """Whether the figures of cells are compared by a test, which must know their noise."""
        return False

    def as_json(self) -> StoredLoad:
        """The load as plan.json holds it."""
        keys = ("mode", "users", "spawn_rate", "warmup_seconds", "measure_seconds", "wait_seconds", "workers")
        values = asdict(self)
        return {key: values[key] for key in (*keys, "locustfile")} | {"wait_seconds": list(self.wait_seconds)}


@dataclass(frozen=True)
class CapacityLoad:
    """Trials of one deployment, in an open loop, that close in on the highest rate within the SLO.

    ``budget_seconds`` bounds settling and measuring over all trials; it is the profile's, kept so that a stored plan
    says what was planned. ``target_rps`` is the rate that the API must sustain, None where the highest is wanted.
    """

    timeout_seconds: float  # an answer that takes longer counts as none
    budget_seconds: float
    profile: str = "standard"  # the shortest whose verified rate is worth a decision
    arrivals: str = "poisson"  # independent callers, at random times
    target_rps: float | None = None
    workers: int = 1  # Locust workers over all load hosts; one fills one core
    locustfile: str = "predict_open.py"  # one-row predictions, the usual request
    mode: str = CAPACITY

    @property
    def seconds(self) -> float:
        """The longest that the load can last: settling and measuring of all trials."""
        return self.budget_seconds

    @property
    def is_compared(self) -> bool:
        """Whether the figures of cells are compared by a test, which must know their noise."""
        return self.profile in ANCHORED_PROFILES

    def as_json(self) -> StoredLoad:
        """The load as plan.json holds it."""
        keys = ("mode", "profile", "budget_seconds", "arrivals", "timeout_seconds", "target_rps", "workers")
        return {key: getattr(self, key) for key in (*keys, "locustfile")}


AnyLoad = Load | CapacityLoad
KINDS: dict[str, type[AnyLoad]] = {FIXED: Load, CAPACITY: CapacityLoad}


def with_profile(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a capacity load; those that name a profile, with its budget."""
    budget = {"budget_seconds": PROFILES[settings["profile"]].budget_seconds} if "profile" in settings else {}
    return {**settings, **budget}


def load_from_json(stored: StoredLoad) -> AnyLoad:
    """The load that `Load.as_json` or `CapacityLoad.as_json` stored, also by an earlier version.

    Raises `LabError` where a setting is unknown or missing.
    """
    kind = KINDS[mode_of(stored)]
    if unknown := sorted(set(stored) - {field.name for field in fields(kind)}):
        raise LabError(f"the plan has a load with {', '.join(unknown)}, which this version does not know")
    try:
        return kind(**stored)
    except TypeError as error:
        raise LabError(f"the plan has an incomplete load: {error}") from error


def drain_seconds(slo: Mapping[str, float]) -> float:
    """How long after a window its requests may still get their responses, in seconds; it ends as soon as all have.

    At least the largest latency limit of the SLO: a request that waited longer certainly misses it. The load host
    bounds it (see loadgen/closed/drain.py).
    """
    return max([DRAIN_SECONDS, *(value / 1000 for name, value in slo.items() if name.endswith("_ms"))])


@dataclass(frozen=True)
class Case:
    """Another load for the cells that have, on each axis of ``when``, one of the values given there."""

    when: tuple[tuple[str, tuple[AxisValue, ...]], ...]
    load: AnyLoad

    def matches(self, axes: Mapping[str, Any]) -> bool:
        """Whether the case is for a cell with these axis values (see `matrix.axes_of`)."""
        return all(axis in axes and axes[axis] in values for axis, values in self.when)


def load_of(cell: Cell, load: AnyLoad, cases: Iterable[Case]) -> AnyLoad:
    """The load of a cell: that of the first case that matches, else ``load``; the scenario is the cell's own."""
    axes = axes_of(cell)
    own = next((case.load for case in cases if case.matches(axes)), load)
    return replace(own, locustfile=axes[LOCUSTFILE_AXIS]) if LOCUSTFILE_AXIS in axes else own


def differences(load: StoredLoad, other: StoredLoad) -> dict[str, Any]:
    """The settings of ``other`` that are not those of ``load``; both as plan.json holds them."""
    return {key: value for key, value in other.items() if load.get(key) != value}


def mode_of(load: StoredLoad) -> str:
    """`FIXED` or `CAPACITY`: the mode of a load as plan.json holds it; plans of earlier versions name none.

    Raises `LabError` for any other mode.
    """
    mode = str(load.get("mode", FIXED))
    if mode not in KINDS:
        known = " and ".join(KINDS)
        raise LabError(f"the plan has a load of mode {quoted(mode)}; this version knows {known}")
    return mode
