"""No slow response is lost: real Locust processes whose server takes longer than the measured window."""

import pytest

from tests.loadgen.users_run import LOCUST, run_users

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")
OK, NO_RESPONSE, UNFINISHED = 1.0, 2.0, 2.0

SLOW = """
from locust import FastHttpUser, HttpUser, constant, task

class Visitor({client}):
    wait_time = constant(0.1)
    count = 0
    {settings}

    @task
    def ask(self):
        # One slow response for each user, early in the window: the probe of one user is over when there are several.
        self.count += self.environment.runner.user_count > 1
        self.client.get("{path}" if self.count == 3 else "/ok", name="/predict")
"""


def scenario(client: str, path: str, settings: str = "") -> str:
    return SLOW.format(client=client, path=path, settings=settings)


@pytest.mark.parametrize("client", ["HttpUser", "FastHttpUser"])
def test_a_response_that_is_slower_than_the_window_is_waited_for(tmp_path, client):
    found = run_users(tmp_path, scenario(client, "/slow/3"), users=4, measure_seconds=2.0)
    assert len([row for row in found.inside(found.requests) if row[1] >= 3000]) == 4
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
    found = run_users(tmp_path, scenario(client, "/drip/60", settings), 4, 2.0, drain_seconds=2.0)
    waiting = [row for row in found.requests if row[2] == NO_RESPONSE]
    assert len(waiting) == 4
    least, most = (3.0, 15.0) if settings else (2.0, 15.0)
    left = found.timeline["window_end"]
    assert all(left + least - 0.1 <= begun + ms / 1000 <= left + most for begun, ms, _ in waiting)
    # Locust does not count them, but the server does.
    assert found.worker["unreported"] == 4
    assert len(found.requests) == found.counted + 4 == found.asked
    # The tasks that they belong to failed with them.
    assert sum(outcome == 0.0 for _, _, outcome in found.tasks) == 4
    assert sum(found.worker["errors"].values()) == 0


ENDLESS = """
from locust import HttpUser, constant, events, task

@events.test_start.add_listener
def be_short(**_):
    from loadgen.closed import drain
    drain.LEAVE_SECONDS = 0.5

class Loops(HttpUser):
    wait_time = constant(0)

    @task
    def ask(self):
        while True:
            self.client.get("/slow/{seconds}")
"""


def test_a_task_without_an_end_is_ended_once_its_window_has_all_responses(tmp_path):
    found = run_users(tmp_path, ENDLESS.format(seconds=1.2), drain_seconds=100)
    # Far before the end of the drain, on the busiest machine too.
    assert found.timeline["stopped"] - found.timeline["window_end"] < 60
    assert {outcome for _, _, outcome in found.inside(found.requests)} == {OK}
    assert sum(outcome == NO_RESPONSE for _, _, outcome in found.requests) == 2
    # Cut off by the lab, not failed: the requests without a response began after the window.
    assert [outcome for _, _, outcome in found.tasks] == [UNFINISHED, UNFINISHED]
    assert len(found.requests) == found.asked


OTHER_CLIENT = """
import gevent
from locust import User, constant, task

class Silent(User):
    wait_time = constant(0.05)
    count = 0

    @task
    def ask(self):
        self.count += self.environment.runner.user_count > 1
        gevent.sleep(60 if self.count == 3 else 0.01)
        self.environment.events.request.fire(
            request_type="X", name="x", response_time=10.0, response_length=0, exception=None, context={}
        )
"""


# Sessions that a scenario makes itself. Requests of the second are its own affair; the others are counted once.
OWN_SESSIONS = """
import gevent
from locust import FastHttpUser, User, constant, events, task
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.event import EventHook

@events.test_start.add_listener
def be_short(environment, **_):
    # A client without a limit asks for the whole bound.
    assert environment.stop_timeout == 300
    environment.stop_timeout = 1.0

class Holds(User):
    fixed_count = 1
    wait_time = constant(0.05)

    def on_start(self):
        events = self.environment.events
        self.client = FastHttpSession(self.host, events.request, self)
        self.hidden = [HttpSession(self.host, EventHook(), None), FastHttpSession(self.host, EventHook(), None)]
        self.count = self.seen = 0

    @task
    def ask(self):
        for session in self.hidden:
            assert session.get("/ok").status_code == 200
        # In the probe of one user, the other user waits while this one has its turn.
        self.count += Boundless.asked > self.seen
        self.seen = Boundless.asked
        self.client.get("/slow/60" if self.count == 3 else "/ok")

class Boundless(FastHttpUser):
    fixed_count = 1
    asked = 0
    network_timeout = None
    wait_time = constant(0.05)

    @task
    def ask(self):
        self.client.get("/ok")
        Boundless.asked += 1
"""


def test_sessions_of_a_scenario_s_own_are_counted_once_or_not_at_all(tmp_path):
    found = run_users(tmp_path, OWN_SESSIONS, drain_seconds=1.0)
    waiting = [row for row in found.inside(found.requests) if row[2] == NO_RESPONSE]
    assert len(waiting) == 1
    assert found.worker["exceptions"] == []
    assert len(found.requests) == found.counted + found.worker["unreported"]


BACKGROUND = """
import gevent
from locust import HttpUser, constant, task

class Leaves(HttpUser):
    wait_time = constant(0.3)

    @task
    def ask(self):
        gevent.spawn(self.client.get, "/slow/3", name="/slow")
"""


def test_requests_that_users_left_to_the_background_are_waited_for(tmp_path):
    found = run_users(tmp_path, BACKGROUND)
    rows = found.inside(found.requests)
    assert len(rows) >= 4
    assert {outcome for _, _, outcome in rows} == {OK}
    assert min(ms for _, ms, _ in rows) >= 3000


def test_of_another_client_the_tasks_in_flight_count(tmp_path):
    found = run_users(tmp_path, OTHER_CLIENT, drain_seconds=1.0)
    waiting = [row for row in found.inside(found.events) if row[2] == NO_RESPONSE]
    assert len(waiting) == 2
    assert all(ms >= 1000 for _, ms, _ in waiting)
    assert found.requests == found.own == []
    assert len(found.events) == found.counted + 2 == found.worker["own_timings"]
