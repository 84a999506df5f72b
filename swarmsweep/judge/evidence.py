"""The facts about one attempt for its checks and its bottleneck: no paths, no raw arrays.

None means "not measured". Times are epoch seconds of the host that wrote them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from swarmsweep.judge.concurrency import Concurrency
from swarmsweep.plan.row import RequestParts
from swarmsweep.raw.api_usage import ApiUsage
from swarmsweep.raw.closed_loop import SentCounts
from swarmsweep.raw.deployment import Deployment, StateAfterLoad
from swarmsweep.raw.haproxy import ProxyDelta
from swarmsweep.raw.machine_usage import MachineUsage
from swarmsweep.raw.tasks import TaskCounts
from swarmsweep.raw.timeline import Timeline
from swarmsweep.search import Slo
from swarmsweep.sweep.load import StoredLoad
from swarmsweep.sweep.matrix import Config


@dataclass(frozen=True)
class Second:
    """One second of a measured window: requests that were due (open loop) or began (closed loop) in it."""

    offered: int
    in_flight_mean: float | None = None
    cpu_percent: float | None = None


@dataclass(frozen=True)
class Flow:
    """The load that the generator made in one measured window.

    ``kind`` is 'users' (closed loop of Locust's users), 'closed' (a number of connections, no think time), 'poisson' or
    'constant'. ``offered`` = ok + failed + timed_out + dropped + in_flight_end, all of requests due in the window.
    ``concurrency`` is the number of users or connections of a closed loop.
    ``lag_mean_ms``, ``lag_p99_ms``: how late requests were sent. ``served_by``: responses by the value of X-Served-By.
    ``in_flight_end``: requests without a response when the load ended. ``errors``: failures of the whole attempt or
    probe by their text, which only people read. ``failure_kinds``: failures of the window by their kind.
    ``different_responses``: requests of the whole attempt or probe whose response differed from an earlier one.

    Users only: ``think_time_seconds`` is the mean of the think times that ended in the window, and ``thinking_mean``
    the mean number of users in think time. ``planned_think_seconds`` is the mean think time by the plan, None where the
    scenario has its own.

    Closed loop only: ``tasks`` are executions of tasks that began in the window. ``users_min`` is the fewest users in
    any second of it. ``lower_bounds`` names the latencies that are lower bounds because of ``in_flight_end``.
    """

    kind: str
    window: tuple[float, float]
    offered: int
    ok: int
    failed: int
    timed_out: int = 0
    dropped: int = 0
    in_flight_end: int = 0
    rate_rps: float | None = None
    # Where the rate is one of iterations: those that were due, and those of them that were dropped.
    iterations: tuple[int, int] | None = None
    concurrency: int | None = None
    planned_think_seconds: float | None = None
    think_time_seconds: float | None = None
    thinking_mean: float | None = None
    latency_mean_ms: float | None = None
    in_flight_mean: float | None = None
    lag_mean_ms: float | None = None
    lag_p99_ms: float | None = None
    seconds: tuple[Second, ...] = ()
    served_by: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    failure_kinds: Mapping[str, int] | None = None
    different_responses: int | None = None
    generator_cpu_percent: float | None = None
    tasks: TaskCounts | None = None
    users_min: int | None = None
    lower_bounds: tuple[str, ...] = ()

    @property
    def length_seconds(self) -> float:
        """Length of the window."""
        return self.window[1] - self.window[0]


@dataclass(frozen=True)
class Evidence:
    """The evidence of one attempt.

    ``flow`` is the window whose figures the report shows. ``peak`` is the one with the highest load that the generator
    could make (in fixed mode the same). ``usage`` and ``machines`` belong to ``flow``, those with ``peak_`` to
    ``peak``. ``machines`` are by host name.

    ``recorded_requests`` are all requests of the attempt that were sent, in and out of windows, by the generator's raw
    files. ``counted_requests`` are those of Locust's own statistics, which lack the ``unreported_requests``.
    ``sent`` counts what a scenario of users did, by kind; with it, ``recorded_requests`` include its own timings.
    ``on_start`` counts users that an exception ended before their first task, by its text, and ``listener_errors``
    exceptions of a scenario's listeners (None if an older recorder did not count them).

    For a search: ``recovery_probes`` are requests of Locust's master between the probes; only HAProxy counts them.
    ``client_timeouts`` are requests that timed out: HAProxy may have counted them or not. ``generator_limit`` is
    `SearchOutcome.generator_limit`. ``verified_rps`` is the highest verified rate, None where no rate was verified:
    then ``next_step`` says what to do.

    ``concurrency`` compares ``peak`` with the probe of one user.

    ``placement`` has the least and the most replicas of each API host by the plan, where there are several.

    ``clock_offset_seconds``: clock of the API's manager minus that of the first load host, with its error bound.
    """

    config: Config
    load: StoredLoad
    slo: Slo
    deploy: Deployment | None = None
    after: StateAfterLoad | None = None
    timeline: Timeline | None = None
    flow: Flow | None = None
    peak: Flow | None = None
    usage: ApiUsage = field(default_factory=ApiUsage)
    peak_usage: ApiUsage = field(default_factory=ApiUsage)
    machines: Mapping[str, MachineUsage] = field(default_factory=dict)
    peak_machines: Mapping[str, MachineUsage] = field(default_factory=dict)
    proxy: ProxyDelta | None = None
    recorded_requests: int | None = None
    counted_requests: int | None = None
    unreported_requests: int = 0
    sent: SentCounts | None = None
    on_start: Mapping[str, int] = field(default_factory=dict)
    listener_errors: Mapping[str, int] | None = None
    recovery_probes: int = 0
    client_timeouts: int = 0
    generator_limit: str | None = None
    verified_rps: float | None = None
    next_step: str | None = None
    records_complete: bool | None = None
    record_files: int = 0
    clock_offset_seconds: float | None = None
    clock_bound_seconds: float | None = None
    oom_kills: int | None = None
    request_parts: RequestParts | None = None
    concurrency: Concurrency = field(default_factory=Concurrency)
    placement: Mapping[str, tuple[int, int]] | None = None

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The windows that are known: the reported one, and the peak if it is another one."""
        # Compared by identity: usually the two are the same object.
        return tuple({id(flow): flow for flow in (self.flow, self.peak) if flow is not None}.values())
