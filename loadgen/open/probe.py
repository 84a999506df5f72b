"""One worker's part of a probe: requests are sent when they are due, even if earlier ones have no response yet.

Latency is counted from the intended start, so that a generator or server that stalls cannot hide it. No request is
postponed or forgotten. At a wake-up, all due requests are sent at once. Requests that are not sent, because
``most_in_flight`` requests are in flight, are counted as dropped.
"""

import gc
import itertools
import math
import random
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gevent.event import Event

from loadgen.common.secrets_folder import hide
from loadgen.open.lean_http import Client, Target
from loadgen.open.order import DRAIN_MARGIN_SECONDS, LEAD_SECONDS, Order
from loadgen.open.probe_log import BATCH_SECONDS, ProbeLog
from loadgen.open.timer import Timer
from loadgen.open.user import OpenLoopUser
from loadgen.shared.request_record import COUNTS

# A microsecond: a request due at the very end must not fall into a bin of its own.
END_MARGIN_SECONDS = 1e-6
monotonic = time.monotonic


class Probe:
    """One load by one worker: sends due requests, on gevent's hub, until the time is over and none is in flight."""

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
        # A separate source of randomness: the times must not depend on the number of payloads.
        self._random = random.Random(f"{order.seed}/{order.trial}/{order.worker}/payloads").random
        self._arrivals = order.arrivals()
        # Garbage of earlier code must not be collected in the middle of a load: that would stop it for 20 ms or more.
        gc.collect()
        gc.freeze()
        on_done = self._on_done_closed if order.kind == "closed" else self._on_done
        self._client = Client(target, user.check, on_done, order.timeout_seconds, self._on_sweep, known)
        self._client.open(order.connections_at_start)
        self._start = monotonic() + LEAD_SECONDS
        self._window = self._start + order.seconds_settle
        self._end = self._window + order.seconds_measure - END_MARGIN_SECONDS
        # Wall-clock time is read once, so that a change of the clock moves no request.
        self._epoch = time.time() - monotonic()
        self._first_second = -math.ceil(order.seconds_settle)
        self._origin = self._window + self._first_second
        stats = user.environment.stats
        first_bin = self._origin + self._epoch
        start, end = self._start + self._epoch, self._end + self._epoch
        name = hide(user.name or user.path)
        self._log = ProbeLog(path, first_bin, self._first_second, start, end, stats, user.method, name)
        self.offered = 0
        self._limit = max(order.most_in_flight, order.own_connections if order.kind == "closed" else 0)
        # Closed probes: connections without a response, which try again at the next sweep and not at once.
        self._pausing = 0
        self._due = self._start + next(self._arrivals)
        self._timer = Timer(self._on_timer)

    def run(self) -> dict[str, Any]:
        """Make the probe and return its summary; blocks its greenlet until then."""
        give_up = self._end + self.order.timeout_seconds + DRAIN_MARGIN_SECONDS
        self._timer.arm(min(self._due, self._end))
        bins = math.ceil(self._end - self._origin)
        try:
            for seconds in itertools.count(1):
                boundary = min(self._origin + seconds, give_up)
                while not self._over.is_set() and (left := boundary - monotonic()) > 0:
                    self._over.wait(min(left, BATCH_SECONDS))
                    self._log.flush_batch()
                self._log.end_second(min(seconds, bins))
                if self._over.is_set() or boundary == give_up:
                    break
        finally:
            self._timer.close()
            in_flight_end = len(self._client.in_flight)
            self._log.record_in_flight(monotonic() + self._epoch, in_flight_end)
            self._client.close()
            self._log.close()
        return self._summarize(in_flight_end)

    def stop(self, reason: str) -> None:
        """Send no more requests, and drop those in flight."""
        if self._stopped is None:
            self._stopped = reason
        self._arrivals_over = True
        self._timer.disarm()
        self._over.set()

    # The methods that run on gevent's hub.

    def _on_timer(self) -> None:
        try:
            now, due, start, arrivals = monotonic(), self._due, self._start, self._arrivals
            while due <= now and due < self._end and not self._arrivals_over:
                self._offer(due)
                due = start + next(arrivals)
            self._due = due
            if now < self._end:
                self._timer.arm(min(due, self._end))
            else:
                self._timer.disarm()
                self._arrivals_over = True
                self._note_end()
        except Exception:
            # Otherwise the timer would call again without end.
            self.stop(f"error in the generator: {traceback.format_exc()}")

    def _offer(self, due: float) -> None:
        begun = due + self._epoch
        self.offered += 1
        self._log.offer(begun)
        client, requests = self._client, self._requests
        if len(client.in_flight) < self._limit:
            client.send(requests[int(self._random() * len(requests))], due)
            self._log.record_in_flight(monotonic() + self._epoch, len(client.in_flight))
        else:
            self._log.drop(begun)

    def _on_done(
        self, due: float, sent: float, end: float, outcome: float, reason: Any, headers: Any, size: int
    ) -> None:
        self._log.add(due + self._epoch, end - due, outcome, sent - due, headers, size)
        self._log.record_in_flight(end + self._epoch, len(self._client.in_flight))
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
            self._log.record_in_flight(now + self._epoch, len(self._client.in_flight))
            again, self._pausing = self._pausing, 0
            for _ in range(again):
                self._offer(now)

    def _note_end(self) -> None:
        if not self._client.in_flight:
            self._over.set()

    # The methods that run after the load.

    def _summarize(self, in_flight_end: int) -> dict[str, Any]:
        seen = self._log.summarize()
        client = self._client
        return {
            "schema": 1,
            "order": asdict(self.order),
            "window_start": self._window + self._epoch,
            "window_end": self._window + self._epoch + self.order.seconds_measure,
            "stopped": self._stopped,
            "offered": self.offered,
            **{name: sum(current[name] for current in seen["bins"]) for name in COUNTS if name != "offered"},
            "in_flight_end": in_flight_end,
            "connections": {"opened": client.opened, "closed_idle": client.closed_idle, "resent": client.resent},
            **seen,
        }
