"""The bottleneck of the API: one word from the evidence, and a sentence with the figures."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from swarmsweep.judge.checks.thresholds import LIMITS, Limit
from swarmsweep.judge.concurrency import GROWN, NEAR_GROWTH, NEAR_MS
from swarmsweep.judge.evidence import Evidence
from swarmsweep.judge.served_by import processes_named
from swarmsweep.raw.machine_usage import ContainerUsage, MachineUsage
from swarmsweep.raw.samples import API_SERVICE
from swarmsweep.units import format_bytes, format_figure, format_memory

RULES = {
    "generator": LIMITS["generator_cpu"],
    "load_host": LIMITS["load_host_cpu"],
    "generator_at_work": Limit(35, "percent of one core", "below this, other processes fill the load host"),
    "throttled": Limit(20, "percent of periods", "a fifth of the periods throttled is visible in the tail"),
    "not_throttled": Limit(5, "percent of periods", "only bursts are throttled: the replica is not at its limit"),
    "idle_replica": Limit(
        60, "percent of its CPU limit", "the replica had room for the requests that waited for the other one"
    ),
    "one_core": Limit(0.9, "cores", "the most that a container with one busy thread can use"),
    "retransmitted": Limit(
        1,
        "percent of TCP segments",
        "a timeout costs 200 ms or more, and 1 % is visible in the tail",
    ),
    "cpu_limit": Limit(
        90, "percent of the API's CPU limit", "the rest is small, and single-threaded code does not use it"
    ),
    "one_thread": Limit(1.1, "cores a server process", "a process that uses more has several busy threads"),
    "link": Limit(
        90, "percent of a link's speed", "the rest is what the counters lack: preambles and gaps between frames"
    ),
    "several": Limit(2, "requests in flight, mean", "one request alone may fill a link, and it waits for no other"),
    "part": Limit(50, "percent of a request's time", "more than half: no other part can save as much"),
    "host": Limit(90, "percent of its cores", "above this, processes wait for a core"),
    "hot_worker": Limit(80, "percent of a replica's responses", "with two processes, the other is nearly idle"),
    "idle": Limit(
        80,
        "percent",
        "of a CPU limit, of a host's cores, of a Locust worker's core, of a link's speed: below it, no request "
        "waits long",
    ),
    "on_cpu": Limit(75, "percent of the unloaded latency", "requests hardly wait for anything but a CPU"),
    "one_request": Limit(0.9, "requests served at once", "every API serves one at a time, so fewer are not its limit"),
    "files_in_memory": Limit(5, "percent of the memory limit", "fewer files were not the cause of the kill"),
    "hot_worker_busy": Limit(0.5, "requests in flight, mean", "below this, the process waits for requests"),
}


# The shortest timeout after which Linux sends a segment again, in ms (TCP_RTO_MIN). A fast retransmission costs less.
RETRANSMISSION_MS = 200


class Bottleneck(NamedTuple):
    """The bottleneck, and the sentence with the figures."""

    kind: str
    evidence: str


def find_bottleneck(evidence: Evidence) -> Bottleneck | None:
    """The bottleneck at the highest load that the generator made; None without data.

    The kind is one of memory, generator, hot_replica, proxy, cpu_throttled, cpu_limit, network, database, mlflow,
    service, host_cpu, hot_worker, worker_cpu, concurrency and not_saturated. The first rule that applies wins, because
    each hides those after it.
    """
    results = (rule(evidence) for rule in (*_RULES_IN_ORDER, _not_saturated))
    return next((bottleneck for bottleneck in results if bottleneck is not None), None)


def _memory(evidence: Evidence) -> Bottleneck | None:
    """A replica was killed for lack of memory; its other figures mean nothing."""
    if not evidence.oom_kills:
        return None
    # The memory peak is that of the whole attempt, so it is the same for the peak and the reported window.
    peak = evidence.peak_usage.memory_peak_bytes
    seen = f", peak memory {format_bytes(peak)}" if peak is not None else ""
    # Files in /tmp and other writable folders are in memory. Without this, they look like a leak.
    files = evidence.peak_usage.shared_memory_peak_bytes
    if files is not None and 100 * files >= _limit("files_in_memory") * evidence.config["memory_bytes"]:
        seen += f", of which {format_bytes(files)} were files in memory (/tmp, lab_api_writable, shared memory)"
    kills = "1 OOM kill" if evidence.oom_kills == 1 else f"{evidence.oom_kills} OOM kills"
    limit = format_memory(evidence.config["memory_bytes"])
    return Bottleneck("memory", f"{kills} at a limit of {limit} per replica{seen}")


def _generator(evidence: Evidence) -> Bottleneck | None:
    """The generator was the limit, so the figures do not show what the API can do."""
    if evidence.generator_limit is not None:
        return Bottleneck("generator", evidence.generator_limit)
    percent = evidence.peak.generator_cpu_percent if evidence.peak is not None else None
    if percent is None:
        return None
    if percent >= _limit("generator"):
        return Bottleneck("generator", f"a Locust worker used {format_figure(percent)} % of a core")
    busy = max((machine.busy_percent or 0 for machine in _machines(evidence, "load")), default=0)
    if busy >= _limit("load_host") and percent >= _limit("generator_at_work"):
        used = f"a Locust worker used {format_figure(percent)} % of a core"
        return Bottleneck("generator", f"the load host was {format_figure(busy)} % busy, and {used}")
    return None


def _hot_replica(evidence: Evidence) -> Bottleneck | None:
    """One replica is the limit. This rule comes first, because one throttled replica makes all look so.

    The replicas of one API host are compared first: between hosts, the hosts may differ too.
    """
    # For each replica: percent of periods throttled, cores, and host.
    by_host = {
        host: [
            (replica.throttled_percent, replica.cpu_cores, host)
            for replica in machine.containers.values()
            if replica.service == API_SERVICE
            and replica.throttled_percent is not None
            and replica.cpu_cores is not None
        ]
        for host, machine in evidence.peak_machines.items()
        if machine.group == "api"
    }
    groups = [*by_host.values(), [replica for replicas in by_host.values() for replica in replicas]]
    return next((found for replicas in groups if (found := _hot_among(replicas, evidence)) is not None), None)


def _hot_among(replicas: list[tuple[float, float, str]], evidence: Evidence) -> Bottleneck | None:
    if len(replicas) < 2:
        return None
    limit_cores = evidence.config["cpus"]
    throttled, cores, hot_host = max(replicas)
    least_throttled, idle_cores, idle_host = min(replicas)
    several = len({host for _, _, host in replicas}) > 1
    hot_on, idle_on = (f" on {hot_host}", f" on {idle_host}") if several else ("", "")
    idle_percent, used_percent = 100 * idle_cores / limit_cores, 100 * cores / limit_cores
    # A process with one busy thread reaches a limit of one core without being throttled.
    is_throttled = throttled >= _limit("throttled")
    if (
        not (is_throttled or used_percent >= _limit("cpu_limit"))
        or least_throttled >= _limit("not_throttled")
        or idle_percent >= _limit("idle_replica")
    ):
        return None
    if is_throttled:
        periods = f"{format_figure(throttled)} % of the scheduler's periods"
        used = f"while it used {format_figure(cores)} cores"
        hot = f"the CPU limit throttled 1 of {len(replicas)} replicas{hot_on} in {periods}, {used}"
    else:
        hot = f"1 of {len(replicas)} replicas{hot_on} used {format_figure(used_percent)} % of its CPU limit"
    return Bottleneck(
        "hot_replica", f"{hot}; another replica{idle_on} used {format_figure(idle_percent)} % of its limit"
    )


def _proxy(evidence: Evidence) -> Bottleneck | None:
    """The proxy, which has one thread, holds requests back before the replicas receive them."""
    throttled = _throttled_container(evidence, "proxy", "proxy", "HAProxy")
    if throttled is not None:
        return throttled
    cores = _cores_of(evidence, "proxy")
    if cores < _limit("one_core"):
        return None
    return Bottleneck("proxy", f"HAProxy used {format_figure(cores)} cores, the most that one thread can use")


def _dependency(evidence: Evidence, service: str, kind: str, name: str) -> Bottleneck | None:
    """A dependency is at its limit, or takes most of a request's time.

    It has several processes, so a busy core alone is no limit. Where the API exports the parts of a request's time,
    these decide. Otherwise, requests must wait while the dependency is busy.
    """
    throttled = _throttled_container(evidence, service, kind, name)
    if throttled is not None or evidence.request_parts is not None:
        return throttled or _part(evidence, kind)
    cores, found = _cores_of(evidence, service), evidence.concurrency
    if cores < _limit("one_core") or not found.has_grown:
        return None
    return Bottleneck(kind, f"{name} used {format_figure(cores)} cores while requests waited ({found.text})")


def _throttled_container(evidence: Evidence, service: str, kind: str, name: str) -> Bottleneck | None:
    for container in _containers(evidence, service):
        throttled, cores = container.throttled_percent, container.cpu_cores
        if throttled is not None and throttled >= _limit("throttled"):
            used = f" and used {format_figure(cores)} cores" if cores is not None else ""
            periods = f"{format_figure(throttled)} % of the scheduler's periods"
            return Bottleneck(kind, f"{name} was throttled by its CPU limit in {periods}{used}")
    return None


def _cores_of(evidence: Evidence, service: str) -> float:
    """CPU use of the busiest container of a service; 0 where none was measured."""
    return max((container.cpu_cores or 0.0 for container in _containers(evidence, service)), default=0.0)


def _cpu_throttled(evidence: Evidence) -> Bottleneck | None:
    """Replicas are throttled. This rule comes before those on time: in a stopped replica everything seems slow."""
    throttled = evidence.peak_usage.throttled_percent
    if throttled is None or throttled < _limit("throttled"):
        return None
    part = _largest_part(evidence)
    also = _cores(evidence) + (f"; {part.evidence}" if part is not None else "")
    return Bottleneck(
        "cpu_throttled",
        f"the CPU limit throttled the replicas in {format_figure(throttled)} % of the scheduler's periods{also}",
    )


def _cpu_limit(evidence: Evidence) -> Bottleneck | None:
    """The replicas use nearly all of their CPU limit, and are not throttled much.

    A process with one busy thread never uses more than a core, so a limit of whole cores does not throttle it. As for
    `_cpu_throttled`, everything seems slow in a replica without CPU time. Where the host is full too, it is the cause.
    """
    percent, busy = _percent_of_cpu_limit(evidence), _host_busy(evidence)
    is_host_full = busy is not None and busy >= _limit("host")
    return (
        _at_cpu_limit(evidence) if percent is not None and percent >= _limit("cpu_limit") and not is_host_full else None
    )


def _cpu_near_limit(evidence: Evidence) -> Bottleneck | None:
    """The replicas use much of their CPU limit, and requests wait. It is late: a wait for something else shows it."""
    percent = _percent_of_cpu_limit(evidence)
    if percent is None or percent < _limit("idle") or not evidence.concurrency.has_grown:
        return None
    return _at_cpu_limit(evidence)


def _at_cpu_limit(evidence: Evidence) -> Bottleneck:
    cores, percent = evidence.peak_usage.cpu_cores or 0.0, _percent_of_cpu_limit(evidence) or 0.0
    throttled = evidence.peak_usage.throttled_percent
    periods = f", and were throttled in {format_figure(throttled)} % of periods" if throttled is not None else ""
    each = _cores_per_process(evidence)
    more = "Try more replicas or CPUs"
    if each is not None and (_is_one_thread(each) or _has_a_core_each(evidence, each)):
        fill = "about as much as one thread can use" if _is_one_thread(each) else "and one thread can use one"
        more = (
            f"Each server process used {format_figure(each)} cores, {fill}. "
            "Try more replicas, or more CPUs together with more workers"
        )
    return Bottleneck(
        "cpu_limit",
        f"the replicas used {format_figure(cores)} cores, {format_figure(percent)} % of their CPU limit{periods}; "
        f"{evidence.concurrency.text}. {more}",
    )


def _network(evidence: Evidence) -> Bottleneck | None:
    """A link is full, or the network loses segments of the load, and requests wait for them.

    Retransmissions alone show nothing, because they may be of other traffic. Requests must be slower than without them,
    and the retransmissions must explain at least half of it: each one costs up to `RETRANSMISSION_MS`.
    """
    link_percent, link = _fullest_link(evidence)
    if link_percent is not None and link_percent >= _limit("link") and not _is_of_others(evidence):
        return Bottleneck("network", f"the network link {link} used {format_figure(link_percent)} % of its speed")
    again = [
        (machine.retransmitted_percent, machine.retransmitted_per_second, host)
        for host, machine in evidence.peak_machines.items()
        if machine.retransmitted_percent is not None and machine.retransmitted_per_second is not None
    ]
    percent, _, host = max(again, default=(0.0, 0.0, ""))
    found, parts = evidence.concurrency, evidence.request_parts
    base_ms = parts.mean_ms if parts is not None else found.unloaded_ms
    if percent < _limit("retransmitted") or found.loaded_ms is None or base_ms is None or not found.completed_rps:
        return None
    added_ms = found.loaded_ms - base_ms
    explained_ms = RETRANSMISSION_MS * sum(rate for _, rate, _ in again) / found.completed_rps
    if added_ms < NEAR_MS or found.loaded_ms < GROWN * base_ms or explained_ms < added_ms / 2:
        return None
    base = format_figure(base_ms)
    compared = f"of which {base} ms were in the API" if parts is not None else f"and {base} ms with a single user"
    return Bottleneck(
        "network",
        f"{host} retransmitted {format_figure(percent)} % of its TCP segments; a request took "
        f"{format_figure(found.loaded_ms)} ms, {compared}",
    )


def _is_of_others(evidence: Evidence) -> bool:
    """Whether a full link holds no request back: several are in flight, and each is as fast as a single one.

    Other traffic fills it then. Requests of the load that share a link are slower.
    """
    growth, flow = evidence.concurrency.growth, evidence.peak
    if growth is None or flow is None or flow.in_flight_mean is None:
        return False
    return growth < NEAR_GROWTH and flow.in_flight_mean >= _limit("several")


def _fullest_link(evidence: Evidence) -> tuple[float | None, str]:
    """The use of the fullest link in percent of its speed, and its name; None where no speed is known."""
    known = [
        (machine.link_percent, f"{machine.link_name} of {host}")
        for host, machine in evidence.peak_machines.items()
        if machine.link_percent is not None
    ]
    return max(known, default=(None, ""))


def _database(evidence: Evidence) -> Bottleneck | None:
    """PostgreSQL is at its limit, or takes most of a request's time."""
    return _dependency(evidence, "postgres", "database", "PostgreSQL")


