"""One worker's part of a probe of iterations: each starts when it is due, even if earlier ones have not ended.

The latency of the first request of an iteration counts from the time at which the iteration was due, so that a
generator or an API that stalls cannot hide it. Later requests of the same iteration count from their own start, because
a user sends them only after the earlier ones. An iteration that cannot start, because ``most_in_flight`` iterations are
in progress, is dropped, and counts as a request that was not sent.

An iteration without a request (a task that only interrupts its task set) does not count as a request. If an exception
ends an iteration before its first request, this counts as a failed request.
"""

import gc
import itertools
import math
import random
import time
import traceback
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gevent import GreenletExit
from gevent.event import Event

from loadgen.closed.task_log import text_of
from loadgen.common.histogram import encode_histogram, quantize_us
from loadgen.iterations.iteration import Iteration
from loadgen.iterations.pool import Pool
from loadgen.iterations.watched_requests import WatchedRequests
from loadgen.open.order import DRAIN_MARGIN_SECONDS, LEAD_SECONDS, Order
from loadgen.open.probe_log import BATCH_SECONDS, ProbeLog
from loadgen.open.timer import Timer
from loadgen.shared.request_record import COUNTS, NO_RESPONSE, OK, OTHER, TIMED_OUT, TIMEOUT

# A microsecond: an iteration due at the very end must not fall into a bin of its own.
END_MARGIN_SECONDS = 1e-6
# Seconds for the on_start of all users that a probe needs.
READY_SECONDS = 30.0
# The iterations that a probe expects to be in progress, in relation to their mean number: for chance.
EXPECTED_SHARE = 1.5
# The error of a request whose client would have waited longer.
GIVEN_UP = "no response within the timeout of the search"
monotonic = time.monotonic


