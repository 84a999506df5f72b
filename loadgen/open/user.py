"""The base of a scenario of open-loop load: what is sent, and which answer is right."""

from collections.abc import Mapping, Sequence

from locust import User, constant, task


class OpenLoopUser(User):
    """What is sent, and which response is right. Set ``path``, ``payloads`` and ``expected`` in a subclass.

    Where that is not enough to know a right response, override `check`.
    """

    abstract = True
    # It has nothing to do in its own greenlet, which only keeps it alive for Locust.
    wait_time = constant(0.5)

    method = "POST"
    path = "/"
    # In Locust's statistics; the path where it is empty.
    name = ""
    headers: Mapping[str, str] = {"Content-Type": "application/json"}
    # Bodies, of which each request takes a random one; None sends none.
    payloads: Sequence[bytes | None] = (None,)
    # Whether the same body must get the same answer, whichever replica gives it and however busy it is: an API that
    # mixes up requests under load is fast and wrong. Compared within a worker, over all its probes.
    same_answers = False

    # What the body of a right response holds; empty where the status is enough.
    expected = b""

    @classmethod
    def check(cls, status: int, headers: Mapping[bytes, bytes], body: bytes) -> str | None:
        """None when the response is right, else why not, in words that are the same for all such responses.

        An override may be a static method, and must not block: all requests of the worker wait for it.
        """
        if status != 200:
            return f"status {status}"
        return None if cls.expected in body else f"no {cls.expected.decode(errors='replace')} in the answer"

    def on_start(self) -> None:
        """Look the target up, encode every request, and stand by."""
        self.environment.open_loop.stand_by(self)

    def on_stop(self) -> None:
        """End a probe that runs."""
        self.environment.open_loop.leave(self)

    @task
    def stay(self) -> None:
        """The load is not made here."""
