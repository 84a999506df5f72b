"""Load scenario for open-loop load: the request of empty.py to GET /empty, sent when it is due.

Needs open_loop.py loaded before it: that decides when.
"""

from open_loop import OpenLoopUser


class EmptyOpenUser(OpenLoopUser):
    """Asks for the constant."""

    method = "GET"
    path = "/empty"
    same_answers = True
    expected = b'"empty"'
