"""Shows a probe which requests belong to its iterations, and when they begin and end."""

import time
from typing import Any, Protocol

from loadgen.closed.in_flight import Request
from loadgen.iterations.gate import Gate
from loadgen.iterations.iteration import Iteration


class RequestLog(Protocol):
    """What a probe does with the requests of iterations. ``begun``: seconds of `time.monotonic`."""

    def begin_request(self, key: int, iteration: Iteration, begun: float) -> None:
        """A request of an iteration has begun."""

    def end_request(
        self, key: int, latency_ms: float, outcome: float, served_by: str | None, error: str | None
    ) -> None:
        """It has ended, ``latency_ms`` after it began. A request that was not begun here is ignored."""


class WatchedRequests:
    """Given to the recorder, which calls it for each request of a client of Locust. ``log`` is that of a probe."""

    def __init__(self) -> None:
        self.gate: Gate | None = None
        self.log: RequestLog | None = None

    def on_begin(self, request: Request) -> None:
        """A client was called, in the greenlet that called it."""
        if self.log is not None and self.gate is not None and (iteration := self.gate.current()) is not None:
            self.log.begin_request(id(request), iteration, time.monotonic())

    def on_end(self, request: Request, latency_ms: float, outcome: float, served_by: Any, error: str | None) -> None:
        """A request has ended or was lost."""
        if self.log is not None:
            name = served_by if isinstance(served_by, str) else None
            self.log.end_request(id(request), latency_ms, outcome, name, error)
