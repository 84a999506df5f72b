"""A locustfile for the containers of Docker Compose, without a package besides Locust."""

from locust import HttpUser, constant, task


class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def predict(self):
        self.client.get("/predict")
