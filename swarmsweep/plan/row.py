"""The row of a cell: everything that is reported about it. `row_file` reads and writes it.

None means "not measured". The keys ``trials``, ``trial``, ``load_trials`` and ``at_least`` have another name here.
"""

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.record_file import Number, Whole
from swarmsweep.sweep.matrix import Config

SCHEMA = 1
NOT_MEASURED = "not measured"
OTHER_ENDPOINTS, UNKNOWN_ENDPOINT = "other", "unknown"

Interval = tuple[Number, Number]
# Processes that serve the API's port in each replica: one number, or that of each replica where they differ.
ServerProcesses = Whole | list[Whole] | None
# The lowest and the highest number of all processes of a replica.
ProcessesRange = tuple[Whole, Whole] | None
# The values that a check compares: a figure, a text, or whether a condition holds.
CheckValue = bool | int | float | str | None


class LatencyMs(Struct, frozen=True):
    """Mean and percentiles in ms. A percentile of too few requests is None."""

    mean: Number | None = None
    p50: Number | None = None
    p95: Number | None = None
    p99: Number | None = None

    def by_name(self) -> dict[str, Number | None]:
        """The four figures by their names."""
        return {"mean": self.mean, "p50": self.p50, "p95": self.p95, "p99": self.p99}


class ApiUse(Struct, frozen=True, kw_only=True):
    """Resource use of the API in the measured window; ``restarts`` and ``oom_kills`` are those of the whole attempt.

    ``cpu_cores`` is the sum over all replicas. ``memory_peak_bytes`` is that of the fullest replica.
    ``shared_memory_peak_bytes`` is the most that a replica had in files in memory, as those of /tmp.
    """

    cpu_cores: Number | None = None
    throttled_percent: Number | None = None
    memory_peak_bytes: Whole | None = None
    shared_memory_peak_bytes: Whole | None = None
    oom_kills: Whole | None = None
    restarts: Whole | None = None


class LoadUse(Struct, frozen=True, kw_only=True):
    """``cpu_percent_max``: percent of one core, of the busiest Locust worker in any second."""

    cpu_percent_max: Number | None = None
    workers: Whole | None = None


class HostUse(Struct, frozen=True, kw_only=True):
    """The use of one host in the measured window. ``group`` is 'api' or 'load'.

    ``cpu_percent`` is of all its cores together, and ``memory_bytes`` what was not available, at the most. The network
    is the interface with most bytes. ``link_percent`` is the use of the fullest link whose speed is known. Disks are
    added up, and ``disk_busy_percent`` is that of the busiest one.
    """

    name: str
    group: str
    cores: Whole | None = None
    cpu_percent: Number | None = None
    memory_bytes: Whole | None = None
    memory_total_bytes: Whole | None = None
    interface: str | None = None
    received_bytes_per_second: Number | None = None
    sent_bytes_per_second: Number | None = None
    link_percent: Number | None = None
    disk_read_bytes_per_second: Number | None = None
    disk_written_bytes_per_second: Number | None = None
    disk_busy_percent: Number | None = None


class RequestParts(Struct, frozen=True, kw_only=True):
    """Where the time of a request to ``endpoint`` goes, in ms, as the mean over ``requests``.

    A part that was never entered is None.
    """

    endpoint: str
    requests: Whole
    mean_ms: Number
    parts_ms: dict[str, Number | None]


class CellCapacity(Struct, frozen=True, kw_only=True):
    """The capacity from all deployments of a cell together, in requests per second.

    ``is_lower_bound``: no higher rate failed, so the capacity may be higher. ``limited_by`` then says why the search
    did not try higher rates. ``between_deployments``: the interval comes from the spread between deployments, otherwise
    from the probes of the only one. ``next_step``: what to do, where a deployment verified no rate.

    ``verified_users`` and ``estimate_users`` are those of a search with users; else they are None. The rates then
    belong to these numbers of users. ``verified_iterations_per_second`` is that of a search by arrivals, and the rates
    are the requests of these iterations.
    """

    verified_rps: Number | None
    is_lower_bound: bool = field(name="at_least")
    estimate_rps: Number | None
    interval_rps: Interval | None
    lower_bound_rps: Number | None
    deployments: Whole
    between_deployments: bool
    limited_by: str | None
    next_step: str | None = None
    verified_users: Whole | None = None
    estimate_users: Number | None = None
    verified_iterations_per_second: Number | None = None


