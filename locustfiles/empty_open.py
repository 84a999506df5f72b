"""Load scenario for open-loop load: the request of empty.py to GET /empty, sent when it is due.

It needs open_loop.py loaded before it, which decides when a request is due.
"""

from open_loop import OpenLoopUser


class EmptyOpenUser(OpenLoopUser):
    """Requests the constant."""

    method = "GET"
    path = "/empty"
    same_answers = True
    expected = b'"empty"'
