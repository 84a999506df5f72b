"""The records of a load, on the load host that writes them and on the controller that reads them.

Each file holds records of little-endian float64 and nothing else. It ends in ``.f64`` while it is written, and in
``.f64.gz`` when it is complete. ``worker`` in its name is ``<host>-<index>``.

A request of closed-loop users has `FIELDS` figures: start (epoch seconds), latency (ms), outcome. Without a response,
the latency is the time that the request had waited when the load ended.

A request of an open-loop probe has `OPEN_FIELDS` figures:

1. intended start, epoch seconds (by the worker's clock at the start of the probe, then by its monotonic clock)
2. latency in ms from the intended start to the end; NaN when it was dropped
3. outcome
4. lag in ms: how much later than intended it was sent; NaN when it was dropped
5. number of the replica in ``servers`` of the summary, from its X-Served-By; -1 when there was no such response

An execution of a task has `TASK_FIELDS` figures: start (epoch seconds), length (ms), outcome.
"""

from __future__ import annotations

from typing import Literal, get_args

FIELDS, OPEN_FIELDS, TASK_FIELDS = 3, 5, 3

# Outcomes of a request. The number 2 has two meanings: NO_RESPONSE of closed-loop users (the load ended first), and
# TIMED_OUT of open-loop load. Only open-loop load has DROPPED, which was never sent.
FAILED, OK, TIMED_OUT, DROPPED = 0.0, 1.0, 2.0, 3.0
NO_RESPONSE = 2.0

# Outcomes of a task beside OK: a request in it failed, or the load ended before the task did. From RAISED on, an
# outcome minus RAISED is the number of its exception in ``exceptions`` of worker-<worker>.json.
FAILED_REQUEST, UNFINISHED, RAISED = 0.0, 2.0, 3.0

# Loads that a probe can make, and the counts of its requests.
Kind = Literal["poisson", "constant", "closed"]
KINDS: tuple[str, ...] = get_args(Kind)
COUNTS = ("offered", "ok", "failed", "timed_out", "dropped")

COMPRESSED = ".gz"


def requests_file(worker: str) -> str:
    """Name of a worker's requests in a closed loop, before it is compressed."""
    return f"requests-{worker}.f64"


def open_requests_file(worker: str, probe: int) -> str:
    """Name of a worker's requests in an open-loop probe, before it is compressed."""
    return f"open-requests-{worker}-trial-{probe}.f64"


def tasks_file(worker: str) -> str:
    """Name of a worker's executions of tasks, before it is compressed."""
    return f"tasks-{worker}.f64"
