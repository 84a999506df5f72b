"""Load scenario: GET /empty, a constant: what the server costs without any work.

Needs predict.py beside it. Think time as there.
"""

from locust import task
from predict import ApiUser


class EmptyUser(ApiUser):
    """Asks for the constant."""

    @task
    def empty(self) -> None:
        self.ask("GET", "/empty", b'"empty"')
