"""Load scenario for open-loop load: the request of empty.py to GET /empty, sent when it is due.

It needs predict.py beside it, and open_loop.py loaded before it, which decides when a request is due.
"""

from open_loop import OpenLoopUser
from predict import SAME_ANSWERS


class EmptyOpenUser(OpenLoopUser):
    """Requests the constant."""

    method = "GET"
    path = "/empty"
    same_answers = SAME_ANSWERS
    expected = b'"empty"'
