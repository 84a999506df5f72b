"""Build the evidence of one attempt from its parsed files; checks and bottleneck use it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from swarmsweep.judge import concurrency
from swarmsweep.judge.concurrency import Concurrency
from swarmsweep.judge.evidence import Evidence, Flow
from swarmsweep.judge.flows import Window, flow_of_probe, flow_of_users
from swarmsweep.judge.search_outcome import SearchOutcome
from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.raw.api_metrics import request_parts
from swarmsweep.raw.api_usage import ApiUsage, usage_over
from swarmsweep.raw.attempt import GROUPS, RawAttempt
from swarmsweep.raw.closed_loop import UsersRecord
from swarmsweep.raw.deployment import Clocks, HostClock
from swarmsweep.raw.machine_samples import machines_over
from swarmsweep.raw.machine_usage import MachineUsage
from swarmsweep.raw.search_record import Probe
from swarmsweep.sweep.load import StoredLoad


def evidence_of(raw: RawAttempt, search: SearchOutcome | None, plan: Plan, cell: PlannedCell) -> Evidence:
    """Evidence of an attempt at ``cell`` of ``plan``, except for its OOM kills.

    ``search`` is the outcome of ``raw.search``.
    """
    load = plan.load_of(cell)
    flow, peak = _flows(raw, search, load)
    window, peak_window = (part.window if part is not None else raw.window for part in (flow, peak))
    usage, machines = _usage(raw, window), _machines(raw, window, plan)
    same = peak_window == window
    offset, bound = _clock(raw.clock, plan)
    records, capacity = _records(raw, search), search.capacity if search is not None else None
    return Evidence(
        config=cell.config,
        load=load,
        slo=plan.slo,
        deploy=raw.deploy,
        after=raw.after,
        timeline=raw.timeline,
        flow=flow,
        peak=peak,
        usage=usage,
        peak_usage=usage if same else _usage(raw, peak_window),
        machines=machines,
        peak_machines=machines if same else _machines(raw, peak_window, plan),
        proxy=raw.proxy,
        recorded_requests=records.recorded_requests,
        unreported_requests=records.unreported_requests,
        sent=raw.users.sent if raw.users is not None else None,
        on_start=records.on_start,
        listener_errors=raw.users.listener_errors if raw.users is not None else None,
        client_timeouts=records.client_timeouts,
        records_complete=records.records_complete,
        record_files=records.record_files,
        generator_limit=search.generator_limit if search is not None else None,
        verified_rps=capacity.verified_rps if capacity is not None else None,
        next_step=capacity.next_step if capacity is not None else None,
        counted_requests=raw.locust_count,
        recovery_probes=raw.timeline.questions if raw.timeline is not None else 0,
        clock_offset_seconds=offset,
        clock_bound_seconds=bound,
        request_parts=request_parts(raw.metrics) if raw.metrics is not None else None,
        concurrency=_concurrency(raw, search, peak, cell.config["replicas"]),
        placement=cell.placement,
    )


def _flows(raw: RawAttempt, search: SearchOutcome | None, load: StoredLoad) -> tuple[Flow | None, Flow | None]:
    """The reported window, and the window with the highest load."""
    if search is not None:
        shown, peak = search.reported, search.peak
        flow = _flow_of(raw, shown, load) if shown is not None else None
        return flow, flow if peak is shown or peak is None else _flow_of(raw, peak, load)
    if raw.users is None or raw.window is None:
        return None, None
    flow = flow_of_users(raw.users, raw.window, load)
    return flow, flow


def _flow_of(raw: RawAttempt, probe: Probe, load: StoredLoad) -> Flow | None:
    """One probe of a search. Users whose number is searched leave one record of all probes."""
    if raw.users is None or probe.entry.users is None:
        return flow_of_probe(probe)
    return flow_of_users(raw.users, probe.window, {**load, "users": probe.entry.users})


def _concurrency(raw: RawAttempt, search: SearchOutcome | None, peak: Flow | None, replicas: int) -> Concurrency:
    if peak is None:
        return Concurrency()
    if search is not None and (raw.users is None or not search.is_by_users):
        highest = search.peak
        return concurrency.of_search(search.probes, highest, peak.latency_mean_ms) if highest else Concurrency()
    # The probe of one user has no timings of the scenario itself, and the figures have.
    sent = raw.users.sent if raw.users is not None else None
    if raw.users is None or (sent is not None and (sent.own_figures or sent.user_events)):
        return Concurrency()
    return concurrency.of_users(raw.users, peak.window, peak.latency_mean_ms, replicas)


def _usage(raw: RawAttempt, window: Window | None) -> ApiUsage:
    return usage_over(raw.api_samples, window, raw.deployed_ids)


def _machines(raw: RawAttempt, window: Window | None, plan: Plan) -> dict[str, MachineUsage]:
    """The usage of the machines. On an API host that makes load as well, Locust's part of its CPU time is not known."""
    if window is None:
        return {}
    load_hosts = {host.get("name") for host in plan.hosts.get("load", ())}
    return {
        name: replace(machine, other_own_cpu_cores=None) if name in load_hosts else machine
        for name, machine in machines_over(raw.samples, raw.group_of, window).items()
    }


