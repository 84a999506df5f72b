"""The worker's part of a search by arrivals: makes the probes that the master orders, and reports them.

The messages are those of open/order.py, and the reports have the same keys, so that the master searches as with the
lean client. A report has ``iterations`` too, see probe.py, and ``recorded``: the requests that the recorder of this
worker and Locust have counted so far, whatever they were for.
"""

from pathlib import Path
from typing import Any

from gevent.event import Event
from locust.exception import StopUser

from loadgen.closed.recorder import Recorder
from loadgen.iterations.gate import Gate
from loadgen.iterations.iteration import Iteration
from loadgen.iterations.pool import Pool, PoolError, shares_of
from loadgen.iterations.probe import IterationProbe
from loadgen.iterations.watched_requests import WatchedRequests
from loadgen.open.generator import Generator
from loadgen.open.order import READY, Order


class Nothing:
    """Gives no iterations."""

    def take(self, user: Any) -> Iteration:
        """Wait until Locust ends the user."""
        Event().wait()
        raise StopUser

    def on_end(self, iteration: Iteration) -> None:
        """There is none."""


class IterationGenerator(Generator):
    """Registers for the master's orders, and lets the users of the scenario wait for iterations."""

    def __init__(self, environment: Any, directory: Path, host: str, recorder: Recorder) -> None:
        super().__init__(environment, directory, host)
        self._recorder = recorder
        self._pool: Pool | None = None
        self._refused: str | None = None
        self._iteration_seconds: float | None = None
        self._watched = WatchedRequests()
        try:
            self._pool = Pool(environment, shares_of(environment.user_classes))
            self._watched.gate = Gate(self._pool)
        except PoolError as error:
            self._refused = str(error)
            # They must not make a load that no one has ordered.
            self._watched.gate = Gate(Nothing())
        recorder.watch(self._watched)
        environment.events.test_start.add_listener(self._on_test_start)

    def _on_test_start(self, **_: Any) -> None:
        self._environment.runner.send_message(READY, {"host": self._host, "index": self.index})

    def _refusal(self) -> str | None:
        return self._refused

    def _new_probe(self, order: Order, path: Path) -> Any:
        return IterationProbe(order, self._pool, self._watched, path, self._iteration_seconds)

    def _finish(self, summary: dict[str, Any]) -> dict[str, Any]:
        iterations = summary["iterations"]
        if iterations["timed"]:
            self._iteration_seconds = iterations["seconds_sum"] / iterations["timed"]
        return summary | {"recorded": self._recorder.reported}
