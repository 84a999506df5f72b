"""Load scenario for open-loop load: the request of empty.py to GET /empty, sent when it is due.

Needs open_loop.py loaded before it: that decides when.
"""

from collections.abc import Mapping

from open_loop import OpenLoopUser


class EmptyOpenUser(OpenLoopUser):
    """Asks for the constant."""

    method = "GET"
    path = "/empty"
    same_answers = True

    @staticmethod
    def check(status: int, headers: Mapping[bytes, bytes], body: bytes) -> str | None:
        """The same as empty.py asks of a single answer."""
        if status != 200:
            return f"status {status}"
        return None if b'"empty"' in body else 'no "empty" in the answer'
