"""The hosts for plan.json, from the facts that each of them reported."""

from collections.abc import Container, Mapping
from typing import Any

# Reserved for the system, dockerd, PostgreSQL, MLflow and HAProxy when a cell's memory limits are added up.
API_RESERVE_BYTES = 1536 * 1024**2
# The same on the other API hosts, which have only the system and dockerd.
JOINED_RESERVE_BYTES = 512 * 1024**2
# The facts of a host that plan.json keeps; a reader does not need the others.
KEPT_FACTS = (
    "cpus",
    "memory_bytes",
    "swap_bytes",
    "os_id",
    "os_version",
    "kernel",
    "boot_time",
    "cgroup_version",
    "ipvs",
    "cpu_model",
    "open_files",
)
# Facts of a node that Swarm's scheduler counts with.
NODE_FACTS = ("cpus", "memory_bytes")


def host_facts(name: str, capacity: Mapping[str, Any], *, is_api: bool) -> dict[str, Any]:
    """One host for plan.json, from the result of the module host_capacity."""
    facts: dict[str, Any] = {"name": name} | {key: capacity[key] for key in KEPT_FACTS}
    return facts | ({"reserve_memory_bytes": API_RESERVE_BYTES} if is_api else {})


def as_nodes(
    api_hosts: list[dict[str, Any]],
    nodes: Mapping[str, Mapping[str, Any]],
    *,
    is_manager_used: bool,
    excluded: Container[str] = (),
    groups: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The API hosts with what decides on which of them Swarm places replicas; a single host stays as it is.

    Args:
        api_hosts: facts as in plan.json. The first one is the manager, with the platform.
        nodes: what Docker reports of each host, by its name: ``cpus`` and ``memory_bytes``.
        is_manager_used: lab_api_on_manager.
        excluded: names of hosts that lack a label of lab_api_placement.
        groups: the group of each host, between which Swarm spreads replicas (lab_api_spread).
    """
    if len(api_hosts) < 2:
        return api_hosts
    return [
        host
        | {"carries_replicas": (is_manager_used or number > 0) and host["name"] not in excluded}
        | {"spread_group": (groups or {}).get(host["name"], "")}
        | ({"reserve_memory_bytes": JOINED_RESERVE_BYTES} if number else {})
        | {f"swarm_{key}": value for key, value in nodes.get(host["name"], {}).items() if key in NODE_FACTS}
        for number, host in enumerate(api_hosts)
    ]


def colocated(hosts: Mapping[str, list[dict[str, Any]]]) -> bool:
    """Whether an API host and a load host are one physical machine.

    Virtual machines of the lab share the kernel, so they have the same release and the same second of start. Their
    machine-id and boot_id differ and prove nothing.
    """
    kernels = {side: {(host["kernel"], host["boot_time"]) for host in hosts[side]} for side in ("api", "load")}
    return bool(kernels["api"] & kernels["load"])
