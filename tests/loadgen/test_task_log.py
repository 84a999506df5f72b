"""Executions of tasks in real Locust processes: which of them failed, and why."""

import pytest

from loadgen.shared.request_record import kind_name
from swarmsweep.raw.tasks import ended_in_on_start
from tests.loadgen.users_run import LOCUST, PLAIN, base_user, run_users

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")
FAILED_REQUEST = 0.0
OK = 1.0

# Each class is one user; all of them run side by side.
CONTROL_FLOW = """
from locust import HttpUser, SequentialTaskSet, TaskSet, constant, task
from locust.exception import RescheduleTask, RescheduleTaskImmediately, StopUser

class Stops(Base):
    @task
    def ask(self):
        self.client.get("/ok")
        raise StopUser()

class Reschedules(Base):
    @task
    def ask(self):
        self.client.get("/ok")
        raise RescheduleTask()

class ReschedulesNow(Base):
    @task
    def ask(self):
        self.client.get("/slow/0.05")
        raise RescheduleTaskImmediately()

class Interrupts(HttpUser):
    fixed_count = 1
    wait_time = constant(0.05)

    @task
    class Inner(SequentialTaskSet):
        @task
        def first(self):
            self.client.get("/ok")

        @task
        def second(self):
            self.client.get("/ok")
            self.interrupt()
"""

FAULTS = """
import gevent
from locust import HttpUser, TaskSet, constant, task

class ReadsAKey(Base):
    @task
    def ask(self):
        self.client.get("/ok").json()["prediction"]

class RaisesInABlock(HttpUser):
    fixed_count = 1
    wait_time = constant(0.05)

    @task
    def ask(self):
        with self.client.get("/ok", catch_response=True) as response:
            assert response.json()["fine"] == 2, "not two"

class NeverEnters(Base):
    @task
    def ask(self):
        self.client.get("/ok", catch_response=True)

class NestedCannotBegin(Base):
    @task
    class Inner(TaskSet):
        def on_start(self):
            raise LookupError("no such set")

        @task
        def never(self):
            self.client.get("/ok")

class SaysTooMuch(Base):
    @task
    def ask(self):
        self.client.get("/ok")
        raise ValueError("much " + "x" * 4_000_000)

class RunsASetByHand(Base):
    @task
    def ask(self):
        Inner(self).run()

class Inner(TaskSet):
    @task
    def inside(self):
        self.client.get("/ok")
        self.interrupt()

class WrongUrl(HttpUser):
    fixed_count = 1
    wait_time = constant(0.05)

    @task
    def ask(self):
        self.client.base_url = "nowhere"
        self.client.get("/ok")
"""

FAILED_REQUESTS = """
import gevent
from locust import HttpUser, constant, task

class OneOfTwo(Base):
    @task
    def ask(self):
        self.client.get("/status/503")
        self.client.get("/ok")

class Judged(Base):
    @task
    def ask(self):
        with self.client.get("/ok", catch_response=True) as response:
            response.failure("too slow")

class SideBySide(HttpUser):
    fixed_count = 1
    wait_time = constant(0.05)

    @task
    def ask(self):
        gevent.joinall([gevent.spawn(self.client.get, "/ok"), gevent.spawn(self.client.get, "/status/500")])

class FiresItself(Base):
    @task
    def ask(self):
        self.environment.events.request.fire(
            request_type="X", name="x", response_time=1.0, response_length=0, exception=OSError("gone"), context={}
        )
"""

NO_START = """
from locust import HttpUser, constant, task

class NeedsALogin(HttpUser):
    wait_time = constant(0.05)
    fixed_count = 2

    def on_start(self):
        self.token = self.client.get("/status/503").json()["token"]

    @task
    def ask(self):
        self.client.get("/ok")

class Plain(HttpUser):
    wait_time = constant(0.05)
    fixed_count = 1

    @task
    def ask(self):
        self.client.get("/ok")
"""


