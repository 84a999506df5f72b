"""Inspect a measured Swarm service after a load."""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils import lab_files, swarm_tasks
from ansible.module_utils.swarm_containers import describe_containers
from ansible.module_utils.swarm_engine import HarnessError, Service


def review(api: Any, service_name: str, deployed: dict[str, Any], log_lines: int, tail_lines: int):
    """Compare the state after a load with the deployment record.

    Returns the record (after.json), the `docker inspect` documents, and the text of service.log.
    """
    service = Service(api, service_name)
    if service.find() is None:
        raise HarnessError(f"The service {service_name} is gone. Was it removed during the load?")
    tasks = service.tasks()
    survival = swarm_tasks.compare_with_deployment(tasks, deployed)
    killed = service.oom_containers(tasks, deployed["started_at"])
    names = sorted({name for container in deployed["containers"] for name in container["env"]})
    alive = [task for task in swarm_tasks.newest_per_slot(tasks) if swarm_tasks.is_running(task)]
    code, reason, task_id = swarm_tasks.explain_survival(survival, alive, killed)
    containers, documents = describe_containers(service, alive, names)
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
