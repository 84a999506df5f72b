"""How long users may continue after the measured window, so that no slow response is lost.

A drain ends when all users have finished their task. A task may continue (a loop, a sequence of many requests). Then
the drain ends after `LEAVE_SECONDS`, once every request that began within the window has its response.
"""

import logging
import time
from typing import Any

import gevent
from locust import FastHttpUser, HttpUser

from loadgen.closed.in_flight import InFlight
from loadgen.closed.task_log import TaskLog

logger = logging.getLogger("drain")

# The upper bound of a drain in seconds, whatever the SLO or a scenario's timeouts allow. The time limit of the units
# includes it.
MAX_DRAIN_SECONDS = 300.0
# Seconds for users to finish a task whose requests no longer count.
LEAVE_SECONDS = 25.0
POLL_SECONDS = 0.1


def max_drain_seconds(wanted_seconds: float, user_classes: list[type]) -> float:
    """Seconds of the drain: the wanted time, or the timeouts of the scenario's clients if they are longer, up to the
    bound.
    """
    timeouts = [_timeout_seconds(one) for one in user_classes if issubclass(one, FastHttpUser)]
    return min(max([wanted_seconds, *timeouts]), MAX_DRAIN_SECONDS)


def _timeout_seconds(user_class: type) -> float:
    """Timeout to connect plus timeout to read, in seconds; None means no limit."""
    parts = (user_class.connection_timeout, user_class.network_timeout)
    return MAX_DRAIN_SECONDS if None in parts else sum(parts)


def is_http(user_class: type) -> bool:
    """Whether the requests of such users are tracked one by one (see in_flight.py)."""
    return issubclass(user_class, HttpUser | FastHttpUser)


class Drain:
    """Ends the users of one process when no request that counts is in flight."""

    def __init__(self, environment: Any, in_flight: InFlight, tasks: TaskLog) -> None:
        self._environment, self._in_flight, self._tasks = environment, in_flight, tasks
        self._stopped = self._deadline = 0.0
        environment.events.test_stopping.add_listener(self._on_stopping)

    @property
    def stopped_seconds(self) -> float | None:
        """Epoch seconds when the users were stopped; None before."""
        return self._stopped or None

    def wait_for_rest(self) -> None:
        """Wait for the requests in greenlets that users have started; they do not end with the users."""
        while self._stopped and self._in_flight.is_waiting(self._stopped) and time.monotonic() < self._deadline:
            gevent.sleep(POLL_SECONDS)

    def _on_stopping(self, **_: Any) -> None:
        if not self._stopped:
            self._stopped = time.time()
            self._deadline = time.monotonic() + self._environment.stop_timeout
            gevent.spawn(self._watch, time.monotonic())

    def _watch(self, clock: float) -> None:
        runner = self._environment.runner
        while len(runner.user_greenlets):
            if time.monotonic() - clock >= LEAVE_SECONDS and not self._is_open():
                logger.info("%d users still had a running task and were stopped", len(runner.user_greenlets))
                runner.user_greenlets.kill(block=False)
                return
            gevent.sleep(POLL_SECONDS)

    def _is_open(self) -> bool:
        # The requests of other clients are unknown, so their tasks are used instead.
        only_http = all(map(is_http, self._environment.user_classes))
        return self._in_flight.is_waiting(self._stopped) or (not only_http and self._tasks.is_running(self._stopped))
