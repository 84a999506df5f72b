"""Open-loop load in Locust: requests are sent when they are due, whatever became of those before.

Locust loads it by entry/open_loop.py before the scenario, on the master and on every worker. A scenario
is an `OpenLoopUser` that says what is sent and which answer is right. One user per worker carries the whole rate of
that worker; it sends nothing until the master orders a trial, so one start of Locust serves any number of trials, over
any number of workers. The master's part is `Trials` in master/trials.py. Messages, all of plain JSON types:

open_loop_ready  worker -> master   a user stands by: {"host", "index"}
open_loop_trial  master -> worker   an `Order`
open_loop_stop   master -> worker   end the trial now: {"trial"}
open_loop_done   worker -> master   the summary below, or {"trial", "error"}

A worker ends a trial by itself after its time, waits for what is under way, and answers with counts over the whole
trial (``offered = ok + failed + timed_out + dropped + in_flight_end``), what `trial_log.TrialLog.summarize` gives, and
when the measured window was. The same is written to ``open-trial-<n>-<host>-<index>.json``. Settings are environment
variables, as the recorder's: SWEEP_OUTPUT_DIR, SWEEP_HOST, SWEEP_WORKER_INDEX.

Latency is counted from the intended start, so that a generator or server that stalls cannot hide it. Nothing is made
up for later and nothing is forgotten: what is due at a wake-up is sent at once, and what is not sent because
``most_in_flight`` requests are under way is counted as dropped.
"""

import gc
import itertools
import logging
import math
import os
import random
import socket
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import inf
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust import User, constant, task
from locust.runners import LocalRunner, WorkerRunner

from loadgen.common.outputs import output_directory, write_json
from loadgen.open.arrivals import Alarm, schedule
from loadgen.open.lean_http import Client, Target, encode, resolve
from loadgen.open.trial_log import BIN_SECONDS, TrialLog

logger = logging.getLogger("open_loop")

READY, TRIAL, STOP, DONE = "open_loop_ready", "open_loop_trial", "open_loop_stop", "open_loop_done"
KINDS = ("poisson", "constant", "closed")
# Bounds of an order: a mistake must not load a host for hours. The rate is beyond what any worker can send.
MOST_RPS, LONGEST_SECONDS, LONGEST_TIMEOUT_SECONDS, MOST_CONNECTIONS = 1e6, 3600.0, 300.0, 65536
# Between the order and the first request: for the server to accept connections, and for orders on their way.
LEAD_SECONDS = 0.05
# Connections for the requests of so long are opened before the first is due. To connect costs as much as six requests,
# so a high rate would begin with a storm of connects that it has to work off.
STORM_SECONDS = 0.01
# A microsecond: a request due at the very end must not fall into a bin of its own.
END_MARGIN_SECONDS = 1e-6
# Beyond the time-out of the last request.
DRAIN_MARGIN_SECONDS = 1.0
monotonic = time.monotonic


