"""A locustfile as people bring it.

It has an own think time, exit code and timings. It reads a file beside it, a token from the environment, and imports a
package. One of its requests is redirected within the API.
"""

import os
import random
from pathlib import Path

import humanize
from locust import HttpUser, between, events, task

NAMES = (Path(__file__).parent / "e2e_rows/names.txt").read_text().split()


@events.quitting.add_listener
def exit_with_an_own_code(environment, **_):
    environment.process_exit_code = 1


class Visitor(HttpUser):
    wait_time = between(0.01, 0.03)

    def on_start(self):
        self.client.headers["Authorization"] = f"Bearer {os.environ['API_TOKEN']}"

    @task(40)
    def predict(self):
        with self.client.get("/predict", name=f"predict {random.choice(NAMES)}", catch_response=True) as response:
            if response.elapsed.total_seconds() > 5:
                response.failure(f"Request took {humanize.precisedelta(response.elapsed)}")

    @task(1)
    def predict_at_the_old_address(self):
        self.client.get("/old")
        events.request.fire(
            request_type="OWN", name="parse", response_time=1, response_length=0, exception=None, context={}
        )
