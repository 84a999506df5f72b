"""No slow response is lost: real Locust processes whose server takes longer than the measured window."""

import pytest

from tests.locustfiles.users_run import LOCUST, run_users

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")
OK, NO_RESPONSE = 1.0, 2.0

SLOW = """
import itertools
from locust import FastHttpUser, HttpUser, constant, task

class Visitor({client}):
    wait_time = constant(0.1)
    number = itertools.count()
    {settings}

    @task
    def ask(self):
        slow = next(self.number) % 5 == 4
        self.client.get("{path}" if slow else "/ok", name="/predict")
"""


def scenario(client: str, path: str, settings: str = "") -> str:
    return SLOW.format(client=client, path=path, settings=settings)


@pytest.mark.parametrize("client", ["HttpUser", "FastHttpUser"])
def test_a_response_that_is_slower_than_the_window_is_waited_for(tmp_path, client):
    found = run_users(tmp_path, scenario(client, "/slow/3"), users=4)
    slow = [row for row in found.inside(found.requests) if row[1] >= 3000]
    assert len(slow) >= 2
    assert {outcome for _, _, outcome in found.inside(found.requests)} == {OK}
    assert len(found.requests) == found.counted + found.worker["unreported"] >= found.asked


@pytest.mark.parametrize(
    ("client", "settings"),
    [
        ("HttpUser", ""),
        # Its own timeouts make the drain longer than ordered, 3 s; each byte that drips in begins the second anew.
        ("FastHttpUser", "connection_timeout, network_timeout = 2.0, 1.0"),
    ],
)
def test_a_request_without_a_response_counts_with_the_time_that_it_waited(tmp_path, client, settings):
    found = run_users(tmp_path, scenario(client, "/drip/60", settings), users=4, drain_seconds=2.0)
    waiting = [row for row in found.requests if row[2] == NO_RESPONSE]
    assert len(waiting) == 4
    least, most = (3.0, 15.0) if settings else (2.0, 15.0)
    left = found.timeline["window_end"]
    assert all(left + least - 0.1 <= begun + ms / 1000 <= left + most for begun, ms, _ in waiting)
    # Locust knows nothing of them, the server does.
    assert found.worker["unreported"] == 4
    assert len(found.requests) == found.counted + 4 == found.asked
    # The tasks that they belong to failed with them.
    assert sum(outcome == 0.0 for _, _, outcome in found.tasks) == 4
    assert sum(found.worker["errors"].values()) == 0


ENDLESS = """
from locust import HttpUser, constant, events, task

@events.test_start.add_listener
def be_short(**_):
    import drain
    drain.LEAVE_SECONDS = 0.5

class Loops(HttpUser):
    wait_time = constant(0)

    @task
    def ask(self):
        while True:
            self.client.get("/slow/{seconds}")
"""


def test_a_task_without_an_end_is_ended_once_its_window_has_all_responses(tmp_path):
    found = run_users(tmp_path, ENDLESS.format(seconds=1.2))
    # Far before the 30 s that a drain may last.
    assert found.timeline["stopped"] - found.timeline["window_end"] < 15
    assert {outcome for _, _, outcome in found.inside(found.requests)} == {OK}
    assert sum(outcome == NO_RESPONSE for _, _, outcome in found.requests) == 2
    assert len(found.requests) == found.asked


OTHER_CLIENT = """
import gevent
from locust import User, constant, task

class Silent(User):
    wait_time = constant(0.05)
    count = 0

    @task
    def ask(self):
        self.count += 1
        gevent.sleep(60 if self.count == 3 else 0.01)
        self.environment.events.request.fire(
            request_type="X", name="x", response_time=10.0, response_length=0, exception=None, context={}
        )
"""


def test_of_another_client_the_tasks_in_flight_count(tmp_path):
    found = run_users(tmp_path, OTHER_CLIENT, drain_seconds=1.0)
    waiting = [row for row in found.inside(found.requests) if row[2] == NO_RESPONSE]
    assert len(waiting) == 2
    assert all(ms >= 1000 for _, ms, _ in waiting)
    assert len(found.requests) == found.counted + 2