def _mlflow(evidence: Evidence) -> Bottleneck | None:
    """MLflow is at its limit, or takes most of a request's time."""
    return _dependency(evidence, "mlflow", "mlflow", "MLflow")


def _service(evidence: Evidence) -> Bottleneck | None:
    """A service that the user runs beside the API is at its limit. Redis of the lab counts as one."""
    containers = (one for machine in _machines(evidence, "api") for one in machine.containers.values())
    names = sorted({one.service for one in containers} - {API_SERVICE, "proxy", "postgres", "mlflow"})
    found = (_dependency(evidence, name, "service", f"the service {name}") for name in names)
    return next((bottleneck for bottleneck in found if bottleneck is not None), None)


def _part(evidence: Evidence, kind: str) -> Bottleneck | None:
    part = _largest_part(evidence)
    if part is None or part.kind != kind:
        return None
    return Bottleneck(kind, f"{part.evidence}{_host_too(evidence)}")


def _largest_part(evidence: Evidence) -> Bottleneck | None:
    """Of the parts of a request that wait for another service, the one that takes most of its time."""
    parts = evidence.request_parts
    if parts is None or not parts.mean_ms:
        return None
    waits = {kind: parts.parts_ms.get(kind) or 0.0 for kind in ("database", "mlflow")}
    kind = max(waits, key=lambda kind: waits[kind])
    share = 100 * waits[kind] / parts.mean_ms
    if share < _limit("part"):
        return None
    name = {"database": "the database", "mlflow": "MLflow"}[kind]
    return Bottleneck(
        kind,
        f"{format_figure(share)} % of a request's {format_figure(parts.mean_ms)} ms in the API was spent on {name}",
    )


