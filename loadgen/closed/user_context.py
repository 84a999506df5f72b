"""Which user acts in a greenlet, and whether it prepares itself: in ``on_start`` or ``on_stop``, and so in no task.

A user may log in or load data there. Such requests are no part of the load that the SLO is for.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from gevent import getcurrent
from locust import TaskSet, User


def greenlets() -> Iterator[Any]:
    """The current greenlet, then the one that started it, and so on."""
    greenlet = getcurrent()
    while greenlet is not None:
        yield greenlet
        parent = getattr(greenlet, "spawning_greenlet", None)
        greenlet = parent() if parent is not None else None


class UserContext:
    """Watches all users and task sets of this process, from its creation on."""

    def __init__(self) -> None:
        self._users: dict[Any, User] = {}
        # The depth of on_start and on_stop by greenlet. A task set's may run within those of the user.
        self._preparing: Counter[Any] = Counter()
        # Greenlets of users that have not begun a task.
        self._starting: set[Any] = set()
        self._watch_users()
        self._watch_task_sets()

    @property
    def starting(self) -> int:
        """The number of users that have not begun a task yet, because an ``on_start`` of theirs still runs."""
        return len(self._starting)

    def user(self) -> User | None:
        """The user of the current greenlet, or of the greenlet that started it."""
        return next((user for one in greenlets() if (user := self._users.get(one)) is not None), None)

    def is_preparing(self) -> bool:
        """Whether an ``on_start`` or ``on_stop`` runs in the current greenlet, or in the one that started it."""
        return bool(self._preparing) and any(one in self._preparing for one in greenlets())

    def _watch_users(self) -> None:
        original = User.run

        def run(user: User) -> None:
            greenlet = getcurrent()
            self._users[greenlet] = user
            self._starting.add(greenlet)
            self._mark(user)
            try:
                original(user)
            finally:
                del self._users[greenlet]
                self._starting.discard(greenlet)

        User.run = run

    def _watch_task_sets(self) -> None:
        original, original_execute = TaskSet.run, TaskSet.execute_next_task

        def run(task_set: TaskSet) -> None:
            self._mark(task_set)
            original(task_set)

        def execute_next_task(task_set: TaskSet) -> None:
            task = task_set._task_queue[0]
            # A task set within this one has an on_start of its own.
            if not (isinstance(task, type) and issubclass(task, TaskSet)):
                self._starting.discard(getcurrent())
            original_execute(task_set)

        TaskSet.run, TaskSet.execute_next_task = run, execute_next_task

    def _mark(self, one: User | TaskSet) -> None:
        # Attributes of the instance hide the methods of its class.
        one.on_start, one.on_stop = self._marked(one.on_start), self._marked(one.on_stop)

    def _marked(self, method: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> Any:
            greenlet = getcurrent()
            self._preparing[greenlet] += 1
            try:
                return method()
            finally:
                self._preparing[greenlet] -= 1
                if not self._preparing[greenlet]:
                    del self._preparing[greenlet]

        return call
