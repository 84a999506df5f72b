"""What Docker gave to the replicas of a service: limits, image, environment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible.module_utils import lab_files, swarm_tasks
from ansible.module_utils.swarm_engine import Service


def describe_containers(
    service: Service, tasks: list[dict[str, Any]], environment: Iterable[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rows of `containers`, and the masked `docker inspect` documents of those on this node.

    A container on another node cannot be inspected from here. Its row has the settings of its task
    (`inspected: false`). Only the named environment variables are stored.
    """
    nodes = {node["ID"]: node["Description"]["Hostname"] for node in service.api.nodes()}
    rows, documents = [], []
    for task in sorted(tasks, key=lambda task: str(swarm_tasks.slot_of(task)).zfill(9)):
        container_id = swarm_tasks.container_id_of(task)
        document = service.inspect(container_id, fresh=True) if container_id else None
        if document:
            documents.append(lab_files.mask_inspect(document))
            limits, config = document["HostConfig"], document["Config"]
            values = (read_nano_cpus(limits), limits.get("Memory") or 0, config["Image"], config.get("Env"))
        else:
            limits = ((task["Spec"].get("Resources") or {}).get("Limits")) or {}
            spec = task["Spec"]["ContainerSpec"]
            values = (limits.get("NanoCPUs", 0), limits.get("MemoryBytes", 0), spec["Image"], spec.get("Env"))
        known = lab_files.read_environment(values[3])
        rows.append(
            {
                "id": container_id,
                "task_id": task["ID"],
                "slot": swarm_tasks.slot_of(task),
                "node": nodes.get(task.get("NodeID"), task.get("NodeID")),
                "nano_cpus": values[0],
                "memory_bytes": values[1],
                "image": values[2],
                "env": {name: known[name] for name in environment if name in known},
                "inspected": document is not None,
            }
        )
    return rows, documents


def read_nano_cpus(host_config: dict[str, Any]) -> int:
    """Return the CPU limit of a container in billionths of a core. Engines before 20.10.8 have quota and period."""
    quota = host_config.get("CpuQuota") or 0
    return host_config.get("NanoCpus") or (quota * 10**9 // (host_config.get("CpuPeriod") or 100_000))