@dataclass(frozen=True)
class Order:
    """One trial. Seconds; rate and connections over all workers, the limit of requests under way per worker.

    ``kind``: ``poisson`` and ``constant`` arrivals at ``rate_rps``; ``closed`` is a probe on ``connections``, each of
    which sends its next request when an answer has come. Requests that are due in the first ``seconds_settle`` are
    sent and recorded, but are not measured.
    """

    trial: int
    kind: str
    seconds_measure: float
    seconds_settle: float = 0.0
    rate_rps: float | None = None
    connections: int | None = None
    seed: int = 1
    # Long enough that a slow answer is seen as slow, short enough that an overloaded cell drains.
    timeout_seconds: float = 10.0
    # Four seconds at 1000 requests/s; a file and some 10 kB each.
    most_in_flight: int = 4096
    worker: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ValueError: which setting, and what is allowed.
        """
        closed, whole, number = self.kind == "closed", _whole, _number
        rate, connections = self.rate_rps, self.connections
        rules = (
            ("kind", self.kind in KINDS, f"one of {', '.join(KINDS)}"),
            ("trial", whole(self.trial, 0), "a whole number from 0"),
            ("seed", whole(self.seed, -inf), "a whole number"),
            ("seconds_measure", number(self.seconds_measure, LONGEST_SECONDS), f"above 0, at most {LONGEST_SECONDS:g}"),
            (
                "seconds_settle",
                self.seconds_settle == 0 or number(self.seconds_settle, LONGEST_SECONDS),
                f"from 0 to {LONGEST_SECONDS:g}",
            ),
            (
                "rate_rps",
                rate is None if closed else number(rate, MOST_RPS),
                f"above 0, at most {MOST_RPS:g}; null in a closed trial",
            ),
            (
                "connections",
                whole(connections, self.workers, MOST_CONNECTIONS) if closed else connections is None,
                f"in a closed trial at least one per worker, at most {MOST_CONNECTIONS}; null in an open one",
            ),
            (
                "timeout_seconds",
                number(self.timeout_seconds, LONGEST_TIMEOUT_SECONDS),
                f"above 0, at most {LONGEST_TIMEOUT_SECONDS:g}",
            ),
            ("most_in_flight", whole(self.most_in_flight, 1, MOST_CONNECTIONS), f"from 1 to {MOST_CONNECTIONS}"),
            ("workers", whole(self.workers, 1), "a whole number from 1"),
            ("worker", whole(self.worker, 0, self.workers - 1), "from 0, below the number of workers"),
        )
        for name, holds, allowed in rules:
            if not holds:
                raise ValueError(f"order of a trial: {name} is {getattr(self, name)!r}; allowed: {allowed}")

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> "Order":
        """Raises ValueError for unknown or missing settings too."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"order of a trial: unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        try:
            return cls(**data)
        except TypeError as error:
            raise ValueError(f"order of a trial: {error}") from None

    @property
    def own_connections(self) -> int:
        """This worker's part of a closed trial."""
        return self.connections // self.workers + (self.worker < self.connections % self.workers)

    @property
    def connections_at_start(self) -> int:
        """What this worker opens before the first request is due."""
        if self.kind == "closed":
            return self.own_connections
        return min(math.ceil(self.rate_rps / self.workers * STORM_SECONDS), self.most_in_flight)

    def arrivals(self) -> Iterator[float]:
        """This worker's part: seconds after the start of the trial."""
        if self.kind == "closed":
            return itertools.chain(itertools.repeat(0.0, self.own_connections), itertools.repeat(inf))
        return schedule(self.kind, self.rate_rps, self.seed, self.trial, self.worker, self.workers)


