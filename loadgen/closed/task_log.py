"""Records the outcome of each execution of a task. Locust counts only requests, so it misses exceptions between them.

Executions are recorded in a file of their own (see request_record.py).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gevent import GreenletExit, getcurrent
from locust import TaskSet
from locust.exception import (
    InterruptTaskSet,
    RescheduleTask,
    RescheduleTaskImmediately,
    StopTest,
    StopUser,
)

from loadgen.closed.user_context import greenlets
from loadgen.common.raw_file import RawFile
from loadgen.common.secrets_folder import hide
from loadgen.shared.request_record import FAILED_REQUEST, OK, RAISED, TASK_FIELDS, UNFINISHED

# A scenario uses these exceptions to control its flow; they are not failures.
CONTROL_FLOW = (InterruptTaskSet, RescheduleTask, RescheduleTaskImmediately, StopUser, StopTest)
# The number of different texts that are kept, and the length of each. An id in every text, or a whole response, would
# fill the memory.
MAX_TEXTS, MAX_TEXT_CHARACTERS = 200, 300
OTHERS = "(other exceptions)"


def shortened(text: str) -> str:
    """One line, shortened; characters that are not Unicode (half of a surrogate pair, as in JSON) are replaced."""
    line = " ".join(hide(text)[: 4 * MAX_TEXT_CHARACTERS].split())[:MAX_TEXT_CHARACTERS]
    return line.encode("utf-8", "replace").decode()


def text_of(error: BaseException) -> str:
    """An exception as in the last line of its traceback."""
    name, text = type(error).__name__, words_of(error)
    return shortened(f"{name}: {text}" if text else name)


def words_of(error: Any) -> str:
    """The text of an exception, or of any object that a scenario gives for one; empty where it cannot be read."""
    try:
        return shortened(str(error))
    except Exception:  # its own __str__ raised
        return ""


class Execution:
    """A running task. ``since_seconds`` is its start, or when it last fired an event, in epoch seconds."""

    __slots__ = ("has_failed_request", "has_lost_request", "since_seconds", "start_seconds", "user")

    def __init__(self, user: Any) -> None:
        self.user = user
        self.start_seconds = self.since_seconds = time.time()
        self.has_failed_request = False
        self.has_lost_request = False


class TaskLog:
    """Tracks all task sets of this process, from its creation on.

    Args:
        on_unfinished: called with an execution that the end of the load interrupted.
    """

    def __init__(self, path: Path, on_unfinished: Callable[[Execution], None]) -> None:
        self.file = RawFile(path, TASK_FIELDS)
        self.exceptions: list[str] = []
        # Executions that have ended, and those of them that an exception ended.
        self.ended = self.raised = 0
        self._on_unfinished = on_unfinished
        self._running: dict[Any, Execution] = {}
        # The exception that was recorded last.
        self._recorded: BaseException | None = None
        self._watch()

    def is_running(self, began_until: float) -> bool:
        """Whether an execution is running that began up to this time (epoch seconds), and fired no event after it."""
        return any(one.since_seconds <= began_until for one in self._running.values())

    def running(self) -> Execution | None:
        """The task of the current greenlet: its own, or that of the greenlet that started it."""
        return next((self._running[one] for one in greenlets() if one in self._running), None)

    def on_failed_request(self) -> None:
        """A request failed, and so did its task."""
        if (task := self.running()) is not None:
            task.has_failed_request = True

    def on_error(self, error: BaseException) -> None:
        """An exception in a task, or between two tasks: of ``wait_time``, or of the choice of a task.

        Locust fires its event right after the exception of a task was recorded.
        """
        if error is not self._recorded:
            self._add(time.time(), self._number(error))

    def _watch(self) -> None:
        original = TaskSet.execute_next_task

        def execute_next_task(task_set: TaskSet) -> None:
            task = task_set._task_queue[0]
            if isinstance(task, type) and issubclass(task, TaskSet):
                self._run_nested(task_set, original)
            else:
                self._run(task_set, original)

        TaskSet.execute_next_task = execute_next_task

    def _run(self, task_set: TaskSet, original: Callable[[TaskSet], None]) -> None:
        greenlet, execution = getcurrent(), Execution(task_set.user)
        # A task may run a task set itself.
        outer, self._running[greenlet] = self._running.get(greenlet), execution
        outcome = OK
        try:
            original(task_set)
        except CONTROL_FLOW:
            raise
        except GreenletExit:
            outcome = UNFINISHED
            self._on_unfinished(execution)
            raise
        except BaseException as error:
            outcome = self._number(error)
            raise
        finally:
            if outer is None:
                del self._running[greenlet]
            else:
                self._running[greenlet] = outer
            if execution.has_failed_request and outcome in (OK, UNFINISHED):
                outcome = FAILED_REQUEST
            self._add(execution.start_seconds, outcome)

    def _run_nested(self, task_set: TaskSet, original: Callable[[TaskSet], None]) -> None:
        """Run a task set within another one, which is not an execution of its own unless it cannot begin.

        Locust catches exceptions of its tasks, but not those of its on_start.
        """
        start_seconds = time.time()
        try:
            original(task_set)
        except (*CONTROL_FLOW, GreenletExit):
            raise
        except BaseException as error:
            self._add(start_seconds, self._number(error))
            raise

    def _add(self, start_seconds: float, outcome: float) -> None:
        self.ended += 1
        self.raised += outcome >= RAISED
        self.file.add((start_seconds, max(0.0, time.time() - start_seconds) * 1000, outcome))

    def _number(self, error: BaseException) -> float:
        self._recorded = error
        text = text_of(error)
        if text not in self.exceptions:
            if len(self.exceptions) >= MAX_TEXTS:
                text = OTHERS
            if text not in self.exceptions:
                self.exceptions.append(text)
        return RAISED + self.exceptions.index(text)