class IterationProbe:
    """One load by one worker: iterations start when they are due, until the time is over and all have ended.

    Args:
        order: of the master. Its rate is in iterations per second, and its connections are users.
        pool: the users of this worker.
        watched: shows which requests belong to iterations.
        path: the file of requests.
        iteration_seconds: the mean length of an iteration in the probe before; None where there was none.
    """

    def __init__(
        self, order: Order, pool: Pool, watched: WatchedRequests, path: Path, iteration_seconds: float | None
    ) -> None:
        self.order, self._pool, self._watched = order, pool, watched
        self._path = path
        self._is_closed = order.kind == "closed"
        self._over = Event()
        self._arrivals_over = False
        self._stopped: str | None = None
        self._classes = random.Random(f"{order.seed}/{order.trial}/{order.worker}/classes")
        self._arrivals = order.arrivals()
        self._limit = order.own_connections if self._is_closed else order.most_in_flight
        rate = 0.0 if self._is_closed else order.rate_rps / order.workers
        length = iteration_seconds or 0.0
        self._prepare = {
            "rate": rate,
            "limit": max(1, self._limit),
            "expected": order.own_connections if self._is_closed else EXPECTED_SHARE * rate * length,
        }
        self._counts: Counter[str] = Counter()
        self._seconds_sum = 0.0
        # Iterations that are due and have not yet begun a request.
        self._waiting: set[Iteration] = set()
        # Key of a request -> when it was due (monotonic seconds), its lag and the part of it that counts in its latency
        # (seconds), its iteration.
        self._open: dict[int, tuple[float, float, float, Iteration]] = {}
        # Of good responses to iterations that waited for a user: microseconds with the wait, and without it.
        self._waits_us: Counter[int] = Counter()
        self._after_waits_us: Counter[int] = Counter()
        # Closed probes: users whose last iteration failed or had no request. They begin again a little later.
        self._pausing = 0
        self._offered = 0
        self._prepared_seconds = self._waited_seconds = 0.0

    def run(self) -> dict[str, Any]:
        """Make the probe and return its summary; blocks its greenlet until then.

        Raises:
            PoolError: the users of the scenario cannot take iterations.
        """
        ordered = monotonic()
        self._pool.prepare(**self._prepare, patience_seconds=READY_SECONDS)
        self._waited_seconds = monotonic() - ordered
        self._begin()
        self._prepared_seconds = monotonic() - ordered
        give_up = self._end + self.order.timeout_seconds + DRAIN_MARGIN_SECONDS
        bins = math.ceil(self._end - self._origin)
        try:
            self._timer.arm(min(self._due, self._end))
            for seconds in itertools.count(1):
                boundary = min(self._origin + seconds, give_up)
                while not self._over.is_set() and (left := boundary - monotonic()) > 0:
                    self._over.wait(min(left, BATCH_SECONDS))
                    self._log.flush_batch()
                    self._look()
                self._log.end_second(min(seconds, bins))
                if self._over.is_set() or boundary == give_up:
                    break
        finally:
            self._timer.close()
            self._arrivals_over = True
            self._watched.log = None
            self._pool.listener = lambda _: None
            in_flight_end = self._give_up_rest()
            self._pool.clear()
            self._log.close()
        return self._summarize(in_flight_end)

    def stop(self, reason: str) -> None:
        """Start no more iterations, and end those in progress."""
        if self._stopped is None:
            self._stopped = reason
        self._arrivals_over = True
        self._over.set()

    def _begin(self) -> None:
        # Garbage of earlier code must not be collected in the middle of a load: that would stop it for 20 ms or more.
        # Users that the probe before has stopped are garbage too, and are frozen since then.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        order = self.order
        self._start = monotonic() + LEAD_SECONDS
        self._window = self._start + order.seconds_settle
        self._end = self._window + order.seconds_measure - END_MARGIN_SECONDS
        # Wall-clock time is read once, so that a change of the clock moves no iteration.
        self._epoch = time.time() - monotonic()
        first_second = -math.ceil(order.seconds_settle)
        self._origin = self._window + first_second
        start, end = self._start + self._epoch, self._end + self._epoch
        # Locust's own statistics have these requests already.
        self._log = ProbeLog(self._path, self._origin + self._epoch, first_second, start, end, None, "", "")
        self._due = self._start + next(self._arrivals)
        self._watched.log, self._pool.listener = self, self._on_iteration_end
        self._timer = Timer(self._on_timer)

    # The methods that run while iterations are due: on gevent's hub, or in a user's greenlet. None of them blocks.

    def _on_timer(self) -> None:
        try:
            now, due, start, arrivals = monotonic(), self._due, self._start, self._arrivals
            while due <= now and due < self._end and not self._arrivals_over:
                self._offer(due)
                due = start + next(arrivals)
            self._due = due
            if now < self._end and not self._arrivals_over:
                self._timer.arm(min(due, self._end))
            else:
                self._timer.disarm()
                self._arrivals_over = True
                self._note_end()
        except Exception:
            # Otherwise the timer would call again without end.
            self._timer.disarm()
            self.stop(f"error in the generator: {traceback.format_exc()}")

    def _offer(self, due: float) -> None:
        iteration = Iteration(due, self._pool.draw(self._classes))
        self._count("due", due)
        self._waiting.add(iteration)
        if self._pool.offer(iteration):
            self._note_in_flight()
            return
        self._waiting.discard(iteration)
        self._count("dropped", due)
        self._offer_request(due)
        self._log.drop(due + self._epoch)

    def begin_request(self, key: int, iteration: Iteration, begun: float) -> None:
        """See `RequestLog`."""
        due, lag, late = begun, 0.0, 0.0
        if not iteration.has_request:
            iteration.has_request = True
            if iteration not in self._waiting:
                # Of an earlier probe.
                return
            self._waiting.discard(iteration)
            due = iteration.due
            lag, late = iteration.lag_seconds(begun), begun - due
        elif begun >= self._end or iteration.due < self._start:
            return
        elif iteration.start is not None:
            # Its own start is when it was due. Only the iteration can have been late.
            lag = iteration.lag_seconds(iteration.start)
        self._open[key] = (due, lag, late, iteration)
        self._offer_request(due)
        self._note_in_flight()

    def end_request(
        self, key: int, latency_ms: float, outcome: float, served_by: str | None, error: str | None
    ) -> None:
        """See `RequestLog`."""
        found = self._open.pop(key, None)
        if found is None:
            return
        due, lag, late, iteration = found
        if math.isnan(latency_ms):
            latency_ms = max(0.0, monotonic() - due - late) * 1e3
        if outcome != OK:
            iteration.has_failed_request = True
            outcome = TIMED_OUT if outcome == TIMEOUT else OTHER if outcome == NO_RESPONSE else outcome
            self._log.explain(error or "failed")
        headers = {b"X-Served-By": served_by.encode()} if served_by else None
        self._log.add(due + self._epoch, late + latency_ms / 1e3, outcome, lag, headers, 0)
        if late and iteration.waited_seconds and outcome == OK and self._window <= due < self._end:
            whole_ms = late * 1e3 + latency_ms
            self._waits_us.update(quantize_us([whole_ms]))
            self._after_waits_us.update(quantize_us([whole_ms - iteration.waited_seconds * 1e3]))
        self._note_in_flight()
        self._note_end()

    def _on_iteration_end(self, iteration: Iteration) -> None:
        due, now, error = iteration.due, monotonic(), iteration.error
        if due < self._start:
            return
        is_failed = error is not None and not isinstance(error, GreenletExit)
        self._count("failed", due, is_failed)
        if iteration in self._waiting:
            self._waiting.discard(iteration)
            self._count("without_request", due, not is_failed)
            if is_failed:
                self._offer_request(due)
                lag = iteration.lag_seconds(iteration.start or now)
                self._log.add(due + self._epoch, now - due, OTHER, lag, None, 0)
                self._log.explain(text_of(error))
            self._note_in_flight()
        if self._window <= now < self._end:
            self._counts["ended"] += 1
        if self._window <= due < self._end and iteration.start is not None:
            self._counts["timed"] += 1
            self._seconds_sum += now - iteration.start
        if self._is_closed and not self._arrivals_over and now < self._end:
            if error is not None or iteration.has_failed_request or not iteration.has_request:
                self._pausing += 1
            else:
                self._offer(now)
        self._note_end()

    def _look(self) -> None:
        """Between two batches: whether the users can go on, and users of a closed probe that begin again."""
        if self._pool.error is not None and self._stopped is None:
            self.stop(self._pool.error)
        now = monotonic()
        if self._start <= now < self._end and not self._arrivals_over:
            again, self._pausing = self._pausing, 0
            for _ in range(again):
                self._offer(now)

    def _offer_request(self, due: float) -> None:
        self._offered += 1
        self._log.offer(due + self._epoch)

    def _note_in_flight(self) -> None:
        """Requests without a response, and iterations whose first request has not begun: it is due."""
        self._log.record_in_flight(monotonic() + self._epoch, len(self._open) + len(self._waiting))

    def _note_end(self) -> None:
        if self._arrivals_over and not self._open and not self._waiting and not self._pool.in_progress:
            self._over.set()

    def _count(self, name: str, due: float, number: bool | int = 1) -> None:
        if self._window <= due < self._end:
            self._counts[name] += int(number)

    # The methods that run after the load.

    def _give_up_rest(self) -> int:
        """Requests without a response have timed out by now, unless the probe was stopped.

        Iterations without a request count as one that got no response. Returns all requests that are still open.
        """
        now = monotonic()
        if self._stopped is None:
            for due, lag, _, _ in self._open.values():
                self._log.add(due + self._epoch, now - due, TIMED_OUT, lag, None, 0)
                self._log.explain(GIVEN_UP)
            self._open.clear()
        for iteration in self._waiting:
            self._offer_request(iteration.due)
            self._count("unstarted", iteration.due, iteration.start is None)
        rest = len(self._waiting) + len(self._open)
        self._log.record_in_flight(now + self._epoch, rest)
        return rest

    def _summarize(self, in_flight_end: int) -> dict[str, Any]:
        seen, counts = self._log.summarize(), self._counts
        return {
            "schema": 1,
            "order": asdict(self.order),
            "window_start": self._window + self._epoch,
            "window_end": self._window + self._epoch + self.order.seconds_measure,
            "stopped": self._stopped,
            "offered": self._offered,
            **{name: sum(current[name] for current in seen["bins"]) for name in COUNTS if name != "offered"},
            "in_flight_end": in_flight_end,
            # Clients of scenarios do not show their connections.
            "connections": dict.fromkeys(("opened", "closed_idle", "resent")),
            # From the order until users were ready. All workers get it at the same time.
            "prepared_seconds": round(self._prepared_seconds, 3),
            "waited_seconds": round(self._waited_seconds, 3),
            "iterations": {
                "due": counts["due"],
                "started": counts["due"] - counts["dropped"],
                "dropped": counts["dropped"],
                "failed": counts["failed"],
                "without_request": counts["without_request"],
                "unstarted": counts["unstarted"],
                "ended": counts["ended"],
                "timed": counts["timed"],
                "seconds_sum": round(self._seconds_sum, 6),
                "users": self._pool.users,
            },
            "waits_histogram": encode_histogram(self._waits_us),
            "after_waits_histogram": encode_histogram(self._after_waits_us),
            **seen,
        }