def _host_too(evidence: Evidence) -> str:
    busy = _host_busy(evidence)
    if busy is None or busy < _limit("host"):
        return ""
    return f"; the API host{_busiest(evidence)} was {format_figure(busy)} % busy"


def _host_cpu(evidence: Evidence) -> Bottleneck | None:
    """No service is at its own limit, but the host has no free CPU time."""
    busy = _host_busy(evidence)
    if busy is None or busy < _limit("host"):
        return None
    external = max((machine.external_cpu_cores or 0 for machine in _machines(evidence, "api")), default=0)
    others = f", noisy neighbours {format_figure(external)}" if external > LIMITS["external_cpu"].value else ""
    return Bottleneck(
        "host_cpu", f"the API host{_busiest(evidence)} was {format_figure(busy)} % busy{_cores(evidence)}{others}"
    )


def _hot_worker(evidence: Evidence) -> Bottleneck | None:
    """One worker process is at its limit. This rule is late: a limit of all replicas also holds back a single
    process.
    """
    peak = evidence.peak
    replicas = processes_named(evidence, peak).replicas if peak is not None else {}
    if peak is None or evidence.config["workers"] < 2 or not replicas or peak.in_flight_mean is None:
        return None
    answers = sum(sum(processes.values()) for processes in replicas.values())
    processes = max(replicas.values(), key=lambda processes: max(processes.values()))
    hottest, of_replica = max(processes.values()), sum(processes.values())
    share = 100 * hottest / of_replica
    in_hand = peak.in_flight_mean * hottest / answers
    if share < _limit("hot_worker") or in_hand < _limit("hot_worker_busy"):
        return None
    return Bottleneck(
        "hot_worker",
        f"one of {evidence.config['workers']} worker processes sent {format_figure(share)} % of its replica's "
        f"responses and had {format_figure(in_hand)} requests in flight. The other processes sent the rest",
    )


