"""The master's orders to the workers, and the messages between them; they are plain JSON.

open_loop_ready  worker -> master   a user stands by: {"host", "index"}
open_loop_trial  master -> worker   an `Order`
open_loop_stop   master -> worker   end the probe now: {"trial"}
open_loop_done   worker -> master   the worker's summary, or {"trial", "error"}

A probe is called ``trial`` in the keys of messages and files.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from loadgen.common.arrivals import schedule
from loadgen.common.orders import is_positive, is_settle, is_whole, order_from, refuse_invalid
from loadgen.shared.request_record import KINDS

READY, PROBE, STOP, DONE = "open_loop_ready", "open_loop_trial", "open_loop_stop", "open_loop_done"
# Bounds of an order: a mistake must not load a host for hours. No worker can send at the maximum rate.
MAX_RPS, MAX_SECONDS, MAX_TIMEOUT_SECONDS, MAX_CONNECTIONS = 1e6, 3600.0, 300.0, 65536
# Seconds between the order and the first request: for the server to accept connections, and for the orders to arrive.
LEAD_SECONDS = 0.05
# Connections for the requests of this many seconds are opened before the first is due. Connecting costs as much as six
# requests. Otherwise a high rate would begin with a backlog of connects.
STORM_SECONDS = 0.01
# Seconds beyond the timeout of the last request.
DRAIN_MARGIN_SECONDS = 1.0


@dataclass(frozen=True)
class Order:
    """One probe, whose number is ``trial``. Seconds; rate and connections over all workers; the limit of
    requests in flight per worker.

    ``kind``: ``poisson`` and ``constant`` arrivals at ``rate_rps``; ``closed`` keeps ``connections`` busy, each of
    which sends its next request after a response. Requests that are due in the first ``seconds_settle`` are sent and
    recorded, but are not measured.
    """

    trial: int
    kind: str
    seconds_measure: float
    seconds_settle: float = 0.0
    rate_rps: float | None = None
    connections: int | None = None
    seed: int = 1
    # Long enough to measure a slow response as slow, short enough for an overloaded cell to drain.
    timeout_seconds: float = 10.0
    # Four seconds at 1000 requests/s. Each request in flight needs a file descriptor and about 10 kB.
    most_in_flight: int = 4096
    worker: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse what is invalid.

        Raises:
            ValueError: which setting, and what is allowed.
        """
        closed, whole, number = self.kind == "closed", is_whole, is_positive
        rate, connections = self.rate_rps, self.connections
        rules = (
            ("kind", self.kind in KINDS, f"one of {', '.join(KINDS)}"),
            ("trial", whole(self.trial, 0), "a whole number from 0"),
            ("seed", whole(self.seed, -inf), "a whole number"),
            ("seconds_measure", number(self.seconds_measure, MAX_SECONDS), f"above 0, at most {MAX_SECONDS:g}"),
            (
                "seconds_settle",
                is_settle(self.seconds_settle, MAX_SECONDS),
                f"from 0 to {MAX_SECONDS:g}",
            ),
            (
                "rate_rps",
                rate is None if closed else number(rate, MAX_RPS),
                f"above 0, at most {MAX_RPS:g}; null in a closed probe",
            ),
            (
                "connections",
                whole(connections, 1, MAX_CONNECTIONS) if closed else connections is None,
                f"from 1 to {MAX_CONNECTIONS} in a closed probe; null in an open one",
            ),
            (
                "timeout_seconds",
                number(self.timeout_seconds, MAX_TIMEOUT_SECONDS),
                f"above 0, at most {MAX_TIMEOUT_SECONDS:g}",
            ),
            ("most_in_flight", whole(self.most_in_flight, 1, MAX_CONNECTIONS), f"from 1 to {MAX_CONNECTIONS}"),
            ("workers", whole(self.workers, 1), "a whole number from 1"),
            ("worker", whole(self.worker, 0, self.workers - 1), "from 0, below the number of workers"),
        )
        refuse_invalid(self, rules)

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> "Order":
        """The order in a message. Raises ValueError also for unknown or missing settings."""
        return order_from(cls, data)

    @property
    def own_connections(self) -> int:
        """This worker's part of the connections of a closed probe."""
        return self.connections // self.workers + (self.worker < self.connections % self.workers)

    @property
    def connections_at_start(self) -> int:
        """The number of connections that this worker opens before the first request is due."""
        if self.kind == "closed":
            return self.own_connections
        return min(math.ceil(self.rate_rps / self.workers * STORM_SECONDS), self.most_in_flight)

    def arrivals(self) -> Iterator[float]:
        """This worker's part of the arrivals: seconds after the start of the probe."""
        if self.kind == "closed":
            return itertools.chain(itertools.repeat(0.0, self.own_connections), itertools.repeat(inf))
        return schedule(self.kind, self.rate_rps, self.seed, self.trial, self.worker, self.workers)
