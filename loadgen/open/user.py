"""The base of a scenario of open-loop load: the requests, and the right response."""

from collections.abc import Mapping, Sequence
from typing import Any

from locust import User, constant, task

from loadgen.open.one_by_one import OneByOne


class OpenLoopUser(User):
    """The requests, and the right response. Set ``path``, ``payloads`` and ``expected`` in a subclass.

    If these are not enough to recognise a right response, override `check`.
    """

    abstract = True
    # Its own greenlet has no work, and only keeps the user alive for Locust.
    wait_time = constant(0.5)

    method = "POST"
    path = "/"
    # The name in Locust's statistics; the path if it is empty.
    name = ""
    headers: Mapping[str, str] = {"Content-Type": "application/json"}
    # Bodies, of which each request gets a random one; None sends no body.
    payloads: Sequence[bytes | None] = (None,)
    # Whether the same body must get the same response from every replica, under any load. An API that mixes up requests
    # under load is fast and wrong. Compared within a worker, over all its probes.
    same_answers = False

    # The text that the body of a right response contains; empty if the status is enough.
    expected = b""

    @classmethod
    def check(cls, status: int, headers: Mapping[bytes, bytes], body: bytes) -> str | None:
        """None when the response is right, else the reason, in the same words for all such responses.

        An override may be a static method, and must not block: all requests of the worker wait for it.
        """
        if status != 200:
            return f"status {status}"
        return None if cls.expected in body else f"no {cls.expected.decode(errors='replace')} in the response"

    # Set in a check alone, which makes no load.
    _one_by_one: OneByOne | None = None

    def on_start(self) -> None:
        """Look up the target, encode every request, and report as ready."""
        generator = self._generator()
        if generator is None:
            self._one_by_one = OneByOne(self)
        else:
            generator.stand_by(self)

    def on_stop(self) -> None:
        """End a running probe."""
        if (generator := self._generator()) is not None:
            generator.leave(self)

    @task
    def stay(self) -> None:
        """Do nothing: the load is made elsewhere. In a check, send one request."""
        if self._one_by_one is not None:
            self._one_by_one.send()

    def _generator(self) -> Any:
        """What makes the load of this process; None in a check (see generator.py)."""
        return getattr(self.environment, "open_loop", None)
