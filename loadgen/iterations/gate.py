"""Lets users of any scenario begin a task only when an iteration is due, instead of after their think time.

The scenario is not rewritten. Locust's `TaskSet` picks each task as always, then `execute_next_task` waits here. What
belongs to an iteration, and what does not:

- One task picked by weight, or the next one of a sequential set, is an iteration. A task set within another one is
  entered by the iteration of its first task, with its ``on_start``.
- ``on_start`` of a user belongs to none: a user logs in before it waits for its first iteration.
- ``wait_time`` does not apply between tasks. A pause that a task makes itself (``self.wait()``, ``time.sleep``) is part
  of its iteration, as is a task set that a task runs itself.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from gevent import getcurrent
from locust import TaskSet
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from loadgen.closed.task_log import CONTROL_FLOW
from loadgen.iterations.iteration import Iteration


class Source(Protocol):
    """Gives iterations to users."""

    def take(self, user: Any) -> Iteration:
        """Wait for the next iteration of this user. Blocks its greenlet."""

    def on_end(self, iteration: Iteration) -> None:
        """The iteration is over."""


class Gate:
    """Watches all task sets of this process from its creation on. Create it after everything else that watches them.

    Then the wait for an iteration is no part of the task that they see.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        # Greenlet of a user -> the iteration that it has taken.
        self._taken: dict[Any, Iteration] = {}
        # Greenlets of users that are in a task, and not in the on_start of a task set.
        self._in_task: set[Any] = set()
        self._watch()

    def current(self) -> Iteration | None:
        """The iteration of the current greenlet: of the user itself, or of a greenlet that its task started."""
        greenlet = getcurrent()
        while greenlet is not None and greenlet not in self._taken:
            parent = getattr(greenlet, "spawning_greenlet", None)
            greenlet = parent() if parent is not None else None
        return None if greenlet is None else self._taken[greenlet]

    def _watch(self) -> None:
        original_execute, original_wait = TaskSet.execute_next_task, TaskSet.wait

        def execute_next_task(task_set: TaskSet) -> None:
            self._execute(task_set, original_execute)

        def wait(task_set: TaskSet) -> None:
            if getcurrent() is not task_set.user.greenlet or getcurrent() in self._in_task:
                original_wait(task_set)
            elif task_set.user._state == LOCUST_STATE_STOPPING:
                raise StopUser

        TaskSet.execute_next_task, TaskSet.wait = execute_next_task, wait

    def _execute(self, task_set: TaskSet, original: Callable[[TaskSet], None]) -> None:
        greenlet, user = getcurrent(), task_set.user
        if greenlet is not user.greenlet or greenlet in self._in_task:
            original(task_set)
            return
        if greenlet not in self._taken:
            self._taken[greenlet] = self._take(user)
        task = task_set._task_queue[0]
        is_task = not (isinstance(task, type) and issubclass(task, TaskSet))
        iteration, error = self._taken[greenlet], None
        if is_task:
            self._in_task.add(greenlet)
        try:
            original(task_set)
        except CONTROL_FLOW:
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._in_task.discard(greenlet)
            # A task set within this one has usually ended the iteration with which it was entered long ago.
            if self._taken.get(greenlet) is iteration:
                del self._taken[greenlet]
                iteration.error = error
                self._source.on_end(iteration)

    def _take(self, user: Any) -> Iteration:
        if user._state == LOCUST_STATE_STOPPING:
            raise StopUser
        # Locust kills a user in this state at once, and waits for one that is in a task.
        user._state = LOCUST_STATE_WAITING
        iteration = self._source.take(user)
        user._state = LOCUST_STATE_RUNNING
        iteration.start, iteration.user = time.monotonic(), user
        return iteration
