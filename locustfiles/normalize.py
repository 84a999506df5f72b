"""Load scenario: the requests of predict.py to POST /normalize, which decodes and prepares a row, but asks no model.

Needs predict.py beside it. Think time as there.
"""

import random

from locust import task
from predict import PAYLOADS, ApiUser


class NormalizeUser(ApiUser):
    """Posts a random row and wants to know how many features came of it."""

    @task
    def normalize(self) -> None:
        self.ask("POST", "/normalize", b'"features"', random.choice(PAYLOADS))
