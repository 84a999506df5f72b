"""Inspect a measured Swarm service after a load."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils import lab_files, swarm_nodes, swarm_tasks
from ansible.module_utils.swarm_containers import describe_containers
from ansible.module_utils.swarm_engine import HarnessError, Service


def review(
    api: Any,
    service_name: str,
    deployed: dict[str, Any],
    log_lines: int,
    tail_lines: int,
    nodes: Mapping[str, str] | None = None,
    elsewhere: Mapping[str, Mapping[str, Any]] | None = None,
    silent: Mapping[str, str] | None = None,
):
    """Compare the state after a load with the deployment record.

    Args:
        api: Docker on the manager.
        service_name: full name of the service.
        deployed: the deployment record.
        log_lines: lines of each replica.
        tail_lines: lines of the replica that failed.
        nodes: names of the API hosts by the ids of their nodes.
        elsewhere: what the other API hosts reported of their containers, by id.
        silent: why an API host reported nothing, by its name.

    Returns the record (after.json), the `docker inspect` documents, and the text of service.log.
    """
    nodes, elsewhere = nodes or {}, elsewhere or {}
    service = Service(api, service_name)
    if service.find() is None:
        raise HarnessError(f"The service {service_name} was removed during the load, and not by the lab")
    tasks = service.tasks()
    survival = swarm_tasks.compare_with_deployment(tasks, deployed)
    killed = service.oom_containers(tasks, deployed["started_at"])
    killed |= {container for container, row in elsewhere.items() if row["oom_killed"]}
    names = sorted({name for container in deployed["containers"] for name in container["env"]})
    alive = [task for task in swarm_tasks.newest_per_slot(tasks) if swarm_tasks.is_running(task)]
    code, reason, task_id = swarm_tasks.explain_survival(survival, alive, killed)
    known = service.api.nodes()
    # What the Docker SDK adds to its first words says nothing to a user.
    quiet = {name: why.partition(": Error while")[0] for name, why in (silent or {}).items()}
    lost = swarm_nodes.lost_nodes(known, nodes) | quiet
    lost = {name: why for name, why in lost.items() if name in {row["node"] for row in deployed["containers"]}}
    if lost and code != "oom":
        code, reason = "host_lost", f"under load, replicas were lost with their host. {swarm_nodes.explain_lost(lost)}"
    elif reason and len(nodes) > 1 and (task := next((task for task in tasks if task["ID"] == task_id), None)):
        reason += f". It ran on {swarm_nodes.names_of(known, nodes).get(task.get('NodeID'), 'an unknown host')}"
    containers, documents = describe_containers(service, alive, names, nodes, elsewhere)
    for death in survival.deaths:
        container_id = swarm_tasks.container_id_of(death)
        document = service.inspect(container_id) if container_id else None
        if document:
            documents.append(lab_files.mask_inspect(document))
    suspect = next((task for task in tasks if task["ID"] == task_id), None)
    ours = {swarm_tasks.container_id_of(task) for task in alive + survival.deaths}
    record = {
        "schema": 1,
        "collected_at": time.time(),
        "containers": containers,
        "restarts": survival.restarts,
        "oom_killed": bool(killed & ours),
        "exit_codes": survival.exit_codes,
        "changed": survival.changed,
        "reason_code": code,
        "reason": reason,
        "log_tail": service.log(suspect, tail_lines) if suspect else [],
    }
    return record, documents, join_logs(service, tasks, log_lines)


def join_logs(service: Service, tasks: list[dict[str, Any]], lines: int) -> str:
    """Return the last lines of every replica, dead ones too, each under a heading."""
    parts = []
    for slot, group in sorted(swarm_tasks.group_by_slot(tasks).items(), key=lambda item: str(item[0]).zfill(9)):
        for task in group:
            container_id = swarm_tasks.container_id_of(task)
            if not container_id:
                continue
            exit_code = swarm_tasks.exit_code_of(task)
            ended = "" if exit_code is None else f", exit {exit_code}"
            state = swarm_tasks.state_of(task)
            parts.append(f"==> {service.name}.{slot} task {task['ID']} container {container_id[:12]} ({state}{ended})")
            parts += service.log(task, lines)
    return "\n".join(parts) + "\n" if parts else ""
