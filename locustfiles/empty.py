"""Load scenario: GET /empty returns a constant. It shows what the server costs without any work.

It needs predict.py beside it.
"""

from locust import task
from predict import ApiUser


class EmptyUser(ApiUser):
    """Requests the constant."""

    @task
    def empty(self) -> None:
        self.send("GET", "/empty", b'"empty"')
