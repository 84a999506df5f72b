"""Load scenario for open-loop load: the requests of normalize.py to POST /normalize, sent when they are due.

It needs predict.py beside it, and open_loop.py loaded before it, which decides when a request is due.
"""

from open_loop import OpenLoopUser
from predict import PAYLOADS, SAME_ANSWERS


class NormalizeOpenUser(OpenLoopUser):
    """Posts random rows and expects the number of features of each."""

    path = "/normalize"
    payloads = PAYLOADS
    same_answers = SAME_ANSWERS
    expected = b'"features"'