def _whole(value: Any, least: float, most: float = inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most


class OpenLoopUser(User):
    """What is sent, and which answer is right. Set ``path`` and ``payloads`` in a subclass, and override `check`."""

    abstract = True
    # It has nothing to do in its own greenlet, which only keeps it alive for Locust.
    wait_time = constant(0.5)

    method = "POST"
    path = "/"
    # In Locust's statistics; the path where it is empty.
    name = ""
    headers: Mapping[str, str] = {"Content-Type": "application/json"}
    # Bodies, of which each request takes a random one; None sends none.
    payloads: Sequence[bytes | None] = (None,)
    # Whether the same body must get the same answer, whichever replica gives it and however busy it is: an API that
    # mixes up requests under load is fast and wrong. Compared within a worker, over all its trials.
    same_answers = False

    @staticmethod
    def check(status: int, headers: Mapping[bytes, bytes], body: bytes) -> str | None:
        """None when the answer is right, else why not, in words that are the same for all such answers."""
        return None if status == 200 else f"status {status}"

    def on_start(self) -> None:
        """Look the target up, encode every request, and stand by."""
        self.environment.open_loop.stand_by(self)

    def on_stop(self) -> None:
        """End a trial that runs."""
        self.environment.open_loop.leave(self)

    @task
    def stay(self) -> None:
        """The load is not made here."""


class Trial:
    """One load by one worker: sends what is due, on gevent's hub, until its time is over and all is answered."""

    def __init__(
        self,
        order: Order,
        user: OpenLoopUser,
        target: Target,
        requests: Sequence[bytes],
        known: dict[bytes, bytes] | None,
        path: Path,
    ) -> None:
        self.order, self._requests = order, requests
        self._over = Event()
        self._arrivals_over = False
        self._stopped: str | None = None
        # Its own source of randomness: the times must not depend on how many payloads there are.
        self._random = random.Random(f"{order.seed}/{order.trial}/{order.worker}/payloads").random
        self._arrivals = order.arrivals()
        # What the last cells left is not to be collected in the middle of a load; it would stop it for 20 ms and more.
        gc.collect()
        gc.freeze()
        on_done = self._on_done_closed if order.kind == "closed" else self._on_done
        self._client = Client(target, user.check, on_done, order.timeout_seconds, self._on_sweep, known)
        self._client.open(order.connections_at_start)
        self._start = monotonic() + LEAD_SECONDS
        self._window = self._start + order.seconds_settle
        self._end = self._window + order.seconds_measure - END_MARGIN_SECONDS
        # Wall-clock time is looked at once, so that a clock that is set meanwhile moves no request.
        self._epoch = time.time() - monotonic()
        self._first_second = -math.ceil(order.seconds_settle)
        self._origin = self._window + self._first_second
        stats = user.environment.stats
        first_bin = self._origin + self._epoch
        start, end = self._start + self._epoch, self._end + self._epoch
        name = user.name or user.path
        self._log = TrialLog(path, first_bin, self._first_second, start, end, stats, user.method, name)
        self.offered = 0
        self._limit = max(order.most_in_flight, order.own_connections if order.kind == "closed" else 0)
        # Closed trials: connections that had no answer, and try again at the next sweep instead of at once.
        self._pausing = 0
        self._due = self._start + next(self._arrivals)
        self._alarm = Alarm(self._on_alarm)

    def run(self) -> dict[str, Any]:
        """Blocks its greenlet until the trial is over; returns the summary."""
        give_up = self._end + self.order.timeout_seconds + DRAIN_MARGIN_SECONDS
        self._alarm.ring(min(self._due, self._end))
        bins = math.ceil(self._end - self._origin)
        try:
            for seconds in itertools.count(1):
                boundary = min(self._origin + seconds, give_up)
                while not self._over.is_set() and (left := boundary - monotonic()) > 0:
                    self._over.wait(min(left, BIN_SECONDS))
                    self._log.bin_some()
                self._log.end_second(min(seconds, bins))
                if self._over.is_set() or boundary == give_up:
                    break
        finally:
            self._alarm.close()
            in_flight_end = len(self._client.in_flight)
            self._log.occupy(monotonic() + self._epoch, in_flight_end)
            self._client.close()
            self._log.close()
        return self._summarize(in_flight_end)

    def stop(self, reason: str) -> None:
        """Send nothing more and give up what is under way."""
        if self._stopped is None:
            self._stopped = reason
        self._arrivals_over = True
        self._alarm.ring(inf)
        self._over.set()

    # On gevent's hub.

    def _on_alarm(self) -> None:
        try:
            now, due, start, arrivals = monotonic(), self._due, self._start, self._arrivals
            while due <= now and due < self._end and not self._arrivals_over:
                self._offer(due)
                due = start + next(arrivals)
            self._due = due
            if now < self._end:
                self._alarm.ring(min(due, self._end))
            else:
                self._alarm.ring(inf)
                self._arrivals_over = True
                self._note_end()
        except Exception:
            # The alarm would ring for ever.
            self.stop(f"error in the generator: {traceback.format_exc()}")

    def _offer(self, due: float) -> None:
        begun = due + self._epoch
        self.offered += 1
        self._log.offer(begun)
        client, requests = self._client, self._requests
        if len(client.in_flight) < self._limit:
            client.send(requests[int(self._random() * len(requests))], due)
            self._log.occupy(monotonic() + self._epoch, len(client.in_flight))
        else:
            self._log.drop(begun)

    def _on_done(
        self, due: float, sent: float, end: float, outcome: float, reason: Any, headers: Any, size: int
    ) -> None:
        self._log.add(due + self._epoch, end - due, outcome, sent - due, headers, size)
        self._log.occupy(end + self._epoch, len(self._client.in_flight))
        if reason is not None:
            self._log.explain(reason)
        if self._arrivals_over:
            self._note_end()

    def _on_done_closed(
        self, due: float, sent: float, end: float, outcome: float, reason: Any, headers: Any, size: int
    ) -> None:
        self._on_done(due, sent, end, outcome, reason, headers, size)
        if end < self._end and not self._arrivals_over:
            if headers is None:
                self._pausing += 1
            else:
                self._offer(end)

    def _on_sweep(self, now: float) -> None:
        if self._start <= now < self._end:
            self._log.occupy(now + self._epoch, len(self._client.in_flight))
            again, self._pausing = self._pausing, 0
            for _ in range(again):
                self._offer(now)

    def _note_end(self) -> None:
        if not self._client.in_flight:
            self._over.set()

    # After the load.

    def _summarize(self, in_flight_end: int) -> dict[str, Any]:
        seen = self._log.summarize()
        names = ("ok", "failed", "timed_out", "dropped")
        client = self._client
        return {
            "schema": 1,
            "order": asdict(self.order),
            "window_start": self._window + self._epoch,
            "window_end": self._window + self._epoch + self.order.seconds_measure,
            "stopped": self._stopped,
            "offered": self.offered,
            **{name: sum(current[name] for current in seen["bins"]) for name in names},
            "in_flight_end": in_flight_end,
            "connections": {"opened": client.opened, "closed_idle": client.closed_idle, "resent": client.resent},
            **seen,
        }


class Generator:
    """The worker's part: takes orders from the master, one at a time, and reports."""

    def __init__(self, environment: Any, directory: Path, host: str) -> None:
        self._environment, self._directory, self._host = environment, directory, host
        self._user: OpenLoopUser | None = None
        self._target: Target | None = None
        self._requests: list[bytes] = []
        self._known: dict[bytes, bytes] | None = None
        self._trial: Trial | None = None
        self._greenlet: Any = None
        environment.runner.register_message(TRIAL, self._on_order)
        environment.runner.register_message(STOP, self._on_stop)
        environment.events.quitting.add_listener(self._on_quitting)

    @property
    def index(self) -> str:
        """Number of this worker on its host; the master's number for it where none was given."""
        return os.environ.get("SWEEP_WORKER_INDEX") or str(self._environment.runner.worker_index)

    def stand_by(self, user: OpenLoopUser) -> None:
        """Take the user on, and tell the master."""
        if self._user is not None:
            # It stays idle: a second one would double the rate.
            logger.error("this worker has its open-loop user already: start Locust with one user per worker")
            return
        # Before anything that lets other greenlets run: another user may be just behind.
        self._user = user
        self._target = resolve(user.host or self._environment.host or "")
        self._requests = [
            encode(self._target, user.method, user.path, user.headers if body is not None else {}, body)
            for body in user.payloads
        ]
        self._known = {} if user.same_answers else None
        self._environment.runner.send_message(READY, {"host": self._host, "index": self.index})

    def leave(self, user: OpenLoopUser) -> None:
        """The user is stopped."""
        if user is self._user:
            self._user, self._requests = None, []
            self._stop("Locust stopped the user")

    def _on_order(self, msg: Any, **_: Any) -> None:
        try:
            order = Order.from_message(msg.data)
            if not self._requests:
                raise ValueError("no user stands by on this worker")
            if self._greenlet is not None:
                raise ValueError("another trial is under way on this worker")
        except ValueError as error:
            self._report({"trial": msg.data.get("trial"), "error": str(error)})
            return
        self._greenlet = gevent.spawn(self._run, order)

    def _on_stop(self, msg: Any, **_: Any) -> None:
        if self._trial is not None and self._trial.order.trial == msg.data.get("trial"):
            self._stop("the master stopped it")

    def _on_quitting(self, **_: Any) -> None:
        self._stop("Locust quits")
        if self._greenlet is not None:
            self._greenlet.join(DRAIN_MARGIN_SECONDS)

    def _stop(self, reason: str) -> None:
        if self._trial is not None:
            self._trial.stop(reason)

    def _run(self, order: Order) -> None:
        path = self._directory / f"open-requests-{self._host}-{self.index}-trial-{order.trial}.f64"
        try:
            self._trial = Trial(order, self._user, self._target, self._requests, self._known, path)
            summary = {"trial": order.trial, "host": self._host, "index": self.index, **self._trial.run()}
            write_json(self._directory / f"open-trial-{order.trial}-{self._host}-{self.index}.json", summary)
        except Exception as error:
            logger.exception("trial %d", order.trial)
            summary = {"trial": order.trial, "error": repr(error)}
        self._trial = self._greenlet = None
        self._report(summary)

    def _report(self, summary: dict[str, Any]) -> None:
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            # Locust would send these up to three seconds later, when the master may have read its figures.
            runner._send_stats()
        runner.send_message(DONE, summary)


def begin(environment: Any, runner: Any, **_: Any) -> None:
    """Take up the role of this process. The master has none here: see master/trials.py."""
    if isinstance(runner, WorkerRunner | LocalRunner):
        host = os.environ.get("SWEEP_HOST") or socket.gethostname()
        environment.open_loop = Generator(environment, output_directory(), host)