@dataclass(frozen=True)
class _Records:
    """What the generator's own files of requests contain; the fields are those of `Evidence`."""

    recorded_requests: int | None = None
    unreported_requests: int = 0
    on_start: Mapping[str, int] = field(default_factory=dict)
    client_timeouts: int = 0
    records_complete: bool | None = None
    record_files: int = 0


def _records(raw: RawAttempt, search: SearchOutcome | None) -> _Records:
    """How many requests were sent, and whether all files exist and are whole.

    For a search, the probe with the fewest files counts, because a worker may have been lost between two probes.
    """
    if search is not None and raw.users is None and search.probes:
        probes = search.probes
        return _Records(
            recorded_requests=sum(probe.sent for probe in probes),
            client_timeouts=sum(probe.summary.timed_out for probe in probes),
            records_complete=all(probe.complete for probe in probes),
            record_files=min(probe.files for probe in probes),
        )
    if raw.users is not None:
        requests = raw.users.requests
        probes = search.probes if search is not None and not search.is_by_users else ()
        complete = [part.complete for part in (requests, *probes) if part is not None]
        return _Records(
            recorded_requests=_recorded(raw.users),
            unreported_requests=raw.users.unreported,
            on_start=raw.users.on_start,
            client_timeouts=sum(probe.summary.timed_out for probe in probes),
            records_complete=all(complete) if requests is not None else None,
            record_files=raw.users.files,
        )
    return _Records()


def _recorded(users: UsersRecord) -> int | None:
    if users.sent is not None:
        return users.sent.requests + users.sent.own_timings
    return len(users.requests) if users.requests is not None else None


def _clock(clocks: Clocks | None, plan: Plan) -> tuple[float | None, float | None]:
    """The clock of an API host minus that of the first load host, and the error bound, in seconds.

    Of several API hosts, it is the one that is certainly furthest off. Both clocks were compared with the controller's,
    so their error bounds add up.
    """
    by_host = (clocks.hosts if clocks is not None else None) or {}
    api_names, load_names = ([host.get("name") or "" for host in plan.hosts.get(group) or [{}]] for group in GROUPS)
    load = by_host.get(load_names[0], HostClock())
    return max((_apart(by_host.get(name, HostClock()), load) for name in api_names), key=_certainly_off)


def _apart(api: HostClock, load: HostClock) -> tuple[float | None, float | None]:
    offset = bound = None
    if api.offset_seconds is not None and load.offset_seconds is not None:
        offset = api.offset_seconds - load.offset_seconds
    if api.bound_seconds is not None and load.bound_seconds is not None:
        bound = api.bound_seconds + load.bound_seconds
    return offset, bound


def _certainly_off(apart: tuple[float | None, float | None]) -> float:
    """How far off a clock is at least. An unknown clock may be off by any time."""
    offset, bound = apart
    return math.inf if offset is None or bound is None else abs(offset) - bound
