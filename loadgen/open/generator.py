"""The worker's part of an open-loop load: receives orders of probes from the master, makes them, and reports.

Locust loads it by entry/open_loop.py before the scenario, on the master and on every worker. A scenario is an
`OpenLoopUser`: it defines the requests and the right response. One user per worker carries the whole rate of that
worker; it sends nothing until the master orders a probe, so one start of Locust serves any number of probes, over any
number of workers. The master's part is `Probes` in master/probes.py; order.py has the messages.

A worker ends a probe by itself after its time, and waits for requests in flight. It reports counts over the whole probe
(``offered = ok + failed + timed_out + dropped + in_flight_end``), what `ProbeLog.summarize` gives, and when the
measured window was. The same is written to ``open-trial-<n>-<host>-<index>.json``. Settings are environment variables,
as the recorder's: SWEEP_OUTPUT_DIR, SWEEP_HOST, SWEEP_WORKER_INDEX. With SWEEP_FIRST_RESPONSE=1, the user itself sends
requests, one after the other (see one_by_one.py), and the recorder records them.
"""

import logging
import os
import socket
from pathlib import Path
from typing import Any

import gevent
from locust.runners import LocalRunner, WorkerRunner

from loadgen.common.ended import EndMark
from loadgen.common.outputs import output_directory, write_json
from loadgen.common.workers import announce_role
from loadgen.open.lean_http import Target, encode, resolve
from loadgen.open.order import DONE, DRAIN_MARGIN_SECONDS, PROBE, READY, STOP, Order
from loadgen.open.probe import Probe
from loadgen.open.user import OpenLoopUser
from loadgen.shared.request_record import open_requests_file

logger = logging.getLogger("open_loop")


class ProbeRefusedError(Exception):
    """A probe that cannot be made; the text says why, for people."""


class Generator:
    """The worker's part: receives orders from the master, one at a time, and reports."""

    def __init__(self, environment: Any, directory: Path, host: str) -> None:
        self._environment, self._directory, self._host = environment, directory, host
        self._user: OpenLoopUser | None = None
        self._target: Target | None = None
        self._requests: list[bytes] = []
        self._known: dict[bytes, bytes] | None = None
        self._probe: Probe | None = None
        self._greenlet: Any = None
        # A Locust without workers is its own master, which has a mark of its own.
        self._mark = EndMark(directory, self.index) if isinstance(environment.runner, WorkerRunner) else None
        environment.runner.register_message(PROBE, self._on_order)
        environment.runner.register_message(STOP, self._on_stop)
        environment.events.quitting.add_listener(self._on_quitting)

    @property
    def index(self) -> str:
        """Number of this worker on its host; the master's number for it if none was given."""
        return os.environ.get("SWEEP_WORKER_INDEX") or str(self._environment.runner.worker_index)

    def stand_by(self, user: OpenLoopUser) -> None:
        """Register the user, and report it to the master."""
        if self._user is not None:
            # A second user stays idle: it would double the rate.
            logger.error("this worker already has its open-loop user: start Locust with one user per worker")
            return
        # Set before any call that lets other greenlets run, because another user may start next.
        self._user = user
        self._target = resolve(user.host or self._environment.host or "")
        self._requests = [
            encode(self._target, user.method, user.path, user.headers if body is not None else {}, body)
            for body in user.payloads
        ]
        self._known = {} if user.same_answers else None
        self._environment.runner.send_message(READY, {"host": self._host, "index": self.index})

    def leave(self, user: OpenLoopUser) -> None:
        """The user has stopped."""
        if user is self._user:
            self._user, self._requests = None, []
            self._stop("Locust stopped the user")

    def _on_order(self, msg: Any, **_: Any) -> None:
        try:
            order = Order.from_message(msg.data)
            if reason := self._refusal():
                raise ValueError(reason)
            if self._greenlet is not None:
                raise ValueError("another probe is already running on this worker")
        except ValueError as error:
            self._report({"trial": msg.data.get("trial"), "error": str(error)})
            return
        self._greenlet = gevent.spawn(self._run, order)

    def _on_stop(self, msg: Any, **_: Any) -> None:
        if self._probe is not None and self._probe.order.trial == msg.data.get("trial"):
            self._stop("the master stopped it")

    def _on_quitting(self, **_: Any) -> None:
        if self._probe is None and self._mark is not None:
            self._mark.write()
        self._stop("Locust quits")
        if self._greenlet is not None:
            self._greenlet.join(DRAIN_MARGIN_SECONDS)

    def _stop(self, reason: str) -> None:
        if self._probe is not None:
            self._probe.stop(reason)

    # What another kind of generator replaces.

    def _refusal(self) -> str | None:
        """Why no probe can be made now; None where it can."""
        return None if self._requests else "no user is ready on this worker"

    def _new_probe(self, order: Order, path: Path) -> Any:
        return Probe(order, self._user, self._target, self._requests, self._known, path)

    def _finish(self, summary: dict[str, Any]) -> dict[str, Any]:
        return summary

    def _run(self, order: Order) -> None:
        path = self._directory / open_requests_file(f"{self._host}-{self.index}", order.trial)
        try:
            self._probe = self._new_probe(order, path)
            summary = {"trial": order.trial, "host": self._host, "index": self.index}
            summary |= self._finish(self._probe.run())
            write_json(self._directory / f"open-trial-{order.trial}-{self._host}-{self.index}.json", summary)
        except ProbeRefusedError as error:
            summary = {"trial": order.trial, "error": str(error)}
        except Exception as error:
            logger.exception("probe %d", order.trial)
            summary = {"trial": order.trial, "error": repr(error)}
        self._probe = self._greenlet = None
        self._report(summary)

    def _report(self, summary: dict[str, Any]) -> None:
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            # Locust would send these up to three seconds later, when the master may already have read its figures.
            runner._send_stats()
        runner.send_message(DONE, summary)


def begin(environment: Any, runner: Any, **_: Any) -> None:
    """Take the role of this process. The master has no part here: see master/probes.py."""
    is_check = os.environ.get("SWEEP_FIRST_RESPONSE") == "1"
    if isinstance(runner, WorkerRunner | LocalRunner) and not is_check:
        host = os.environ.get("SWEEP_HOST") or socket.gethostname()
        environment.open_loop = Generator(environment, output_directory(), host)
        announce_role(runner)