class EndpointRow(Struct, frozen=True, kw_only=True):
    """The requests of one name in the measured window. The figures are as those of `Row`.

    ``name`` is Locust's method and name. It is `OTHER_ENDPOINTS` for all names beyond the most frequent ones, and
    `UNKNOWN_ENDPOINT` for requests without a response whose name is not known. ``meets_slo`` is None where the SLO has
    no limits for it, or where that is undecided. A name of the SLO that never occurred has 0 requests.
    ``latency_intervals_ms`` are known for an endpoint with limits.
    """

    name: str
    requests: Whole
    failures: Whole
    failure_percent: Number | None = None
    rps: Number | None = None
    latency_ms: LatencyMs = LatencyMs()
    latency_intervals_ms: dict[str, Interval] = {}
    lower_bounds: list[str] = []
    failure_kinds: dict[str, Whole] | None = None
    meets_slo: bool | None = None


class CheckEntry(Struct, frozen=True, kw_only=True):
    """A check of one attempt. ``passed`` is None when its evidence was not gathered."""

    attempt: Whole
    name: str
    value: CheckValue
    limit: CheckValue
    passed: bool | None
    sentence: str
    warning: bool = False


class Retry(Struct, frozen=True, kw_only=True):
    """An attempt that was invalid and has been retried, and the reason why it was invalid."""

    attempt: Whole
    reason: str | None


class ProbeRow(Struct, frozen=True, kw_only=True):
    """One probe of a search: its entry in capacity.json, judged again, and the figures of its window.

    ``file`` is its trial-<n>.json. An earlier version may lack any of these.
    """

    number: Whole | None = field(name="trial", default=None)
    purpose: str | None = None
    kind: str | None = None
    rate_rps: Number | None = None
    connections: Whole | None = None
    users: Whole | None = None
    # Where the rate is one of iterations: the same number.
    iterations_per_second: Number | None = None
    seconds_ramp: Number | None = None
    seconds_settle: Number | None = None
    seconds_measure: Number | None = None
    window_start: Number | None = None
    window_end: Number | None = None
    verdict: str | None = None
    reason: str | None = None
    over_percent: Number | None = None
    file: str | None = None
    achieved_rps: Number | None = None
    p95_ms: Number | None = None
    cpu_cores: Number | None = None
    throttled_percent: Number | None = None


class RequestCounts(Struct, frozen=True, kw_only=True):
    """What users did in whole attempts, ramp and warm-up included, by kind.

    See `swarmsweep.raw.closed_loop.SentCounts`. ``haproxy`` is the number of requests that HAProxy counted.
    ``own_figures`` is None in rows of earlier versions: there, it is so where users made no other request. The last
    three are None in them.
    """

    client_requests: Whole
    redirects_followed: Whole
    retries: Whole
    other_clients: Whole
    not_sent: Whole
    own_timings: Whole
    haproxy: Whole | None = None
    own_figures: bool | None = None
    user_events: Whole | None = None
    setup_requests: Whole | None = None
    setup_failures: Whole | None = None


class HostReplicas(Struct, frozen=True, kw_only=True):
    """The replicas of an attempt on one API host. ``connect_ms``: the median time of a connection from HAProxy."""

    replicas: Whole
    connect_ms: Number | None = None


class AttemptEntry(Struct, frozen=True, kw_only=True):
    """One attempt. Its window is in epoch seconds.

    ``capacity_rps`` is the estimate of this deployment, and ``interval_rps`` belongs to it. Earlier versions lack the
    fields of a search. ``replica_hosts`` has the API hosts, where there are several. For the three figures after
    ``rps`` see `Row`.
    """

    attempt: Whole
    status: str
    reason: str | None = None
    rps: Number | None = None
    unloaded_latency_ms: Number | None = None
    latency_growth: Number | None = None
    served_at_once: Number | None = None
    window_start: Number | None = None
    window_end: Number | None = None
    requests_by_replica: dict[str, Whole | None] = {}
    replica_hosts: dict[str, HostReplicas] = {}
    think_time_seconds: Number | None = None
    server_processes: ServerProcesses = None
    capacity_rps: Number | None = None
    verified_rps: Number | None = None
    interval_rps: Interval | None = None
    verified_users: Whole | None = None
    estimate_users: Number | None = None
    interval_users: Interval | None = None
    verified_iterations_per_second: Number | None = None
    is_lower_bound: bool | None = field(name="at_least", default=None)
    limited_by: str | None = None
    capacity_sentence: str | None = None
    next_step: str | None = None
    probes: list[ProbeRow] = field(name="load_trials", default_factory=list)


