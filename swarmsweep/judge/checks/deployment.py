"""Checks of the deployment under load: whether it matches the matrix, completely and for the whole attempt."""

from collections.abc import Mapping

from swarmsweep.judge.checks.check import Check
from swarmsweep.judge.checks.thresholds import limit
from swarmsweep.judge.evidence import Evidence
from swarmsweep.judge.served_by import is_own, processes_named, replicas_named
from swarmsweep.raw.deployment import Container
from swarmsweep.units import counted, format_bytes, format_plain, nano_cpus


def replicas_unchanged(evidence: Evidence) -> Check:
    """The containers after the load are those that were deployed, and none had restarted by then."""
    name, after = "replicas_unchanged", evidence.after
    if after is None:
        return Check(
            name, None, 0, False, "the state after the load was not recorded, so a replica may have died unnoticed"
        )
    before_ids = evidence.deploy.ids if evidence.deploy is not None else set()
    gone = len(before_ids - after.ids)
    passed = before_ids == after.ids and not after.changed and not after.restarts
    restarts = "unknown" if after.restarts is None else after.restarts
    sentence = f"{gone} of {len(before_ids)} deployed replicas were replaced during the load; restarts: {restarts}"
    return Check(name, gone, 0, passed, sentence)


def limits_as_labelled(evidence: Evidence) -> Check:
    """The deployment matches the matrix: number of replicas, CPU and memory limits, worker processes."""
    config = evidence.config
    deployed = _inspected(evidence)
    wanted_nano_cpus, memory_bytes = nano_cpus(config["cpus"]), config["memory_bytes"]
    wrong = [] if len(deployed) == config["replicas"] else [f"replicas: {len(deployed)}, not {config['replicas']}"]
    for container in deployed:
        if container.nano_cpus != wanted_nano_cpus:
            wrong.append(f"nano_cpus {container.nano_cpus}, not {wanted_nano_cpus}")
        if container.memory_bytes != memory_bytes:
            wrong.append(f"memory_bytes {container.memory_bytes}, not {memory_bytes}")
        # deploy.json keeps one variable: the one from which this API reads its number of workers, whatever its name.
        for name, value in container.env.items():
            if value != str(config["workers"]):
                wrong.append(f"{name} {value}, not {config['workers']}")
    labelled = f"{config['replicas']} x {format_plain(config['cpus'])} CPUs, {format_bytes(config['memory_bytes'])}"
    inspected = "; ".join(sorted(set(wrong))) or labelled
    sentence = f"docker inspect shows {inspected}" + ("" if wrong else ", as the matrix says")
    return Check("limits_as_labelled", inspected, labelled, not wrong, sentence)


def placement_as_planned(evidence: Evidence) -> Check | None:
    """Each API host has as many replicas as the plan says, where there are several hosts."""
    planned, deploy = evidence.placement, evidence.deploy
    if planned is None or deploy is None:
        return None
    found = {host: len(containers) for host, containers in deploy.by_host.items()}
    wanted = {
        host: format_plain(least) if least == most else f"{least} to {most}" for host, (least, most) in planned.items()
    }
    wrong = [
        f"{host} has {counted(found.get(host, 0), 'replica')}, planned: {wanted.get(host, 'none')}"
        for host in dict.fromkeys((*planned, *found))
        if not planned.get(host, (0, 0))[0] <= found.get(host, 0) <= planned.get(host, (0, 0))[1]
    ]
    seen = ", ".join(f"{host} {found.get(host, 0)}" for host in dict.fromkeys((*planned, *found)))
    sentence = "; ".join(wrong) if wrong else f"replicas by API host, as planned: {seen}"
    limit_text = ", ".join(f"{host} {count}" for host, count in wanted.items())
    return Check("placement_as_planned", seen, limit_text, not wrong, sentence)


def replicas_all_used(evidence: Evidence) -> Check | None:
    """Every replica served requests, according to HAProxy, and to X-Served-By where it names containers."""
    name, replicas = "replicas_all_used", evidence.config["replicas"]
    if replicas < 2 or evidence.flow is None:
        return None
    by_header = replicas_named(evidence, evidence.flow).replicas
    seen = {
        "HAProxy": _requests_by_server(evidence),
        "X-Served-By": {replica: sum(processes.values()) for replica, processes in by_header.items()},
    }
    least = replicas * limit("answers_a_replica")
    used = {
        witness: sum(1 for count in counts.values() if count)
        for witness, counts in seen.items()
        if sum(counts.values()) >= least
    }
    if not used:
        sentence = (
            f"which replicas served requests is unknown: HAProxy and X-Served-By each show fewer than {least:g} "
            "requests"
        )
        return Check(name, None, replicas, None, sentence)
    by_witness = ", ".join(f"{count} according to {witness}" for witness, count in used.items())
    sentence = f"of {replicas} replicas, these served requests: {by_witness}"
    # Another image may send the header with a part of its responses alone. HAProxy counts all of them.
    decisive = list(used.values()) if "HAProxy" not in used or is_own(evidence) else [used["HAProxy"]]
    return Check(name, min(decisive), replicas, all(count == replicas for count in decisive), sentence)


def replicas_share_load(evidence: Evidence) -> Check | None:
    """All replicas got about the same number of requests. Replicas without any request belong to another check."""
    name, most, replicas = "replicas_share_load", limit("share_ratio"), evidence.config["replicas"]
    if replicas < 2:
        return None
    shares = [count for count in _requests_by_server(evidence).values() if count]
    if not shares:
        return Check(name, None, most, None, "HAProxy's counters were not recorded", warning=True)
    if len(shares) < replicas:
        return None
    ratio = max(shares) / min(shares)
    sentence = f"the busiest replica got {ratio:.2f} times the requests of the least busy one (limit {most:g})"
    return Check(name, ratio, most, ratio <= most, sentence, warning=True)


def workers_all_used(evidence: Evidence) -> Check | None:
    """In each replica, as many worker processes served requests as the matrix says."""
    name, workers = "workers_all_used", evidence.config["workers"]
    if workers < 2 or evidence.flow is None:
        return None
    answers, reason = processes_named(evidence, evidence.flow)
    if reason is not None:
        return Check(name, None, workers, None, reason, warning=True)
    processes = {replica: len(counts) for replica, counts in answers.items()}
    least = workers * limit("answers_a_replica")
    if any(sum(counts.values()) < least for counts in answers.values()):
        sentence = f"a replica sent fewer than {least:g} responses"
        return Check(name, None, workers, None, sentence, warning=True)
    odd = next((count for count in processes.values() if count != workers), workers)
    served = "1 worker process" if odd == 1 else f"{odd} worker processes"
    sentence = (
        f"{served} of a replica served requests, but {workers} were started"
        if odd != workers
        else (f"all {workers} worker processes of each replica served requests")
    )
    return Check(name, odd, workers, odd == workers, sentence, warning=True)


def _inspected(evidence: Evidence) -> list[Container]:
    """The deployed containers, each as it was inspected. On other API hosts, this is done after the load."""
    later = {one.id: one for one in evidence.after.started if one.inspected} if evidence.after is not None else {}
    deployed = evidence.deploy.started if evidence.deploy is not None else []
    return [one if one.inspected else later.get(one.id, one) for one in deployed]


def _requests_by_server(evidence: Evidence) -> dict[str, int]:
    servers: Mapping[str, dict[str, int | None]] = {} if evidence.proxy is None else evidence.proxy.servers
    return {name: change["req_tot"] or change["stot"] or 0 for name, change in servers.items()}