def _worker_cpu(evidence: Evidence) -> Bottleneck | None:
    """Each server process fills a core, while the CPU limit has room: one thread cannot use more.

    Code of one thread serves one request at a time, as does a lock. Their CPU time differs. Requests must
    wait, because a process with many threads may use one core by chance.
    """
    each, found = _cores_per_process(evidence), evidence.concurrency
    if each is None or not _is_one_thread(each) or not found.has_grown or not found.is_flat:
        return None
    limit_percent = _percent_of_cpu_limit(evidence) or 0.0
    return Bottleneck(
        "worker_cpu",
        f"each server process used {format_figure(each)} cores, about as much as one thread can use "
        f"({found.text}). The replicas used {format_figure(limit_percent)} % of their CPU limit. "
        "Try more workers or replicas: one thread cannot use more CPUs",
    )


def _cores_per_process(evidence: Evidence) -> float | None:
    """CPU use of each server process, on average; None where the processes were not counted."""
    cores, counts = evidence.peak_usage.cpu_cores, evidence.peak_usage.server_processes
    return cores / sum(counts) if cores is not None and counts and all(counts) else None


def _has_a_core_each(evidence: Evidence, cores: float) -> bool:
    """Whether the CPU limit has a whole core for each server process, which uses no more than one thread can.

    Then more CPUs alone may change nothing: a thread that waits for a database at times uses less than a core.
    """
    counts = evidence.peak_usage.server_processes or ()
    return bool(counts) and evidence.config["cpus"] >= max(counts) and cores <= _limit("one_thread")


