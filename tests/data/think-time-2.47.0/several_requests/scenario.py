from locust import FastHttpUser, SequentialTaskSet, constant, task


class Visitor(FastHttpUser):
    wait_time = constant(0.2)

    @task
    def ask(self):
        for _ in range(3):
            self.client.get("/slow/0.05")

    @task
    class Visit(SequentialTaskSet):
        @task
        def first(self):
            self.client.get("/slow/0.05")
            # A wait of its own, within a task.
            self.wait()
            self.client.get("/slow/0.05")

        @task
        def last(self):
            self.client.get("/slow/0.05")
            self.interrupt()
