"""Load scenario for open-loop load: the requests of normalize.py to POST /normalize, sent when they are due.

Needs predict.py beside it, and open_loop.py loaded before it: that decides when.
"""

from open_loop import OpenLoopUser
from predict import PAYLOADS


class NormalizeOpenUser(OpenLoopUser):
    """Posts random rows and wants to know how many features came of each."""

    path = "/normalize"
    payloads = PAYLOADS
    same_answers = True
    expected = b'"features"'
