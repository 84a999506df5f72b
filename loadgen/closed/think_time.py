"""Measures the think time of users, and replaces it where the sweep file sets one.

Think time is the time that a user spends in `User.wait`, which Locust calls after each task. A pause that a task makes
itself (``time.sleep``, ``gevent.sleep``) is part of the task.
"""

import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from locust import TaskSet

# The think time of the sweep file, uniform. Both are absent where the scenario's own wait_time holds.
SHORTEST, LONGEST = "LOCUST_WAIT_MIN_SECONDS", "LOCUST_WAIT_MAX_SECONDS"

# With its think time of some seconds, one user would make one or two requests in the probe: too few for a mean. With
# this one it makes about all of them, and the API still rests between two.
MAX_PROBE_PAUSE_SECONDS = 0.1

# Epoch seconds, waits that ended, their seconds, and the seconds that all users together have waited so far.
Sample = tuple[float, int, float, float]


def wait_seconds() -> tuple[float, float] | None:
    """The shortest and the longest think time by the environment; None where the scenario's own holds.

    Raises:
        SystemExit: a variable is not a number of seconds, or the shortest is above the longest.
    """
    texts = [os.environ.get(name) or "" for name in (SHORTEST, LONGEST)]
    if texts == ["", ""]:
        return None
    try:
        shortest, longest = map(float, texts)
    except ValueError:
        shortest, longest = 1.0, 0.0
    if not 0 <= shortest <= longest < float("inf"):
        sys.exit(
            f"recorder: {SHORTEST} is {texts[0]!r} and {LONGEST} is {texts[1]!r}; "
            "allowed: two numbers of seconds with 0 <= shortest <= longest, or neither"
        )
    return shortest, longest


class ThinkTime:
    """Watches all users of this process, from its creation on.

    A wait counts for at most as long as the scenario asked for: a user that wakes up late waits for a busy generator,
    and does not think.

    Args:
        limits: shortest and longest think time in seconds, uniform. They replace every ``wait_time`` of the scenario.
            None leaves the scenario its own.
        in_probe: whether the probe of one user is running. Its pauses are at most `MAX_PROBE_PAUSE_SECONDS` long, and
            are no think time.
        wait_for_turn: lets a user that is not in its turn wait for the end of the probe, and returns whether it has
            waited. Its next task then begins at once, as that of a user that has just started.
    """

    def __init__(
        self,
        limits: tuple[float, float] | None,
        in_probe: Callable[[], bool] = lambda: False,
        wait_for_turn: Callable[[Any], bool] = lambda _: False,
    ) -> None:
        self._limits, self._in_probe, self._wait_for_turn = limits, in_probe, wait_for_turn
        self._origin = time.monotonic()
        self._ended, self._ended_seconds, self._cut_seconds = 0, 0.0, 0.0
        # Of the waits that are running: their number, and the sum of their starts.
        self._running, self._starts_seconds = 0, 0.0
        # Of all waits that began, also in the probe of one user, by class of users: their number, and the seconds that
        # were asked for.
        self._asked: dict[type, tuple[int, float]] = {}
        self._watch()

    def asked(self, user_class: type) -> tuple[int, float]:
        """The waits of users of this class that began, also in the probe of one user, and the seconds asked for."""
        return self._asked.get(user_class, (0, 0.0))

    def sample(self) -> Sample:
        """The totals since the creation, running waits included in the last one."""
        running = self._running * self._now() - self._starts_seconds
        waited = self._ended_seconds + self._cut_seconds + running
        return time.time(), self._ended, round(self._ended_seconds, 6), round(max(0.0, waited), 6)

    def _now(self) -> float:
        return time.monotonic() - self._origin

    def _watch(self) -> None:
        original_wait, original_sleep = TaskSet.wait, TaskSet._sleep

        def wait(task_set: TaskSet) -> None:
            if self._limits is not None:
                # An attribute of the instance hides the methods of all classes, of the user's and of the task set's.
                task_set.wait_time = self._draw
            original_wait(task_set)

        def sleep(task_set: TaskSet, seconds: Any) -> None:
            number, total = self.asked(type(task_set.user))
            self._asked[type(task_set.user)] = number + 1, total + max(0.0, float(seconds))
            if self._in_probe():
                if not self._wait_for_turn(task_set.user):
                    original_sleep(task_set, min(max(0.0, float(seconds)), MAX_PROBE_PAUSE_SECONDS))
                return
            asked, start = max(0.0, float(seconds)), self._now()
            self._running += 1
            self._starts_seconds += start
            is_over = False
            try:
                original_sleep(task_set, seconds)
                is_over = True
            finally:
                spent = min(asked, self._now() - start)
                self._running -= 1
                self._starts_seconds -= start
                if is_over:
                    self._ended += 1
                    self._ended_seconds += spent
                else:
                    # The end of the load interrupted it, so its length is not a think time.
                    self._cut_seconds += spent

        TaskSet.wait, TaskSet._sleep = wait, sleep

    def _draw(self) -> float:
        return random.uniform(*self._limits)