def _is_one_thread(cores: float) -> bool:
    return _limit("one_core") <= cores <= _limit("one_thread")


def _concurrency(evidence: Evidence) -> Bottleneck | None:
    """Requests wait in the API while CPUs are idle: it serves a fixed number of them at once.

    The number is the throughput times the latency without load (Little's law). This rule is the last: any other limit
    lets requests wait, too.
    """
    found, flow = evidence.concurrency, evidence.peak
    served, limit_percent = found.served_at_once, _percent_of_cpu_limit(evidence)
    if flow is None or served is None or limit_percent is None or not _is_idle(evidence, limit_percent):
        return None
    if served < _limit("one_request") or not found.has_grown or not found.is_flat:
        return None
    if _busy_processes(evidence):
        return None
    link_percent, _ = _fullest_link(evidence)
    if link_percent is not None and link_percent >= _limit("idle"):
        return None
    is_known = all(machine.link_percent is not None for machine in evidence.peak_machines.values())
    unknown = "" if is_known else ". The speed of a network link is not known: it may be full instead"
    waiting = f" of {format_figure(flow.in_flight_mean)} in flight" if flow.in_flight_mean is not None else ""
    return Bottleneck(
        "concurrency",
        f"the API served {format_figure(served)} requests at once{waiting} ({found.text}). "
        f"The replicas used {format_figure(limit_percent)} % of their CPU limit. "
        f"Try more workers or replicas, or a larger pool of threads or connections in the API{unknown}",
    )


