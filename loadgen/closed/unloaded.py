"""The probe of one user, as a process with users sees it: the requests of the users that have it in turn.

With several classes of users, each class has a turn: one user of it makes requests while no other user does (see
one_user_first.py). A user whose turn is over waits, and goes on with the load when the probe is over. It is not
stopped, because another user would then run its on_start a second time. Its turn ends after its task, so it may make
some more requests than it should.

Requests are then named with their class, because two classes may send different requests of one name.
"""

import math
import time
from collections.abc import Callable
from typing import Any

from gevent.event import Event

from loadgen.closed.probe_turns import ENOUGH, OVER, TURN, Turn
from loadgen.closed.request_names import name_text
from loadgen.closed.task_log import Execution
from loadgen.shared.request_record import MAX_NAME_CHARACTERS, MAX_NAMES, OK, UNLOADED_REQUESTS, UNLOADED_SECONDS


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
        self._over = Event()
        # The present turn, its end in monotonic seconds, and the number of its requests so far.
        self._turn = Turn("")
        self._turn_end = math.inf
        self._made = 0
        # Epoch seconds when the time was over; 0 as long as it is not, or where enough requests ended the probe.
        self._over_seconds = 0.0
        # Monotonic seconds; 0 before the first pause.
        self._pauses_end = 0.0
        self._runner.register_message(TURN, self._on_turn)
        self._runner.register_message(OVER, self._on_over)

    def shortens_pause(self) -> bool:
        """Whether a pause that begins now is one of the probe.

        The time since the first one is bounded: a worker without the master's message must not load the API with short
        pauses.
        """
        now = time.monotonic()
        self._pauses_end = self._pauses_end or now + UNLOADED_SECONDS
        return self._open and now < self._pauses_end

    def wait_for_turn(self, user: Any) -> bool:
        """Let a user wait for the end of the probe if its turn is over; return whether it has waited.

        It is called between two tasks. The wait is bounded, as the pauses are.
        """
        turn, name = self._turn, type(user).__name__
        if turn.user_class == name:
            if turn.is_last or (self._made < turn.requests and time.monotonic() < self._turn_end):
                return False
            self._runner.send_message(ENOUGH, {"user_class": name})
        elif not turn.user_class:
            return False
        self._over.wait(max(0.0, self._pauses_end - time.monotonic()))
        return True

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
        self._made += 1
        # A task may make any number of requests before its turn ends.
        if self._made <= UNLOADED_REQUESTS:
            self.requests.append((start_seconds, latency_ms, outcome))
            self.names.append(text)
        if self._open and self._turn.is_last and self._made == self._turn.requests:
            self._open = False
            self._over.set()
            self._runner.send_message(ENOUGH, {"user_class": self._turn.user_class})

    def _on_turn(self, msg: Any, **_: Any) -> None:
        self._turn = Turn(**msg.data)
        self._turn_end = time.monotonic() + self._turn.seconds
        self._made = 0

    def _on_over(self, **_: Any) -> None:
        if self._open:
            self._over_seconds = time.time()
        self._open = False
        self._over.set()
