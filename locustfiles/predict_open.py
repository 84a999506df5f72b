"""Load scenario for open-loop load: the requests of predict.py to POST /predict, sent when they are due.

It needs predict.py beside it, and open_loop.py loaded before it, which decides when a request is due.
"""

from open_loop import OpenLoopUser
from predict import PAYLOADS, SAME_ANSWERS


class PredictOpenUser(OpenLoopUser):
    """Posts random rows and expects a prediction for each."""

    path = "/predict"
    payloads = PAYLOADS
    same_answers = SAME_ANSWERS
    expected = b'"predictions"'
