"""One attempt: the raw files of its folder -> its figures, checks and status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import numpy as np
from msgspec.structs import asdict

from swarmsweep.judge.bottleneck import find_bottleneck
from swarmsweep.judge.build_evidence import evidence_of
from swarmsweep.judge.capacity import Capacity
from swarmsweep.judge.checks import Check, checks_of
from swarmsweep.judge.concurrency import Concurrency
from swarmsweep.judge.evidence import Flow
from swarmsweep.judge.search_outcome import SearchOutcome, search_outcome
from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.plan.row import HostReplicas, ProbeRow, RequestCounts
from swarmsweep.raw.api_metrics import ApiMetrics
from swarmsweep.raw.api_usage import ApiUsage, usage_over
from swarmsweep.raw.attempt import RawAttempt, read_attempt
from swarmsweep.raw.deployment import Deployment, StateAfterLoad
from swarmsweep.raw.machine_usage import MachineUsage
from swarmsweep.raw.search_record import Probe
from swarmsweep.raw.tasks import TaskCounts
from swarmsweep.results.endpoints import AttemptEndpoints, EndpointPart, endpoints_of, user_classes_of
from swarmsweep.units import format_memory

# The report's words for a dead deployment; "rejected" and "mismatch" are not deaths, see `_status`.
_DEATHS = {
    "oom": "out of memory: the kernel killed a replica",
    "crash": "a replica crashed",
    "not_ready": "the replicas never became ready",
    "host_lost": "an API host was lost, with its replicas",
}
_KILLED = 137  # exit code of a process that got SIGKILL, the OOM killer's signal
MAX_LOG_LINES = 30


@dataclass(frozen=True, eq=False)
class AttemptResult:
    """The figures of one attempt; None where a figure was not measured.

    In capacity mode, ``window`` and its figures are those of the load at the verified rate. If no rate was verified,
    they are those of another one, see `swarmsweep.judge.shown_probe`. ``failures`` are all requests without a good
    response, including those that timed out or were never sent.

    ``latency_ms`` are those of all requests sent in the window, failed ones included. ``start_seconds`` are when they
    began (closed loop). ``waited_ms`` has the entries of
    those without a response when the load ended: their true latency is at least that. ``tasks`` are executions of tasks
    that began in the window (closed loop). One fails when it raises or when a request in it fails. ``failure_kinds``
    counts the failures by their kind, None where it was not recorded. ``endpoints`` are the requests of the window by
    name, None where no names were recorded. ``user_classes`` are the same by user class, and ``class_users`` the most
    users of each; None where the scenario has only one class. ``metrics`` are the API's own, of all requests since its
    replicas started.
    ``probes`` are those of a search. ``concurrency`` belongs to the highest load. ``machines`` are by host name.
    """

    attempt: int
    status: str
    reason: str | None
    window: tuple[float, float] | None
    requests: int | None
    failures: int | None
    latency_ms: np.ndarray
    usage: ApiUsage
    oom_kills: int | None
    restarts: int | None
    load_cpu_percent_max: float | None
    load_workers: int | None
    bottleneck: str | None
    bottleneck_evidence: str | None
    checks: tuple[Check, ...]
    start_seconds: np.ndarray = field(default_factory=lambda: np.empty(0))
    waited_ms: np.ndarray = field(default_factory=lambda: np.empty(0))
    think_time_seconds: float | None = None
    tasks: TaskCounts | None = None
    failure_kinds: Mapping[str, int] | None = None
    endpoints: AttemptEndpoints | None = None
    user_classes: AttemptEndpoints | None = None
    class_users: Mapping[str, int] | None = None
    request_counts: RequestCounts | None = None
    requests_by_replica: dict[str, int | None] = field(default_factory=dict)
    replica_hosts: Mapping[str, HostReplicas] = field(default_factory=dict)
    log_tail: tuple[str, ...] = ()
    target: str | None = None
    metrics: ApiMetrics | None = None
    metrics_problem: str | None = None
    capacity: Capacity | None = None
    probes: tuple[ProbeRow, ...] = ()
    concurrency: Concurrency = field(default_factory=Concurrency)
    machines: Mapping[str, MachineUsage] = field(default_factory=dict)

    @property
    def rps(self) -> float | None:
        """Successful requests that began (open loop: were due) in the window, per second of it."""
        if self.window is None or self.requests is None or self.failures is None:
            return None
        return (self.requests - self.failures) / (self.window[1] - self.window[0])


def analyse(folder: Path, plan: Plan, cell: PlannedCell, attempt: int) -> AttemptResult:
    """Figures of the attempt in ``folder``; ``cell`` is one of the plan's.

    Missing or damaged files never raise an error: they make the attempt invalid, and the reason names the file.
    """
    raw = read_attempt(folder, plan.load_of(cell), plan.slo)
    search = search_outcome(raw.search, plan.slo)
    evidence = evidence_of(raw, search, plan, cell)
    evidence = replace(evidence, oom_kills=_oom_kills(evidence.usage, raw))
    checks = checks_of(evidence) if raw.is_ready else ()
    status, reason = _status(raw, cell, evidence.oom_kills, checks)
    bottleneck = find_bottleneck(evidence)
    if status == "invalid" and bottleneck is not None and bottleneck.kind != "generator":
        bottleneck = None  # figures that are not valid prove nothing about the API
    flow = evidence.flow
    return AttemptResult(
        attempt=attempt,
        status=status,
        reason=reason,
        window=flow.window if flow is not None else raw.window,
        requests=flow.offered if flow is not None else None,
        failures=flow.offered - flow.ok if flow is not None else None,
        latency_ms=_latencies(raw, search),
        start_seconds=_starts(raw) if search is None else np.empty(0),
        waited_ms=_waited(raw),
        tasks=flow.tasks if flow is not None else None,
        think_time_seconds=flow.think_time_seconds if flow is not None else None,
        request_counts=_request_counts(raw),
        failure_kinds=flow.failure_kinds if flow is not None else None,
        endpoints=_endpoints(raw, search, flow),
        user_classes=_user_classes(raw, flow),
        class_users=raw.users.class_users if raw.users is not None else None,
        usage=evidence.usage,
        oom_kills=evidence.oom_kills,
        restarts=raw.after.restarts if raw.after is not None else None,
        load_cpu_percent_max=flow.generator_cpu_percent if flow is not None else None,
        load_workers=evidence.record_files or None,
        bottleneck=bottleneck.kind if bottleneck is not None else None,
        bottleneck_evidence=bottleneck.evidence if bottleneck is not None else None,
        checks=tuple(checks),
        requests_by_replica=raw.requests_by_replica,
        replica_hosts=_replica_hosts(raw, cell),
        log_tail=_log_tail(raw),
        target=raw.target,
        metrics=raw.metrics,
        metrics_problem=raw.metrics_problem,
        capacity=search.capacity if search is not None else None,
        probes=tuple(_probe_row(probe, raw) for probe in search.probes) if search is not None else (),
        concurrency=evidence.concurrency,
        machines=evidence.machines,
    )


def _replica_hosts(raw: RawAttempt, cell: PlannedCell) -> dict[str, HostReplicas]:
    """The replicas by API host, where there are several hosts."""
    if cell.placement is None or raw.deploy is None:
        return {}
    return {
        host: HostReplicas(
            replicas=len(containers),
            connect_ms=median(times)
            if (times := [ms for one in containers if (ms := one.connect_ms) is not None])
            else None,
        )
        for host, containers in raw.deploy.by_host.items()
    }


def _request_counts(raw: RawAttempt) -> RequestCounts | None:
    """What users did in the whole attempt; None for a search, and if an older recorder did not count it."""
    sent = raw.users.sent if raw.users is not None else None
    if sent is None:
        return None
    return RequestCounts(
        client_requests=sent.requests,
        redirects_followed=sent.redirects,
        retries=sent.retries,
        other_clients=sent.other_sends,
        not_sent=sent.not_sent,
        own_timings=sent.own_timings,
        own_figures=sent.own_figures,
        user_events=sent.user_events,
        setup_requests=sent.setup_requests,
        setup_failures=sent.setup_failures,
        # Counters that were reset by a restart count nothing.
        haproxy=raw.proxy.requests if raw.proxy is not None and not raw.proxy.restarted else None,
    )


def _latencies(raw: RawAttempt, search: SearchOutcome | None) -> np.ndarray:
    """Latencies of the requests that were sent in the window."""
    if search is not None and search.reported is not None:
        if search.is_by_users and raw.users is not None and raw.users.requests is not None:
            return raw.users.requests.within(*search.reported.window).latency_ms
        return search.reported.requests.sent.latency_ms
    if raw.users is not None and raw.users.requests is not None and raw.window is not None:
        return raw.users.requests.within(*raw.window).latency_ms
    return np.empty(0)


def _starts(raw: RawAttempt) -> np.ndarray:
    """When the requests of a closed loop that were sent in the window began, in seconds of the window."""
    if raw.users is not None and raw.users.requests is not None and raw.window is not None:
        return raw.users.requests.within(*raw.window).start_seconds - raw.window[0]
    return np.empty(0)


def _waited(raw: RawAttempt) -> np.ndarray:
    """Waiting times of closed-loop requests that had no response when the load ended."""
    if raw.users is not None and raw.users.requests is not None and raw.window is not None:
        return raw.users.requests.within(*raw.window).waited_ms
    return np.empty(0)


def _endpoints(raw: RawAttempt, search: SearchOutcome | None, flow: Flow | None) -> AttemptEndpoints | None:
    """The requests of the window by name. Those of the lean client of a search all have one."""
    if flow is None:
        return None
    if raw.users is not None:
        return endpoints_of(raw.users.requests, flow.window) if raw.users.requests is not None else None
    if raw.target is None:
        return None
    whole = EndpointPart(
        requests=flow.offered,
        failures=flow.offered - flow.ok,
        start_seconds=np.empty(0),
        latency_ms=_latencies(raw, search),
        waited_ms=np.empty(0),
        failure_kinds=flow.failure_kinds,
    )
    return AttemptEndpoints({raw.target: whole}, frozenset({raw.target}), flow.length_seconds)


def _user_classes(raw: RawAttempt, flow: Flow | None) -> AttemptEndpoints | None:
    """The requests of the window by user class."""
    if flow is None or raw.users is None or raw.users.requests is None:
        return None
    return user_classes_of(raw.users.requests, flow.window)


def _probe_row(probe: Probe, raw: RawAttempt) -> ProbeRow:
    """One probe of a search, as the report shows it."""
    usage = usage_over(raw.api_samples, probe.window, raw.deployed_ids)
    return ProbeRow(
        **asdict(probe.entry),
        iterations_per_second=probe.entry.rate_rps if probe.summary.measured.iterations is not None else None,
        achieved_rps=probe.achieved_rps,
        p95_ms=probe.p95_ms,
        cpu_cores=usage.cpu_cores,
        throttled_percent=usage.throttled_percent,
    )


def _status(
    raw: RawAttempt, cell: PlannedCell, oom_kills: int | None, checks: Sequence[Check]
) -> tuple[str, str | None]:
    """Status and reason, in this order: a death, which explains the rest; a failed deployment; a failed check."""
    deploy, after = raw.deploy or Deployment(), raw.after or StateAfterLoad()
    for record in (after,) if raw.is_ready else (deploy, after):
        code, reason = record.reason_code, record.reason
        if code == "rejected":
            return "infeasible", reason or "Docker refused to start a replica"
        if code == "mismatch":
            return "invalid", reason or "the deployed service differs from the matrix"
        if code == "oom" or (record is after and after.oom_killed):
            return "failed", reason or f"{_DEATHS['oom']} at its limit of {_limit(cell)}"
        if code in _DEATHS:
            return "failed", reason or _DEATHS[code]
    if oom_kills:
        return "failed", f"{_DEATHS['oom']} at its limit of {_limit(cell)}"
    if raw.deploy is not None and not raw.is_ready:
        return "failed", deploy.reason or "the deployment failed without a recorded reason"
    if raw.problems:
        return "invalid", "; ".join(raw.problems)
    failed = [check.sentence for check in checks if check.passed is False and not check.warning]
    return ("invalid", "; ".join(failed)) if failed else ("valid", None)


def _limit(cell: PlannedCell) -> str:
    return format_memory(cell.config["memory_bytes"])


def _oom_kills(usage: ApiUsage, raw: RawAttempt) -> int | None:
    """OOM kills by the kernel's counters, or by Docker if a dead replica has no counters; none is counted twice."""
    deploy, after = raw.deploy, raw.after
    deaths = 0
    if deploy is not None and deploy.reason_code == "oom":
        deaths = 1
    if after is not None and (after.oom_killed or after.reason_code == "oom"):
        deaths = max(deaths, 1, after.exit_codes.count(_KILLED))
    if usage.oom_kills is None and not deaths:
        return 0 if after is not None and after.oom_killed is False else None
    return max(usage.oom_kills or 0, deaths)


def _log_tail(raw: RawAttempt) -> tuple[str, ...]:
    for record in (raw.after, raw.deploy):
        if record is not None and record.log_tail:
            return tuple(record.log_tail[-MAX_LOG_LINES:])
    return ()
