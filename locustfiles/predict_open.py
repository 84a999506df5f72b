"""Load scenario for open-loop load: the requests of predict.py to POST /predict, sent when they are due.

Needs predict.py beside it, and open_loop.py loaded before it: that decides when.
"""

from open_loop import OpenLoopUser
from predict import PAYLOADS


class PredictOpenUser(OpenLoopUser):
    """Posts random rows and wants a prediction for each."""

    path = "/predict"
    payloads = PAYLOADS
    same_answers = True
    expected = b'"predictions"'