def _busy_processes(evidence: Evidence) -> str:
    """That requests wait by chance, because processes with CPU time left are often busy; empty where they do not.

    Requests come at any time, so some wait for the one before. In a queue of random requests at a server that is busy
    for a share of the time, latency grows by a factor of up to 1 / (1 - share). More than that is a limit.
    """
    found, each, cores = evidence.concurrency, _cores_per_process(evidence), evidence.peak_usage.cpu_cores
    served, growth = found.served_at_once, found.growth
    if each is None or each >= 1 or cores is None or not served or growth is None or not found.has_grown:
        return ""
    if 100 * cores < _limit("on_cpu") * served or growth > 1 / (1 - each):
        return ""
    return f". Each server process used {format_figure(each)} cores, so some requests wait for an earlier one"


def _percent_of_cpu_limit(evidence: Evidence) -> float | None:
    """CPU use of all replicas, in percent of their limits together."""
    cores = evidence.peak_usage.cpu_cores
    return None if cores is None else 100 * cores / (evidence.config["replicas"] * evidence.config["cpus"])


def _is_idle(evidence: Evidence, limit_percent: float) -> bool:
    """Whether neither a replica nor a host nor a Locust worker was short of CPU; False where it is not known."""
    worker = evidence.peak.generator_cpu_percent if evidence.peak is not None else None
    load_hosts = [machine.busy_percent for machine in _machines(evidence, "load")]
    each = [
        100 * one.cpu_cores / evidence.config["cpus"] for one in _containers(evidence, API_SERVICE) if one.cpu_cores
    ]
    figures = [limit_percent, *each, _host_busy(evidence), worker, *load_hosts]
    return all(figure is not None and figure < _limit("idle") for figure in figures)


def _not_saturated(evidence: Evidence) -> Bottleneck | None:
    throttled, busy = evidence.peak_usage.throttled_percent, _host_busy(evidence)
    known = [f"{format_figure(throttled)} % of periods throttled"] if throttled is not None else []
    known += [f"API host{_busiest(evidence)} {format_figure(busy)} % busy"] if busy is not None else []
    if not known:
        return None
    found, (link_percent, link) = evidence.concurrency, _fullest_link(evidence)
    at_limit = "no measured resource was at its limit"
    if link_percent is not None and link_percent >= _limit("link"):
        at_limit = f"only the network link {link} was at its limit, and requests hardly waited"
    return Bottleneck(
        "not_saturated",
        f"{', '.join(known)}: {at_limit}{_cores(evidence)}; {found.text}{_busy_processes(evidence)}",
    )


_RULES_IN_ORDER: tuple[Callable[[Evidence], Bottleneck | None], ...] = (
    _memory,
    _generator,
    _hot_replica,
    _proxy,
    _cpu_throttled,
    _cpu_limit,
    _network,
    _database,
    _mlflow,
    _service,
    _host_cpu,
    _hot_worker,
    _cpu_near_limit,
    _worker_cpu,
    _concurrency,
)


def _limit(name: str) -> float:
    return RULES[name].value


def _machines(evidence: Evidence, group: str) -> list[MachineUsage]:
    return [machine for machine in evidence.peak_machines.values() if machine.group == group]


def _containers(evidence: Evidence, service: str) -> Iterator[ContainerUsage]:
    for machine in _machines(evidence, "api"):
        yield from (container for container in machine.containers.values() if container.service == service)


def _busiest(evidence: Evidence) -> str:
    """The name of the busiest API host, with a space before it; empty where there is one API host."""
    busy = {
        host: machine.busy_percent
        for host, machine in evidence.peak_machines.items()
        if machine.group == "api" and machine.busy_percent is not None
    }
    return f" {max(busy, key=lambda host: busy[host])}" if len(busy) > 1 else ""


def _host_busy(evidence: Evidence) -> float | None:
    return evidence.peak_usage.host_busy_percent


def _cores(evidence: Evidence) -> str:
    cores = evidence.peak_usage.cpu_cores
    return f"; the replicas used {format_figure(cores)} cores" if cores is not None else ""
