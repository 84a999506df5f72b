from locust import FastHttpUser, constant_throughput, task


class Visitor(FastHttpUser):
    wait_time = constant_throughput(2)

    @task
    def ask(self):
        self.client.get("/slow/0.1")
