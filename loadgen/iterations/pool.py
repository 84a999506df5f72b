"""The users of one worker: they wait for iterations, and there are more of them as soon as too few are idle.

Locust itself starts them (`Runner.spawn_users`), without a ramp of the master. So each logs in once, in its
``on_start``, and before it takes an iteration. Users stay when a probe is over, and serve the next one.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import gevent
from gevent.event import AsyncResult, Event
from locust import User

from loadgen.closed.task_log import text_of
from loadgen.iterations.iteration import Iteration
from loadgen.open.generator import ProbeRefusedError

# Idle users beyond those that have an iteration are for the arrivals of this many seconds, or of twice the time that
# an on_start takes: a new user is ready by then. And some more, because arrivals come in groups.
SPARE_SECONDS, SPARE_USERS = 0.1, 4
# Users that Locust starts in one go. It starts them without a pause, and requests that are due would be late.
TOGETHER = 10
# A scenario whose users end before their first task is not started forever. This many in a row end a search before a
# probe. In a probe, they end the growth alone: an overloaded API also refuses logins.
MAX_FAILED_STARTS = 3
# Of the memory of the load host, the share that must stay available when users are added.
MIN_MEMORY_SHARE = 0.1
NO_MEMORY = f"less than {MIN_MEMORY_SHARE:.0%} of the memory of the load host is available"
# Seconds between two looks at the memory, and for users that were killed to end.
MEMORY_SECONDS, KILL_SECONDS = 0.25, 5.0


class PoolError(ProbeRefusedError):
    """The users of the scenario cannot take iterations; the text says why."""


def shares_of(classes: Sequence[type[User]]) -> dict[type[User], float]:
    """The share of the iterations that each class of users gets: that of its weight.

    Raises:
        PoolError: a class has a fixed number of users, or none has a weight.
    """
    fixed = sorted(one.__name__ for one in classes if one.fixed_count)
    if fixed:
        raise PoolError(
            f"{', '.join(fixed)}: fixed_count sets a number of users, and has no meaning for a rate. Set weight, or "
            "use load.by: users"
        )
    total = sum(one.weight for one in classes)
    if not total:
        raise PoolError("no class of users has a weight above 0")
    return {one: one.weight / total for one in classes if one.weight}


class Pool:
    """Users of all classes of the scenario, by class, because each iteration is one of a class.

    Args:
        environment: Locust's.
        shares: the share of the iterations of each class, see `shares_of`.

    ``error`` says why no more users can be added; None where they can.
    """

    def __init__(self, environment: Any, shares: Mapping[type[User], float]) -> None:
        self._runner = environment.runner
        self._classes, self._weights = list(shares), list(shares.values())
        self._shares = shares
        # The one that was idle last is taken first, so that a small load keeps few connections busy.
        self._idle: dict[type, list[AsyncResult]] = {one: [] for one in shares}
        self._queue: dict[type, deque[Iteration]] = {one: deque() for one in shares}
        # User -> when it was started; as long as it has not asked for an iteration.
        self._starting: dict[type, dict[Any, float]] = {one: {} for one in shares}
        self._running: set[Iteration] = set()
        self._spare = dict.fromkeys(shares, 0)
        self._limit = 0
        self._wanted = Event()
        # Starts that failed since the last one that did not.
        self._failed_starts = 0
        # Monotonic seconds when the last probe was prepared, and whether that is still being done.
        self._prepared, self._is_preparing = 0.0, False
        self._start_seconds: float | None = None
        self._last_error: str | None = None
        self._memory = (0.0, True)
        self.error: str | None = None
        # Called with each iteration that has ended.
        self.listener: Callable[[Iteration], None] = lambda _: None
        environment.events.user_error.add_listener(self._on_user_error)
        environment.events.test_stopping.add_listener(self._on_stopping)
        gevent.spawn(self._grow)

    @property
    def in_progress(self) -> int:
        """Iterations that are due and have not ended: those of users, and those that wait for a user."""
        return len(self._running) + sum(map(len, self._queue.values()))

    @property
    def users(self) -> int:
        """The number of users."""
        return self._runner.user_count

    def draw(self, source: Random) -> type[User]:
        """The class of the next iteration, by weight."""
        return source.choices(self._classes, self._weights)[0]

    def prepare(self, rate: float, limit: int, expected: float, patience_seconds: float) -> None:
        """Before a probe: add users until enough are idle, and keep some spare ones from now on.

        Args:
            rate: iterations per second of this worker.
            limit: iterations that may be in progress. No class needs more users.
            expected: iterations that will be in progress, as far as is known.
            patience_seconds: for the on_start of all of them.

        Raises:
            PoolError: they are not ready then, or end before.
        """
        self._limit = limit
        self._failed_starts, self._prepared, self._is_preparing = 0, time.monotonic(), True
        spare_seconds = max(SPARE_SECONDS, 2 * (self._start_seconds or 0.0))
        deadline = time.monotonic() + patience_seconds
        for one, share in self._shares.items():
            few = SPARE_USERS + math.ceil(share * rate * spare_seconds) if rate else 0
            self._spare[one] = min(limit, few + math.ceil(share * expected))
        self._wanted.set()
        while self.error is None and self._missing():
            if time.monotonic() > deadline:
                why = "on_start takes too long" if self._has_memory() else NO_MEMORY
                raise PoolError(f"users were not ready after {patience_seconds:g} s: {why}")
            gevent.sleep(0.02)
            self._wanted.set()
        self._is_preparing = False
        if self.error is not None:
            raise PoolError(self.error)
        for one, share in self._shares.items():
            # From now on, only what arrivals in groups need: the expected ones get an iteration.
            self._spare[one] = min(limit, SPARE_USERS + math.ceil(share * rate * spare_seconds)) if rate else 0

    def offer(self, iteration: Iteration) -> bool:
        """Give an iteration that is due to an idle user, or to the next one; False if too many are in progress.

        It does not block.
        """
        if self.in_progress >= self._limit or (self.error is not None and not self._idle[iteration.user_class]):
            return False
        idle = self._idle[iteration.user_class]
        if idle:
            self._running.add(iteration)
            idle.pop().set(iteration)
        else:
            iteration.queue(time.monotonic())
            self._queue[iteration.user_class].append(iteration)
        if len(idle) < self._spare[iteration.user_class] or not idle:
            self._wanted.set()
        return True

    def take(self, user: Any) -> Iteration:
        """See `gate.Source`."""
        one = type(user)
        started = self._starting[one].pop(user, None)
        if started is not None:
            self._failed_starts, self._last_error = 0, None
            seconds = time.monotonic() - started
            self._start_seconds = seconds if self._start_seconds is None else (self._start_seconds + seconds) / 2
        if self._queue[one]:
            iteration = self._queue[one].popleft()
            iteration.leave_queue(time.monotonic())
            self._running.add(iteration)
            return iteration
        turn: AsyncResult = AsyncResult()
        self._idle[one].append(turn)
        try:
            return turn.get()
        except BaseException:
            if turn in self._idle[one]:
                self._idle[one].remove(turn)
            else:
                # The user was ended before it could begin: another one takes the iteration.
                self._running.discard(turn.value)
                turn.value.queue(time.monotonic())
                self._queue[one].appendleft(turn.value)
                self._wanted.set()
            raise

    def on_end(self, iteration: Iteration) -> None:
        """See `gate.Source`."""
        self._running.discard(iteration)
        self.listener(iteration)

    def clear(self) -> None:
        """After a probe: end the users whose iteration still runs, so that no load is left for the next probe."""
        for queue in self._queue.values():
            queue.clear()
        deadline = time.monotonic() + KILL_SECONDS
        while self._running and time.monotonic() < deadline:
            for iteration in list(self._running):
                if iteration.user is not None:
                    iteration.user.greenlet.kill(block=False)
            gevent.sleep(0.02)

    def _missing(self) -> int:
        return sum(max(0, self._spare[one] - len(self._idle[one])) for one in self._classes)

    def _grow(self) -> None:
        """Add users whenever they are missing. Not in `offer`, because a scenario's ``__init__`` may block."""
        while True:
            self._wanted.wait()
            self._wanted.clear()
            for one in self._classes:
                while self.error is None and (number := self._needed(one)):
                    self._start(one, min(number, TOGETHER))
                    gevent.sleep(0)

    def _needed(self, one: type) -> int:
        starting, idle = len(self._starting[one]), len(self._idle[one])
        missing = len(self._queue[one]) + self._spare[one] - idle - starting
        present = self._runner.user_classes_count.get(one.__name__, 0) if missing > 0 else 0
        number = min(missing, self._limit - present)
        if self._failed_starts >= MAX_FAILED_STARTS:
            return 0
        return number if number > 0 and self._has_memory() else 0

    def _start(self, one: type, number: int) -> None:
        now = time.monotonic()
        try:
            users = self._runner.spawn_users({one.__name__: number})
        except Exception as error:
            # Of the scenario's own __init__. Without users, no iteration of its class can start.
            self.error = f"a user of the class {one.__name__} could not be created: {text_of(error)}"
            return
        for user in users:
            self._starting[one][user] = now
            user.greenlet.link(lambda _, user=user: self._on_gone(user))

    def _on_gone(self, user: Any) -> None:
        """A user has ended, by itself or because of an exception. If it never took an iteration, its start failed."""
        started = self._starting[type(user)].pop(user, None)
        # One that was started in an earlier probe has met the load of that probe.
        if started is not None and started >= self._prepared:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS and self._is_preparing:
                cause = f": {self._last_error}" if self._last_error else " without an exception"
                self.error = f"users ended in on_start, before their first iteration{cause}"
        self._wanted.set()

    def _on_user_error(self, user_instance: Any, exception: BaseException, **_: Any) -> None:
        if isinstance(user_instance, User):
            self._last_error = text_of(exception)

    def _on_stopping(self, **_: Any) -> None:
        # Users that Locust ends now are not replaced.
        self.error = self.error or "Locust stops the users"

    def _has_memory(self) -> bool:
        looked, enough = self._memory
        if time.monotonic() - looked > MEMORY_SECONDS:
            enough = _available_memory_share() > MIN_MEMORY_SHARE
            self._memory = (time.monotonic(), enough)
        return enough


def _available_memory_share() -> float:
    """Of this machine; 1 where the kernel does not say it."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        values = {name: float(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return values["MemAvailable"] / values["MemTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        return 1.0
