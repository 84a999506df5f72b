"""The probe of one user: the ramp starts a single user and waits, so that its latency without load is recorded.

With several classes of users, one user of each class has its turn, the class with most users first. The worker that has
the user reports when it has enough requests. The master ends the probe after the last turn, or after
`UNLOADED_SECONDS`, and the ramp goes on. Messages to a worker arrive in their order, so a worker ends its part before
it starts another user. A class whose turn did not come has no requests in the probe.
"""

import time
from itertools import chain
from typing import Any

from gevent.event import Event
from locust.runners import STATE_STOPPED, STATE_STOPPING

from loadgen.closed.probe_turns import ENOUGH, OVER, TURN, Turn, turns_of
from loadgen.shared.request_record import UNLOADED_SECONDS

# Longest pause between looks at whether the test has ended.
LOOK_SECONDS = 0.25


class UnloadedProbe:
    """Lets the ramp wait after its first users. Create it when Locust initialises, on the master or alone.

    ``start_seconds`` and ``end_seconds`` are epoch seconds; None where the probe did not begin or end.
    """

    def __init__(self, environment: Any) -> None:
        self.start_seconds: float | None = None
        self.end_seconds: float | None = None
        self._turns: list[Turn] = []
        # Monotonic seconds.
        self._end = 0.0
        self._enough = Event()
        self._runner = environment.runner
        self._runner.register_message(ENOUGH, self._on_enough)
        environment.dispatcher_class = _one_user_first(environment.dispatcher_class, self)

    def begin(self, turns: list[Turn]) -> None:
        """Announce the first turn. Its user is started next."""
        self.start_seconds = time.time()
        self._end = time.monotonic() + UNLOADED_SECONDS
        self._turns = turns
        self._announce()

    def hold(self) -> bool:
        """Wait for the end of this turn, and announce the next one; return whether there is one, with time for it."""
        while self._turns and self._left_seconds > 0 and not self._enough.is_set():
            if self.has_stopped:
                return False
            self._enough.wait(min(self._left_seconds, LOOK_SECONDS))
        self._turns = self._turns[1:]
        if self._turns and self._left_seconds > 0:
            self._announce()
            return True
        self.end_seconds = time.time()
        self._runner.send_message(OVER, {})
        return False

    @property
    def _left_seconds(self) -> float:
        return max(0.0, self._end - time.monotonic())

    @property
    def has_stopped(self) -> bool:
        """Whether the test ends, so that no further user may be started."""
        return self._runner.state in (STATE_STOPPING, STATE_STOPPED)

    def _announce(self) -> None:
        """A turn has the share of the remaining time that it has of the remaining requests."""
        if not self._turns:
            return
        turn = self._turns[0]
        turn = turn._replace(seconds=self._left_seconds * turn.requests / sum(later.requests for later in self._turns))
        self._turns[0] = turn
        self._enough.clear()
        self._runner.send_message(TURN, turn._asdict())

    def _on_enough(self, msg: Any, **_: Any) -> None:
        if self._turns and msg.data["user_class"] == self._turns[0].user_class:
            self._enough.set()


def _one_user_first(dispatcher: type, probe: UnloadedProbe) -> type:
    """A dispatcher of Locust whose first ramp starts the users of the probe one by one, and then the others."""

    class OneUserFirst(dispatcher):
        _ramp: tuple[Any, ...] | None = None
        _is_first = True
        _started = 0

        def new_dispatch(self, target_user_count: int, spawn_rate: float, user_classes: Any = None) -> None:
            # Locust begins another ramp when a worker was lost or came later.
            if not self._is_first:
                super().new_dispatch(target_user_count, spawn_rate, user_classes)
                return
            self._is_first = False
            self._ramp = (target_user_count, spawn_rate, user_classes)
            self._started = min(1, target_user_count)
            super().new_dispatch(self._started, spawn_rate, user_classes)
            probe.begin(self._put_first(target_user_count))

        def _put_first(self, target_user_count: int) -> list[Turn]:
            """The same users as without the probe, in another order: those of the turns come first."""
            _, further, _, users = self._distribute_users(target_user_count)
            names = [name for _, name in users]
            turns = turns_of(names)
            for turn in turns:
                names.remove(turn.user_class)
            self._user_generator = chain([turn.user_class for turn in turns], names, further)
            return turns

        def __next__(self) -> Any:
            try:
                return super().__next__()
            except StopIteration:
                if self._ramp is None:
                    raise
                if probe.hold():
                    self._started += 1
                    super().new_dispatch(self._started, *self._ramp[1:])
                    return super().__next__()
                ramp, self._ramp = self._ramp, None
                if probe.has_stopped:
                    raise
                super().new_dispatch(*ramp)
                return super().__next__()

    return OneUserFirst
