"""A locustfile as people bring it: own think time, own exit code, own timings, and a redirect within the API."""

import random

from locust import HttpUser, between, events, task


@events.quitting.add_listener
def exit_with_an_own_code(environment, **_):
    environment.process_exit_code = 1


class Visitor(HttpUser):
    wait_time = between(0.01, 0.03)

    @task(40)
    def predict(self):
        with self.client.get("/predict", name=f"predict {random.choice('ab')}", catch_response=True) as response:
            if response.elapsed.total_seconds() > 5:
                response.failure("Request took too long")

    @task(1)
    def predict_at_the_old_address(self):
        self.client.get("/old")
        events.request.fire(
            request_type="OWN", name="parse", response_time=1, response_length=0, exception=None, context={}
        )
