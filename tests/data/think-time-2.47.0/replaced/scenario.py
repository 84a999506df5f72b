from locust import FastHttpUser, HttpUser, TaskSet, constant, task


class Patient(FastHttpUser):
    wait_time = constant(60)

    @task
    def ask(self):
        self.client.get("/slow/0.05")


class Nested(HttpUser):
    wait_time = constant(60)

    @task
    class Visit(TaskSet):
        wait_time = constant(60)

        @task
        def ask(self):
            self.client.get("/slow/0.05")
