"""The time of a connection from HAProxy to each replica, which shows what the network to another API host costs.

This host's Python enters only the network of HAProxy's container. A connection takes one round trip between the
kernels of the two sides, so neither a busy replica nor its CPU limit changes it much. A request on a kept connection
takes the same round trip in addition to the time of the API.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils import full_packets, swarm_tasks
from ansible.module_utils.swarm_engine import SERVICE_LABEL, HarnessError

# Connections to each replica. Their median is not changed by a few slow ones.
CONNECTIONS = 20
# One connection. Within a data centre, it takes less than a millisecond.
CONNECT_SECONDS = 1
# All of them. Replicas are connected to in turn, so a short disturbance affects all alike.
DEADLINE_SECONDS = 20

PROGRAM = """
import json, socket, statistics, sys, time

port, times, seconds, addresses = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
taken = {address: [] for address in addresses}
for _ in range(times):
    for address in addresses:
        begun = time.perf_counter()
        try:
            socket.create_connection((address, port), timeout=seconds).close()
        except OSError:
            continue
        taken[address].append(1000 * (time.perf_counter() - begun))
print(json.dumps({address: statistics.median(ms) if ms else None for address, ms in taken.items()}))
"""


def measure_hops(
    api: Any, proxy_service: str, containers: list[dict[str, Any]], tasks: Iterable[Mapping[str, Any]], port: int
) -> str | None:
    """Set ``connect_ms`` of each row of ``containers`` if they are on several hosts. Return why it is not known.

    A load does not depend on the times. It does depend on packets of full size, without which HarnessError is raised.
    """
    if all(row["inspected"] for row in containers):
        return None
    by_task = {task["ID"]: min(swarm_tasks.addresses_of(task), default=None) for task in tasks}
    addresses = {row["id"]: by_task.get(row["task_id"]) for row in containers}
    running = api.containers(filters={"label": f"{SERVICE_LABEL}={proxy_service}", "status": "running"})
    if not running:
        return f"no container of {proxy_service} runs on this host"
    pid = api.inspect_container(running[0]["Id"])["State"]["Pid"]
    far = {addresses[row["id"]] or "": str(row["node"]) for row in containers if not row["inspected"]}
    lost = full_packets.lost(pid, {address: node for address, node in far.items() if address})
    if lost:
        raise HarnessError(lost)
    found, problem = connect_times(pid, port, [address for address in addresses.values() if address])
    for row in containers:
        row["connect_ms"] = found.get(addresses[row["id"]] or "")
    return problem


def connect_times(pid: int, port: int, addresses: list[str]) -> tuple[dict[str, float | None], str | None]:
    """Return the median ms of a connection to each address from the network of a process, or the reason why not."""
    command = ["nsenter", f"--target={pid}", "--net", "--", sys.executable, "-I", "-c", PROGRAM]
    command += [str(port), str(CONNECTIONS), str(CONNECT_SECONDS), *addresses]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {}, f"the connections to the replicas did not end within {DEADLINE_SECONDS} s"
    except OSError as error:
        return {}, f"nsenter cannot be started: {error.strerror}"
    if done.returncode != 0:
        return (
            {},
            f"the connections to the replicas failed: {(done.stderr.strip() or 'no reason').splitlines()[-1][:200]}",
        )
    found = json.loads(done.stdout)
    silent = [address for address, ms in found.items() if ms is None]
    return found, f"no connection to {', '.join(silent)}" if silent else None
