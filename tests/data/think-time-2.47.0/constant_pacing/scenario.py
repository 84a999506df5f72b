from locust import HttpUser, constant_pacing, task


class Visitor(HttpUser):
    wait_time = constant_pacing(0.5)

    @task
    def ask(self):
        self.client.get("/slow/0.1")
