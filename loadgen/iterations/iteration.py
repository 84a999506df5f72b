"""One iteration: a task of a scenario, with all of its requests, that starts when it is due."""

from typing import Any


class Iteration:
    """All times are seconds of `time.monotonic`.

    ``user_class`` is the class of users that was drawn for it. ``start`` is None until a user takes it. ``error`` is
    the exception that ended it, None for one that ended well or has not ended. ``has_request`` says whether a request
    of it has begun, and ``has_failed_request`` whether one has failed.
    """

    __slots__ = ("due", "error", "has_failed_request", "has_request", "start", "user", "user_class")

    def __init__(self, due: float, user_class: type) -> None:
        self.due = due
        self.user_class = user_class
        self.start: float | None = None
        self.user: Any = None
        self.error: BaseException | None = None
        self.has_request = self.has_failed_request = False