def test_control_flow_is_no_failure(tmp_path):
    found = run_users(tmp_path, base_user() + PLAIN + CONTROL_FLOW, users=5)
    assert {outcome for _, _, outcome in found.inside(found.tasks)} == {OK}
    assert found.worker["exceptions"] == []
    # One request each: every leaf of a task set counts, the set itself does not.
    assert len(found.tasks) == len(found.requests) >= found.asked
    assert len(found.requests) == found.counted + found.worker["unreported"]
    assert found.worker["tasks"] == len(found.tasks)
    starts = [start for start, _, _ in found.tasks]
    assert min(starts) >= found.timeline["spawn_started"] - 1
    assert max(ms for _, ms, _ in found.tasks) >= 50


def test_what_raises_fails_and_says_so(tmp_path):
    found = run_users(tmp_path, base_user() + FAULTS, users=7)
    raised = found.raised()
    (long,) = [text for text in raised if text.startswith("ValueError: much xxx")]
    assert len(long) == 300
    assert set(raised) - {long} == {
        "KeyError: 'prediction'",
        "AssertionError: not two",
        "LookupError: no such set",
        "MissingSchema: Invalid URL 'nowhere/ok': No scheme supplied. Perhaps you meant https://nowhere/ok?",
    }
    # A text is kept once, however often it was raised.
    assert sorted(found.worker["exceptions"]) == sorted(raised)
    assert OK in {outcome for _, _, outcome in found.tasks}
    # Locust reports no request of the blocks that raised or were never entered; they are recorded all the same.
    assert found.worker["unreported"] > raised["AssertionError: not two"]
    assert len(found.requests) == found.counted + found.worker["unreported"] >= found.asked
    assert {outcome for _, _, outcome in found.inside(found.requests)} == {OK}


def test_a_failed_request_fails_its_task(tmp_path):
    found = run_users(tmp_path, base_user() + FAILED_REQUESTS, users=4)
    tasks = found.inside(found.tasks)
    assert {outcome for _, _, outcome in tasks} == {FAILED_REQUEST}
    assert found.worker["exceptions"] == []
    # A task fails once, whatever fails in it; at the edges of the window, a request may begin on the other side.
    failed = sum(outcome >= 10 for _, _, outcome in found.inside(found.requests + found.own))
    assert abs(failed - len(tasks)) <= 4
    assert sum(found.worker["errors"].values()) == sum(outcome >= 10 for _, _, outcome in found.requests + found.own)
    kinds = {kind_name(outcome) for _, _, outcome in found.requests + found.own if outcome >= 10}
    assert kinds == {"status_503", "status_500", "failed_by_scenario", "other_exception"}


def test_users_whose_start_raises_are_counted_and_missed(tmp_path):
    found = run_users(tmp_path, NO_START, users=3, measure_seconds=2.5)
    ((text, count),) = found.worker["on_start"].items()
    # The probe has one of the two. Locust starts it again after the probe.
    assert (text, count) == ("KeyError: 'token'", 3)
    remaining = [users for _, users in found.worker["users"]][-1]
    assert remaining == 1
    assert ended_in_on_start(3, found.worker["on_start"], remaining) == 2
    assert {outcome for _, _, outcome in found.inside(found.tasks)} == {OK}


# The wait after a task fails, and so does the choice of a task.
BETWEEN = """
from locust import FastHttpUser, constant, task

class Waiting(FastHttpUser):
    fixed_count = 1

    def wait_time(self):
        return 1 / 0

    @task
    def visit(self):
        self.client.get("/ok")

def choose(task_set):
    raise LookupError("no task is left")

class Choosing(FastHttpUser):
    fixed_count = 1
    wait_time = constant(0.2)

    @task
    def visit(self):
        self.client.get("/ok")
        self._taskset_instance.get_next_task = lambda: choose(self)
        raise KeyError("label")
"""


def test_an_exception_between_two_tasks_is_recorded_once(tmp_path):
    found = run_users(tmp_path, BETWEEN)
    raised = found.raised()
    assert raised.pop("LookupError: no task is left") >= 1
    # At each step of its ramp, Locust starts a user again that has ended.
    assert raised.pop("ZeroDivisionError: division by zero") >= 1
    assert raised == {"KeyError: 'label'": 1}
