import gevent
from locust import FastHttpUser, constant, task


class Visitor(FastHttpUser):
    wait_time = constant(0.1)

    @task
    def ask(self):
        self.client.get("/slow/0.05")
        gevent.sleep(0.3)
