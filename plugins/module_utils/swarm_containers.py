"""What Docker gave to the replicas of a service: limits, image, environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils import lab_files, swarm_tasks
from ansible.module_utils.swarm_engine import Service


def describe_containers(
    service: Service,
    tasks: list[dict[str, Any]],
    environment: Iterable[str],
    names: Mapping[str, str],
    elsewhere: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rows of `containers`, and the masked `docker inspect` documents of those on this node.

    A container on another node cannot be inspected from here. Its row has the settings of its task
    (`inspected: false`), unless that host has reported what it inspected. Only the named environment variables are
    stored.

    Args:
        service: the service on this manager.
        tasks: the replicas.
        environment: names of the variables.
        names: names of the hosts by the ids of their nodes. Other nodes have the names that Docker knows.
        elsewhere: what the other hosts reported, by the id of the container: see `inspected_row`.
    """
    nodes = {node["ID"]: node["Description"]["Hostname"] for node in service.api.nodes()} | dict(names)
    rows, documents = [], []
    for task in sorted(tasks, key=lambda task: str(swarm_tasks.slot_of(task)).zfill(9)):
        container_id = swarm_tasks.container_id_of(task)
        document = service.inspect(container_id, fresh=True) if container_id else None
        reported = (elsewhere or {}).get(container_id or "")
        if document:
            documents.append(lab_files.mask_inspect(document))
            settings = inspected_row(document, environment)
        elif reported:
            settings = {name: reported[name] for name in ("nano_cpus", "memory_bytes", "image", "env")}
        else:
            limits = ((task["Spec"].get("Resources") or {}).get("Limits")) or {}
            spec = task["Spec"]["ContainerSpec"]
            settings = {
                "nano_cpus": limits.get("NanoCPUs", 0),
                "memory_bytes": limits.get("MemoryBytes", 0),
                "image": spec["Image"],
                "env": named(spec.get("Env"), environment),
            }
        rows.append(
            {
                "id": container_id,
                "task_id": task["ID"],
                "slot": swarm_tasks.slot_of(task),
                "node": nodes.get(task.get("NodeID"), task.get("NodeID")),
                **settings,
                "inspected": document is not None or reported is not None,
            }
        )
    return rows, documents


def inspected_row(document: dict[str, Any], environment: Iterable[str]) -> dict[str, Any]:
    """Return the settings of a container from its `docker inspect` document."""
    limits, config = document["HostConfig"], document["Config"]
    return {
        "nano_cpus": read_nano_cpus(limits),
        "memory_bytes": limits.get("Memory") or 0,
        "image": config["Image"],
        "env": named(config.get("Env"), environment),
    }


def named(entries: list[str] | None, environment: Iterable[str]) -> dict[str, str]:
    """Return the named variables of Docker's list."""
    known = lab_files.read_environment(entries)
    return {name: known[name] for name in environment if name in known}


def read_nano_cpus(host_config: dict[str, Any]) -> int:
    """Return the CPU limit of a container in billionths of a core. Engines before 20.10.8 have quota and period."""
    quota = host_config.get("CpuQuota") or 0
    return host_config.get("NanoCpus") or (quota * 10**9 // (host_config.get("CpuPeriod") or 100_000))
