"""The probe of one user: the ramp starts a single user and waits, so that its latency without load is recorded.

The worker that has the user reports when it has enough requests. The master ends the probe then, or after
`UNLOADED_SECONDS`, and the ramp goes on. Messages to a worker arrive in their order, so a worker ends its part before
it starts another user.

With several classes of users, it is the first user that Locust starts: one of the class with the largest weight, unless
a class has fixed_count. Requests are then named with their class, because two classes may send different requests of
one name. So the figure is known only where this class has most of the load's time.
"""

import math
import time
from collections.abc import Callable
from typing import Any

from gevent.event import Event
from locust.runners import STATE_STOPPED, STATE_STOPPING

from loadgen.closed.request_names import name_text
from loadgen.closed.task_log import Execution
from loadgen.shared.request_record import MAX_NAME_CHARACTERS, MAX_NAMES, OK, UNLOADED_REQUESTS, UNLOADED_SECONDS

# Worker -> master: it has enough requests. Master -> worker: the probe is over.
ENOUGH, OVER = "unloaded_enough", "unloaded_over"
# Longest pause between looks at whether the test has ended.
LOOK_SECONDS = 0.25


class UnloadedRequests:
    """The requests of tasks of this process that began during the probe, and the mix of those after it.

    A request that runs when the time is over belongs to the probe. Otherwise slow requests would be missing more often
    than fast ones. A user may log in or load data in its on_start. That is done once, and is no part of the load.

    Args:
        environment: Locust's.
        running: the task that the current greenlet executes; None outside of a task.
    """

    def __init__(self, environment: Any, running: Callable[[], Execution | None]) -> None:
        # (start in epoch seconds, latency in ms, outcome), and the name of each.
        self.requests: list[tuple[float, float, float]] = []
        self.names: list[str] = []
        # Good responses after the probe by name: their number, and the sum of their latencies in ms.
        self.by_name: dict[str, list[float]] = {}
        self._running = running
        self._runner = environment.runner
        self._names_class = len(environment.user_classes) > 1
        self._open = True
        # Epoch seconds when the time was over; 0 as long as it is not, or where enough requests ended the probe.
        self._over_seconds = 0.0
        # Monotonic seconds; 0 before the first pause.
        self._pauses_end = 0.0
        self._runner.register_message(OVER, self._on_over)

    def shortens_pause(self) -> bool:
        """Whether a pause that begins now is one of the probe.

        The time since the first one is bounded: a worker without the master's message must not load the API with short
        pauses.
        """
        now = time.monotonic()
        self._pauses_end = self._pauses_end or now + UNLOADED_SECONDS
        return self._open and now < self._pauses_end

    def add(self, start_seconds: float, latency_ms: float, outcome: float, name: Any) -> None:
        """Add a request that has just ended: to those of the probe, or to the mix if the probe is over."""
        task = self._running()
        if math.isnan(latency_ms) or task is None:
            return
        text = name_text(name)
        if self._names_class:
            text = f"{type(task.user).__name__}: {text}"[:MAX_NAME_CHARACTERS]
        if not self._open and start_seconds >= self._over_seconds:
            if outcome == OK and (text in self.by_name or len(self.by_name) <= MAX_NAMES):
                total = self.by_name.setdefault(text, [0, 0.0])
                total[0] += 1
                total[1] += latency_ms
            return
        self.requests.append((start_seconds, latency_ms, outcome))
        self.names.append(text)
        if self._open and len(self.requests) == UNLOADED_REQUESTS:
            self._open = False
            self._runner.send_message(ENOUGH, {})

    def _on_over(self, **_: Any) -> None:
        if self._open:
            self._over_seconds = time.time()
        self._open = False


class UnloadedProbe:
    """Lets the ramp wait after its first user. Create it when Locust initialises, on the master or alone.

    ``start_seconds`` and ``end_seconds`` are epoch seconds; None where the probe did not begin or end.
    """

    def __init__(self, environment: Any) -> None:
        self.start_seconds: float | None = None
        self.end_seconds: float | None = None
        self._runner = environment.runner
        self._enough = Event()
        self._runner.register_message(ENOUGH, lambda **_: self._enough.set())
        environment.dispatcher_class = _one_user_first(environment.dispatcher_class, self._hold)

    def _hold(self) -> bool:
        """Wait for the end of the probe, and end it; return whether the ramp goes on."""
        self.start_seconds = time.time()
        end = time.monotonic() + UNLOADED_SECONDS
        while (left := end - time.monotonic()) > 0 and not self._enough.is_set():
            if self._runner.state in (STATE_STOPPING, STATE_STOPPED):
                return False
            self._enough.wait(min(left, LOOK_SECONDS))
        self.end_seconds = time.time()
        self._runner.send_message(OVER, {})
        return True


def _one_user_first(dispatcher: type, hold: Any) -> type:
    """A dispatcher of Locust whose first ramp starts one user, calls ``hold``, and goes on if that returns True."""

    class OneUserFirst(dispatcher):
        _ramp: tuple[Any, ...] | None = None
        _is_first = True

        def new_dispatch(self, target_user_count: int, spawn_rate: float, user_classes: Any = None) -> None:
            # Locust begins another ramp when a worker was lost or came later.
            if not self._is_first:
                super().new_dispatch(target_user_count, spawn_rate, user_classes)
                return
            self._is_first = False
            self._ramp = (target_user_count, spawn_rate, user_classes)
            super().new_dispatch(min(1, target_user_count), spawn_rate, user_classes)

        def __next__(self) -> Any:
            try:
                return super().__next__()
            except StopIteration:
                ramp, self._ramp = self._ramp, None
                if ramp is None or not hold():
                    raise
                super().new_dispatch(*ramp)
                return super().__next__()

    return OneUserFirst
