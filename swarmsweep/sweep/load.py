"""The load of a deployment: its settings, its duration, and which of a sweep's loads a cell gets."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.search import PROFILES
from swarmsweep.shared.request_record import UNLOADED_SECONDS
from swarmsweep.sweep.matrix import LOCUSTFILE_AXIS, AxisValue, Cell, axes_of
from swarmsweep.sweep.slo_limits import SloLimits
from swarmsweep.units import quoted

# FastHttpUser allows 60 s to connect and 60 s to read, and the proxy times out after 60 s.
DRAIN_SECONDS = 120.0
MAX_TIMEOUT_SECONDS = 60  # a response after a minute is useless
# Users for a fixed time, or a search for the highest load that holds the SLO.
FIXED, CAPACITY = "fixed", "capacity"
# What such a search varies: the rate of the open-loop client, or, for any other scenario, the number of users or the
# rate of iterations.
RATE, USERS, ARRIVALS = "rate", "users", "arrivals"
# A scenario with this ending sends requests when they are due, even if earlier ones have no response.
OPEN_LOOP_ENDING = "_open.py"
# Users that one Locust worker starts per second in a search. Faster starts disturb Locust itself.
WORKER_SPAWN_RATE = 100.0
# Searches whose rates are compared, so that the noise of the comparison must be known.
ANCHORED_PROFILES = ("standard", "publish")
# A load as in plan.json, also one of an earlier version; `load_from_json` gives it a type.
StoredLoad = Mapping[str, Any]


@dataclass(frozen=True)
class Load:
    """The load of one attempt: ``users`` simulated users in a closed loop for a fixed time."""

    users: int
    spawn_rate: float
    mode: str = FIXED
    warmup_seconds: float = 10  # connections open, caches and thread pools fill; the requests are discarded
    measure_seconds: float = 30  # a few thousand requests for p99 at 100 requests/s
    wait_seconds: tuple[float, float] | None = None  # the scenario's own wait_time: a locustfile works unchanged
    workers: int = 1  # Locust workers over all load hosts; one fills one core
    locustfile: str = "predict.py"  # one-row predictions, the usual request
    env: Mapping[str, str] | None = None  # variables for the scenario
    secrets: Mapping[str, str] | None = None  # paths of files with the values of further variables
    tags: tuple[str, ...] | None = None  # all tasks
    exclude_tags: tuple[str, ...] | None = None
    user_classes: tuple[str, ...] | None = None  # all classes of the scenario

    @property
    def seconds(self) -> float:
        """The maximum duration of the load in seconds: probe of one user, starting the others, warm-up, measuring."""
        return UNLOADED_SECONDS + self.users / self.spawn_rate + self.warmup_seconds + self.measure_seconds

    @property
    def is_compared(self) -> bool:
        """Whether a statistical test compares the figures of cells, which needs their noise."""
        return False

    def as_json(self) -> StoredLoad:
        """The load as plan.json holds it."""
        keys = ("mode", "users", "spawn_rate", "warmup_seconds", "measure_seconds", "wait_seconds", "workers")
        values = asdict(self)
        waits = None if self.wait_seconds is None else list(self.wait_seconds)
        return {key: values[key] for key in (*keys, "locustfile")} | {"wait_seconds": waits} | _given(values)


@dataclass(frozen=True)
class CapacityLoad:
    """Probes of one deployment that find the highest rate within the SLO, or the highest number of users.

    ``budget_seconds`` bounds ramps, settling and measuring over all probes. It is the profile's, and is stored so that
    a plan keeps it. ``target_rps`` is the rate that the API must sustain, ``target_users`` the number of users. Both
    are None where the highest is wanted. ``arrivals`` is for an open loop. The settings after ``env`` and ``secrets``
    are for users. ``by`` is what the search varies, None where the scenario alone says it: see `varies`.
    """

    timeout_seconds: float  # a slower response counts as a timeout
    budget_seconds: float
    profile: str = "standard"  # the shortest profile whose verified rate is good enough for a decision
    arrivals: str = "poisson"  # independent users, at random times
    target_rps: float | None = None
    workers: int = 1  # Locust workers over all load hosts; one fills one core
    locustfile: str = "predict_open.py"  # one-row predictions, the usual request
    env: Mapping[str, str] | None = None  # variables for the scenario
    secrets: Mapping[str, str] | None = None  # paths of files with the values of further variables
    mode: str = CAPACITY
    by: str | None = None
    spawn_rate: float | None = None  # what Locust can start, see `users_per_second`
    wait_seconds: tuple[float, float] | None = None  # the scenario's own wait_time: a locustfile works unchanged
    tags: tuple[str, ...] | None = None  # all tasks
    exclude_tags: tuple[str, ...] | None = None
    user_classes: tuple[str, ...] | None = None  # all classes of the scenario
    target_users: int | None = None

    def __post_init__(self) -> None:
        """Set what a search with users has by default. So a load is the same after it was stored and read."""
        if self.varies != RATE and self.by is None:
            object.__setattr__(self, "by", self.varies)
        if self.varies == USERS and self.spawn_rate is None:
            object.__setattr__(self, "spawn_rate", WORKER_SPAWN_RATE * self.workers)

    @property
    def varies(self) -> str:
        """What the search varies: `RATE` for a scenario of the open-loop client, else ``by``."""
        return varied_by({"locustfile": self.locustfile, "by": self.by})

    @property
    def users_per_second(self) -> float:
        """Users that start per second."""
        return self.spawn_rate if self.spawn_rate is not None else WORKER_SPAWN_RATE * self.workers

    @property
    def think_seconds(self) -> float | None:
        """The mean think time, None where the scenario has its own."""
        return None if self.wait_seconds is None else sum(self.wait_seconds) / 2

    @property
    def seconds(self) -> float:
        """The maximum duration of the load in seconds: ramps, settling and measuring of all probes."""
        return self.budget_seconds

    @property
    def is_compared(self) -> bool:
        """Whether a statistical test compares the figures of cells, which needs their noise."""
        return self.profile in ANCHORED_PROFILES

    def as_json(self) -> StoredLoad:
        """The load as plan.json holds it."""
        waits = None if self.wait_seconds is None else list(self.wait_seconds)
        if self.varies == RATE:
            kind: dict[str, Any] = {"arrivals": self.arrivals}
        elif self.varies == ARRIVALS:
            kind = {"by": self.varies, "arrivals": self.arrivals}
        else:
            kind = {"by": self.varies, "spawn_rate": self.users_per_second, "wait_seconds": waits}
            # A load without it has no such key, as in plans of earlier versions.
            kind |= {"target_users": self.target_users} if self.target_users is not None else {}
        start, rest = ("mode", "profile", "budget_seconds"), ("timeout_seconds", "target_rps", "workers", "locustfile")
        before, after = ({key: getattr(self, key) for key in keys} for keys in (start, rest))
        return before | kind | after | _given(asdict(self))


# Settings of the scenario. A load without one has no such key, as in plans of earlier versions.
OPTIONAL = ("env", "secrets", "tags", "exclude_tags", "user_classes")


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key in OPTIONAL
        if (value := values.get(key)) is not None
    }


def varied_by(load: StoredLoad) -> str:
    """What a search with this load varies, by a load as in plan.json."""
    if str(load["locustfile"]).endswith(OPEN_LOOP_ENDING):
        return RATE
    return str(load.get("by") or USERS)


def has_users(load: StoredLoad) -> bool:
    """Whether a load as in plan.json has users of Locust, which make their requests themselves."""
    return mode_of(load) == FIXED or varied_by(load) != RATE


AnyLoad = Load | CapacityLoad
KINDS: dict[str, type[AnyLoad]] = {FIXED: Load, CAPACITY: CapacityLoad}


def with_profile(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a capacity load. If they name a profile, its budget is added."""
    budget = {"budget_seconds": PROFILES[settings["profile"]].budget_seconds} if "profile" in settings else {}
    return {**settings, **budget}


