"""One iteration: a task of a scenario, with all of its requests, that starts when it is due."""

from typing import Any


class Iteration:
    """All times are seconds of `time.monotonic`.

    ``user_class`` is the class of users that was drawn for it. ``start`` is None until a user takes it.
    ``queued``: since when it waits for a user, because none was idle; None if one was. ``waited_seconds``: how long
    that took. ``error`` is the exception that ended it, None for one that ended well or has not ended. ``has_request``
    says whether a request of it has begun, and ``has_failed_request`` whether one has failed.
    """

    __slots__ = (
        *("due", "error", "has_failed_request", "has_request", "queued", "start", "user", "user_class"),
        "waited_seconds",
    )

    def __init__(self, due: float, user_class: type) -> None:
        self.due = due
        self.user_class = user_class
        self.start: float | None = None
        self.queued: float | None = None
        self.waited_seconds = 0.0
        self.user: Any = None
        self.error: BaseException | None = None
        self.has_request = self.has_failed_request = False

    def queue(self, moment: float) -> None:
        """It waits for a user from now on."""
        self.queued = moment

    def leave_queue(self, moment: float) -> None:
        """A user takes it."""
        if self.queued is not None:
            self.waited_seconds += moment - self.queued
            self.queued = None

    def lag_seconds(self, moment: float) -> float:
        """How much later than due something of it began, without the wait for a user, which may still log in."""
        return max(0.0, moment - self.due - self.waited_seconds)
