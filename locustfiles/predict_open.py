"""Load scenario for open-loop load: the requests of predict.py to POST /predict, sent when they are due.

Needs predict.py beside it, and open_loop.py loaded before it: that decides when.
"""

from collections.abc import Mapping

from open_loop import OpenLoopUser
from predict import PAYLOADS


class PredictOpenUser(OpenLoopUser):
    """Posts random rows and wants a prediction for each."""

    path = "/predict"
    payloads = PAYLOADS
    same_answers = True

    @staticmethod
    def check(status: int, headers: Mapping[bytes, bytes], body: bytes) -> str | None:
        """The same as predict.py asks of a single answer."""
        if status != 200:
            return f"status {status}"
        return None if b'"predictions"' in body else 'no "predictions" in the answer'
