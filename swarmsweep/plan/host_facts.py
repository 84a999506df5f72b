"""The hosts for plan.json, from the facts that each of them reported."""

from collections.abc import Mapping
from typing import Any

# Reserved for the system, dockerd, PostgreSQL, MLflow and HAProxy when a cell's memory limits are added up.
API_RESERVE_BYTES = 1536 * 1024**2
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


def host_facts(name: str, capacity: Mapping[str, Any], *, is_api: bool) -> dict[str, Any]:
    """One host for plan.json, from the result of the module host_capacity."""
    facts: dict[str, Any] = {"name": name} | {key: capacity[key] for key in KEPT_FACTS}
    return facts | ({"reserve_memory_bytes": API_RESERVE_BYTES} if is_api else {})


def colocated(hosts: Mapping[str, list[dict[str, Any]]]) -> bool:
    """Whether an API host and a load host are one physical machine.

    Virtual machines of the lab share the kernel, so they have the same release and the same second of start. Their
    machine-id and boot_id differ and prove nothing.
    """
    kernels = {side: {(host["kernel"], host["boot_time"]) for host in hosts[side]} for side in ("api", "load")}
    return bool(kernels["api"] & kernels["load"])
