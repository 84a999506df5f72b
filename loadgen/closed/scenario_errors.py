"""A scenario may not end its process or the load: the lab ends the load itself, after the measured window.

``sys.exit`` in a task would lose the record of a whole worker, and ``environment.runner.quit()`` that of the attempt.
Both become an exception there, which ends the task or the user as any other exception does. Locust only logs an
exception of a listener. It is counted, because a listener may prepare what the users need.
"""

import logging
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import locust
from locust import TaskSet, User
from locust.user.task import DefaultTaskSet

from loadgen.closed.task_log import text_of

# Callers of the runner that may end the load.
ALLOWED = (Path(locust.__file__).parent, Path(__file__).parents[1])
# The beginning of Locust's message. The exception itself is the one that is handled at that moment.
UNCAUGHT = "Uncaught exception in event handler"
# The number of different texts that are kept. An id in every text would fill the memory.
MAX_TEXTS = 200


class EndedByScenarioError(Exception):
    """The scenario tried to end its process or the load."""


class ScenarioErrors(logging.Handler):
    """Counts exceptions outside of tasks, by their text, and keeps the load going. Create it when Locust initialises.

    ``counts`` is the live count.
    """

    def __init__(self, environment: Any) -> None:
        super().__init__(logging.ERROR)
        self.counts: Counter[str] = Counter()
        logging.getLogger().addHandler(self)
        for name in ("quit", "stop"):
            self._guard_runner(environment.runner, name)
        _convert_exits()

    def emit(self, record: logging.LogRecord) -> None:
        """Count an exception of a listener."""
        error = sys.exc_info()[1]
        if error is not None and str(record.msg).startswith(UNCAUGHT):
            self._count(text_of(error))

    def _count(self, text: str) -> None:
        known = text in self.counts or len(self.counts) < MAX_TEXTS
        self.counts[text if known else "(other exceptions)"] += 1

    def _guard_runner(self, runner: Any, name: str) -> None:
        original = getattr(runner, name)

        def guarded(*arguments: Any, **options: Any) -> Any:
            # Without a frame, it is the function of a greenlet, such as gevent.spawn(runner.quit).
            frame = sys._getframe().f_back
            if frame is not None and any(Path(frame.f_code.co_filename).is_relative_to(one) for one in ALLOWED):
                return original(*arguments, **options)
            error = EndedByScenarioError(f"the scenario called runner.{name}(), but only the lab ends the load")
            self._count(text_of(error))
            raise error

        setattr(runner, name, guarded)


def _convert_exits() -> None:
    """Turn SystemExit of tasks, on_start and on_stop into an exception that ends no process."""
    run = User.run

    def run_user(user: User) -> None:
        user.on_start, user.on_stop = _without_exit(user.on_start), _without_exit(user.on_stop)
        run(user)

    User.run = run_user
    for task_set in (TaskSet, DefaultTaskSet):
        task_set.execute_task = _without_exit(task_set.execute_task)


def _without_exit(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except SystemExit as error:
            code = "" if error.code is None else repr(error.code)
            words = f"the scenario called sys.exit({code}), but only the lab ends the load"
            raise EndedByScenarioError(words) from error

    return call
