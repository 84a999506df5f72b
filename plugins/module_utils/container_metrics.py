"""Request the Prometheus metrics of this node's containers, each over its own loopback interface.

This host's Python enters only the network of a container. So every image works, and no port must be open.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# An API that responds in time returns its metrics in milliseconds. One that hangs must not hold up the sweep.
DEADLINE_SECONDS = 5
# The size of some hundred histograms. A larger response is something else.
MAX_BYTES = 4 * 1024**2
# Enough threads to wait for several hanging replicas together, few enough for one core.
REQUESTS_AT_ONCE = 4

# Runs inside the container's network. With exit code 0 it prints the body, else one line with the reason.
PROGRAM = """
import http.client, sys

def give_up(reason):
    print(reason)
    sys.exit(3)

port, seconds, most = map(int, sys.argv[1:])
try:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    connection.request("GET", "/metrics", headers={"Accept": "text/plain"})
    response = connection.getresponse()
    body = response.read(most + 1)
except (OSError, http.client.HTTPException) as error:
    give_up(str(error) or type(error).__name__)
if response.status != 200:
    give_up(f"status {response.status}")
if len(body) > most:
    give_up(f"more than {most} bytes")
if response.length:
    give_up(f"the response ended {response.length} bytes early")
sys.stdout.buffer.write(body)
"""


def collect(
    containers: list[dict[str, Any]],
    documents: list[dict[str, Any]],
    port: int,
    elsewhere: Mapping[str, str | None] | None = None,
) -> tuple[dict[str, str], str | None]:
    """Return the metrics by container, and a sentence on replicas without metrics (None when all have some).

    ``containers`` are the rows of a record. ``documents`` are the `docker inspect` documents of those on this node.
    ``elsewhere`` has the containers on other hosts, which read the metrics themselves, each with the reason if it has
    none. Nothing is raised, because an API need not have metrics.
    """
    elsewhere = elsewhere or {}
    here = [row for row in containers if row["id"] not in elsewhere]
    inspected = {document["Id"]: document for document in documents}
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        responses = list(pool.map(lambda row: (row, *request_replica(row, inspected.get(row["id"]), port)), here))
    responses += [(row, None, elsewhere[row["id"]]) for row in containers if row["id"] in elsewhere]
    problems: dict[str, list[str]] = {}
    for row, _text, problem in responses:
        if problem is not None:
            problems.setdefault(problem, []).append(str(row["slot"]))
    sentences = [f"replica {', '.join(slots)}: {problem}" for problem, slots in problems.items()]
    return {row["id"]: text for row, text, _problem in responses if text is not None}, "; ".join(sentences) or None


def request_replica(row: dict[str, Any], document: dict[str, Any] | None, port: int) -> tuple[str | None, str | None]:
    """Return (text, None), or (None, the reason)."""
    if document is None:
        return None, f"the API host {row['node']} did not report its replicas"
    pid = (document.get("State") or {}).get("Pid") or 0
    # No process has the number 0. Docker writes it for a container that does not run.
    if pid <= 0:
        return None, "it is not running any more"
    return request_metrics(pid, port)


def request_metrics(pid: int, port: int, deadline_seconds: int = DEADLINE_SECONDS) -> tuple[str | None, str | None]:
    """Send GET /metrics in the network of a process. Return (text, None), or (None, the reason)."""
    command = ["nsenter", f"--target={pid}", "--net", "--", sys.executable, "-I", "-c", PROGRAM]
    command += [str(number) for number in (port, deadline_seconds, MAX_BYTES)]
    where = f"GET /metrics on its port {port}"
    try:
        done = subprocess.run(command, capture_output=True, timeout=deadline_seconds, check=False)
    except subprocess.TimeoutExpired:
        return None, f"{where}: no response within {deadline_seconds} s"
    except OSError as error:
        return None, f"{where}: nsenter cannot be started: {error.strerror}"
    if done.returncode == 0:
        return done.stdout.decode(errors="replace"), None
    lines = (done.stdout or done.stderr).decode(errors="replace").split("\n")
    reason = next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {done.returncode}")
    return None, f"{where}: {reason[:200]}"
