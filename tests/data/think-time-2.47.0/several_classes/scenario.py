from locust import FastHttpUser, HttpUser, constant, task


class Fast(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def ask(self):
        self.client.get("/slow/0.05")


class Slow(HttpUser):
    wait_time = constant(0.5)

    @task
    def ask(self):
        self.client.get("/slow/0.05")