class Row(Struct, frozen=True, kw_only=True):
    """A cell with its figures, or one that was not measured.

    ``attempt_count`` is the number of attempts from which the figures come. ``lower_bounds`` names the latencies that
    are lower bounds. ``endpoints`` are the requests by name, None where names were not recorded. ``user_classes`` are
    the same by user class, and ``class_users`` the most users of each that ran at a time. Both are None where the
    scenario has only one class. ``failure_kinds``
    counts ``failures`` by their kind, as shared/request_record.py names it; None where no kinds were recorded.
    ``think_time_seconds`` is the mean that was measured. ``rps_range`` holds the lowest
    and the highest ``rps`` of several attempts. Until the cell is measured, ``status`` is None and ``run_id`` is unset.
    ``attempt`` is set in trial.json alone.

    ``unloaded_latency_ms`` is the mean latency of a single user. ``latency_growth`` is the mean latency at the peak
    divided by it. ``served_at_once`` is the number of requests that the API served at once at the peak: good responses
    per second times the unloaded latency. ``latency_intervals_ms`` has the 95 % intervals of the latencies of users; a
    search has none. ``hosts`` are the API hosts, then the load hosts; None where none was measured. Rows of earlier
    versions lack these five.

    ``capacity_users`` is the number of users that a search with users verified, ``capacity_iterations_per_second`` the
    rate of iterations that a search by arrivals verified.
    """

    schema: int
    id: str
    config: Config
    status: str | None
    reason: str | None
    attempt_count: Whole = field(name="trials")
    users: Whole | None
    requests: Whole | None
    failures: Whole | None
    failure_percent: Number | None
    endpoints: list[EndpointRow] | None
    failure_kinds: dict[str, Whole] | None
    request_counts: RequestCounts | None
    task_exceptions: Whole | None
    failed_task_percent: Number | None
    rps: Number | None
    think_time_seconds: Number | None
    server_processes: ServerProcesses
    processes_range: ProcessesRange
    latency_ms: LatencyMs
    lower_bounds: list[str]
    meets_slo: bool | None
    capacity_rps: Number | None
    capacity: CellCapacity | None
    api: ApiUse
    load: LoadUse
    unloaded_latency_ms: Number | None = None
    latency_growth: Number | None = None
    served_at_once: Number | None = None
    capacity_users: Whole | None = None
    capacity_iterations_per_second: Number | None = None
    latency_intervals_ms: dict[str, Interval] = {}
    hosts: list[HostUse] | None = None
    user_classes: list[EndpointRow] | None = None
    class_users: dict[str, Whole] | None = None
    bottleneck: str | None
    request_parts: RequestParts | None
    choices: dict[str, str] | None
    bottleneck_evidence: str | None
    metrics_problem: str | None
    target: str | None
    twin_of: str | None
    retries: list[Retry]
    exceptions: dict[str, Whole]
    rps_range: Interval | None
    memory: str
    checks: list[CheckEntry]
    doubts: list[str]
    attempts: list[AttemptEntry]
    log_tail: list[str]
    run_id: str | UnsetType = UNSET
    attempt: Whole | UnsetType = UNSET


def blank_row(cell: PlannedCell, status: str | None, reason: str | None, attempt_count: int = 0) -> Row:
    """A cell without figures. ``cell`` is one of the plan's."""
    return Row(
        schema=SCHEMA,
        id=cell.id,
        config=cell.config,
        status=status,
        reason=reason,
        attempt_count=attempt_count,
        users=None,
        requests=None,
        failures=None,
        failure_percent=None,
        endpoints=None,
        failure_kinds=None,
        request_counts=None,
        task_exceptions=None,
        failed_task_percent=None,
        rps=None,
        think_time_seconds=None,
        server_processes=None,
        processes_range=None,
        latency_ms=LatencyMs(),
        lower_bounds=[],
        meets_slo=None,
        capacity_rps=None,
        capacity=None,
        api=ApiUse(),
        load=LoadUse(),
        bottleneck=None,
        request_parts=None,
        choices=None,
        bottleneck_evidence=None,
        metrics_problem=None,
        target=None,
        twin_of=cell.twin_of,
        retries=[],
        exceptions={},
        rps_range=None,
        memory=cell.memory,
        checks=[],
        doubts=list(cell.doubts),
        attempts=[],
        log_tail=[],
    )


def infeasible_row(plan: Plan, cell: PlannedCell) -> Row:
    """The row of a cell that cannot be deployed on the hosts of the plan."""
    row = blank_row(cell, "infeasible", cell.infeasible_reason)
    return replace(row, run_id=plan.run_id)


def unmeasured_row(cell: PlannedCell, reason: str = NOT_MEASURED) -> Row:
    """The row of a planned cell that has no cell.json yet, or never gets one."""
    return blank_row(cell, None, reason)
