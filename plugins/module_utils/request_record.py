"""The records of a load, on the load host that writes them and on the controller that reads them.

Each file holds records of little-endian float64 and nothing else. It ends in ``.f64`` while it is written, and in
``.f64.gz`` when it is complete. ``worker`` in its name is ``<host>-<index>``.

A request of closed-loop users has `FIELDS` figures:

1. start, epoch seconds
2. latency in ms; without a response, the time that the request had waited when the load ended
3. outcome
4. number of its name in ``names`` of worker-<worker>.json, or `OTHER_NAMES`, or `NO_NAME`

Its name is Locust's method and name, as POST /predict. The records of earlier versions have no number of a name, and
other file names: see `unnamed`.

The outcome of a failed request is its kind: an HTTP status from `LOWEST_STATUS` on, else a number of `KIND_NAMES`.
Kinds come from the status and from the type of the exception. Texts of users and of programs are never read for them.

A request of an open-loop probe has `OPEN_FIELDS` figures:

1. intended start, epoch seconds (by the worker's clock at the start of the probe, then by its monotonic clock)
2. latency in ms from the intended start to the end; NaN when it was dropped
3. outcome
4. lag in ms: how much later than intended it was sent; NaN when it was dropped
5. number of the replica in ``servers`` of the summary, from its X-Served-By; -1 when there was no such response

An execution of a task has `TASK_FIELDS` figures: start (epoch seconds), length (ms), outcome.

Two kinds have the figures of a request, in files of their own: a *setup request*, of ``on_start`` or ``on_stop``, and a
timing that the scenario fired itself (`events.request.fire`). A timing is an *event of a user* where its user has no
HTTP client of Locust. Such events are in a third file.
"""

from __future__ import annotations

from typing import Literal, get_args

FIELDS, OPEN_FIELDS, TASK_FIELDS = 4, 5, 3
# What the load does now, as Locust's master writes it once a second. It is no record.
LIVE_FILE = "live.json"
UNNAMED_FIELDS = 3

# Outcomes of a request. The number 2 has two meanings: NO_RESPONSE of closed-loop users (the load ended first), and
# TIMED_OUT of open-loop load. Only open-loop load has DROPPED, which was never sent. FAILED is a failure without a
# kind, in the records of earlier versions.
FAILED, OK, TIMED_OUT, DROPPED = 0.0, 1.0, 2.0, 3.0
NO_RESPONSE = 2.0

# Kinds of a failed request, which are outcomes too.
TIMEOUT = 10.0  # the client stopped waiting
REFUSED = 11.0  # nothing accepted the connection
RESET = 12.0  # the connection ended before the whole response
UNREACHABLE = 13.0  # no route, no such host
UNREADABLE = 14.0  # the response is not HTTP, damaged, or longer than the load host reads
BLOCKED = 15.0  # not sent, because its target is outside the lab
LOAD_HOST = 16.0  # the load host lacked files, ports or memory
BY_SCENARIO = 17.0  # a whole response with a good status that the scenario called a failure
DIFFERENT = 18.0  # the comparison of responses of the lab's scenarios found another response than before
OTHER = 19.0  # another exception
# From LOWEST_STATUS on, a kind is the HTTP status itself. From ERROR_STATUS on, a response is a failure. From
# REDIRECT_STATUS on, it is one only where the client or the scenario refuses it.
LOWEST_STATUS, REDIRECT_STATUS, ERROR_STATUS, HIGHEST_STATUS = 100.0, 300.0, 400.0, 999.0
# Names of kinds in results. A status is status_<code>.
KIND_NAMES = {
    TIMEOUT: "timeout",
    REFUSED: "refused",
    RESET: "reset",
    UNREACHABLE: "unreachable",
    UNREADABLE: "unreadable",
    BLOCKED: "blocked",
    LOAD_HOST: "load_host",
    BY_SCENARIO: "failed_by_scenario",
    DIFFERENT: "different_response",
    OTHER: "other_exception",
}
# Failures that are no response either: the load ended first, and a request of an open load that was not sent.
NO_RESPONSE_NAME, NOT_SENT_NAME = "no_response", "not_sent"

# Outcomes of a task beside OK: a request in it failed, or the load ended before the task did. From RAISED on, an
# outcome minus RAISED is the number of its exception in ``exceptions`` of worker-<worker>.json.
FAILED_REQUEST, UNFINISHED, RAISED = 0.0, 2.0, 3.0

# Loads that a probe can make, and the counts of its requests.
Kind = Literal["poisson", "constant", "closed"]
KINDS: tuple[str, ...] = get_args(Kind)
COUNTS = ("offered", "ok", "failed", "timed_out", "dropped")

# The probe of one user before the ramp ends after this many requests or seconds, whichever comes first: enough for a
# mean within a tenth, and few enough that no cell takes much longer.
UNLOADED_REQUESTS, UNLOADED_SECONDS = 20, 3.0
# The number of different names of requests that a worker counts, and the length of each. More names are addresses with
# an id in each, and would fill the memory.
MAX_NAMES, MAX_NAME_CHARACTERS = 200, 300
# Numbers of a name without an entry: a worker already had `MAX_NAMES` others, and a request whose name is not known.
OTHER_NAMES, NO_NAME = -1.0, -2.0

COMPRESSED = ".gz"


def requests_file(worker: str) -> str:
    """Name of a worker's requests in a closed loop, before it is compressed."""
    return f"named-requests-{worker}.f64"


def own_timings_file(worker: str) -> str:
    """Name of the timings that a worker's scenario fired itself, before it is compressed."""
    return f"named-own-timings-{worker}.f64"


def unnamed(name: str) -> str:
    """The name that earlier versions gave to one of the two files above. Its records have `UNNAMED_FIELDS` figures."""
    return name.removeprefix("named-")


def setup_file(worker: str) -> str:
    """Name of a worker's requests of on_start and on_stop, before it is compressed."""
    return f"named-setup-{worker}.f64"


def user_events_file(worker: str) -> str:
    """Name of the events of a worker's users without an HTTP client of Locust, before it is compressed."""
    return f"named-user-events-{worker}.f64"


def open_requests_file(worker: str, probe: int) -> str:
    """Name of a worker's requests in an open-loop probe, before it is compressed."""
    return f"open-requests-{worker}-trial-{probe}.f64"


def tasks_file(worker: str) -> str:
    """Name of a worker's executions of tasks, before it is compressed."""
    return f"tasks-{worker}.f64"


# The part of a unit's name, of a log and of a mark of its end that names a process.
MASTER = "master"


def worker_process(index: int | str) -> str:
    """The same for a worker of this number."""
    return f"worker-{index}"


def ended_file(host: str, process: str) -> str:
    """Name of the mark of a process that has ended in order, whatever its exit status."""
    return f"ended-{host}-{process}.json"


def kind_name(outcome: float) -> str | None:
    """Name of the kind of a failed request; None for an outcome that has no kind."""
    if LOWEST_STATUS <= outcome <= HIGHEST_STATUS:
        return f"status_{outcome:.0f}"
    return KIND_NAMES.get(outcome)