def load_from_json(stored: StoredLoad) -> AnyLoad:
    """The load that `Load.as_json` or `CapacityLoad.as_json` stored, also by an earlier version.

    Raises `LabError` where a setting is unknown or missing.
    """
    kind = KINDS[mode_of(stored)]
    if unknown := sorted(set(stored) - {field.name for field in fields(kind)}):
        raise LabError(f"the plan has a load with {', '.join(unknown)}, which this version does not know")
    # JSON has no tuples.
    settings: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()
    }
    try:
        return kind(**settings)
    except TypeError as error:
        raise LabError(f"the plan has an incomplete load: {error}") from error


def drain_seconds(limits: SloLimits) -> float:
    """How long after a window its requests may still get their responses, in seconds; it ends as soon as all have.

    It is at least the largest latency limit of the SLO: a request that waited longer certainly misses it. The load host
    bounds it (see loadgen/closed/drain.py).
    """
    return max(DRAIN_SECONDS, limits.greatest_latency_ms / 1000)


@dataclass(frozen=True)
class Case:
    """Another load for the cells that have, on each axis of ``when``, one of the given values."""

    when: tuple[tuple[str, tuple[AxisValue, ...]], ...]
    load: AnyLoad

    def matches(self, axes: Mapping[str, Any]) -> bool:
        """Whether the case applies to a cell with these axis values (see `matrix.axes_of`)."""
        return all(axis in axes and axes[axis] in values for axis, values in self.when)


def load_of(cell: Cell, load: AnyLoad, cases: Iterable[Case]) -> AnyLoad:
    """The load of a cell: that of the first case that matches, else ``load``; the scenario is the cell's own."""
    axes = axes_of(cell)
    own = next((case.load for case in cases if case.matches(axes)), load)
    return replace(own, locustfile=axes[LOCUSTFILE_AXIS]) if LOCUSTFILE_AXIS in axes else own


def differences(load: StoredLoad, other: StoredLoad) -> dict[str, Any]:
    """The settings of ``other`` that differ from those of ``load``; both are as in plan.json."""
    return {key: value for key, value in other.items() if load.get(key) != value}


def mode_of(load: StoredLoad) -> str:
    """`FIXED` or `CAPACITY`: the mode of a load as in plan.json; plans of earlier versions have none.

    Raises `LabError` for any other mode.
    """
    mode = str(load.get("mode", FIXED))
    if mode not in KINDS:
        known = " and ".join(KINDS)
        raise LabError(f"the plan has a load of mode {quoted(mode)}; this version knows {known}")
    return mode
