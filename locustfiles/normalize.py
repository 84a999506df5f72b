"""Load scenario: sends the requests of predict.py to POST /normalize.

The API decodes and prepares a row there, but does not call the model.
It needs predict.py beside it.
"""

import random

from locust import task
from predict import PAYLOADS, ApiUser


class NormalizeUser(ApiUser):
    """Posts a random row and expects the number of its features."""

    @task
    def normalize(self) -> None:
        self.send("POST", "/normalize", b'"features"', random.choice(PAYLOADS))
