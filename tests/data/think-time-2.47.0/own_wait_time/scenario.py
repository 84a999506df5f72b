from locust import FastHttpUser, between, task


class Visitor(FastHttpUser):
    wait_time = between(0.1, 0.3)

    @task
    def ask(self):
        self.client.get("/slow/0.05")
