"""What a scenario does is counted by kind: requests, redirects, retries, other clients, timings of its own."""

import time
from http.server import BaseHTTPRequestHandler

import pytest

from loadgen.shared.request_record import NO_RESPONSE, OK, kind_name
from swarmsweep.judge.checks.counts import some_requests
from swarmsweep.judge.evidence import Evidence
from swarmsweep.judge.flows import flow_of_users
from swarmsweep.raw.closed_loop import SentCounts, read_users
from swarmsweep.raw.locust_csv import most_frequent, parse_stats
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.timeline import Timeline
from swarmsweep.record_file import read_record
from tests.loadgen.locust_run import LOCUST, run, serve
from tests.loadgen.users_run import read_names, read_requests

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# Each class runs its task once.
SCENARIO = """
import requests
from locust import FastHttpUser, HttpUser, User, constant, events, task

def once(work):
    def run(user):
        if not getattr(user, "is_done", False):
            user.is_done = True
            work(user)
    return run

def follow(user):
    user.client.get("/redirect/2")
    user.client.get("/redirect/0")

def retry(user):
    user.client.get("/silent")

def use_another_client(user):
    requests.get(user.host + "/ok")
    with requests.Session() as session:
        session.get(user.host + "/redirect/1")

def fire(user):
    for values in ({}, {"response_time": None}, {"response_time": -5.0}, {"start_time": 5.0},
                   {"request_type": "", "name": "Aggregated"}, {"exception": ConnectionRefusedError("x")},
                   {"exception": KeyError("x")}, {"url": "http://elsewhere/"}):
        event = {"request_type": "GET", "name": "own", "response_time": 7.0, "response_length": 0,
                 "exception": None, "context": {}}
        user.environment.events.request.fire(**event | values)

def leave(user):
    user.client.get("http://127.0.0.2:9/elsewhere")

class Common:
    wait_time = constant(0.1)
    fixed_count = 1

class FastFollower(Common, FastHttpUser):
    tasks = [once(follow)]

class SlowFollower(Common, HttpUser):
    tasks = [once(follow)]

class Retrying(Common, FastHttpUser):
    max_retries = 2
    network_timeout = 0.3
    tasks = [once(retry)]

class Other(Common, HttpUser):
    tasks = [once(use_another_client)]

class Own(Common, User):
    tasks = [once(fire)]
"""
LEAVING = """
class Leaving(Common, FastHttpUser):
    tasks = [once(leave)]

class SlowLeaving(Common, HttpUser):
    tasks = [once(leave)]
"""
# A timing is fired within the event of a request, before and after the recorder has seen the request.
NESTED = """
from locust import FastHttpUser, constant, events, task

@events.request.add_listener
def add(request_type, name, **_):
    if name == "/ok":
        events.request.fire(request_type="PART", name="part", response_time=1.0, response_length=0, exception=None,
                            context={})

class Visitor(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def visit(self):
        self.client.get("/ok")
"""


def respond(handler: BaseHTTPRequestHandler) -> None:
    """/redirect/<n> leads to /redirect/<n-1>, and that of 0 is right; /silent has no response in time."""
    left = int(handler.path.rpartition("/")[2]) if handler.path.startswith("/redirect") else 0
    if handler.path == "/silent":
        time.sleep(1.0)
        handler.close_connection = True
        return
    handler.send_response(302 if left else 200)
    if left:
        handler.send_header("location", f"/redirect/{left - 1}")
    handler.send_header("content-length", "0")
    handler.end_headers()


def counts_of(outcome) -> dict:
    return {name: outcome.worker[name] for name in ("requests", "sent", "redirects", "retries", "other_sends")}


def test_every_kind_is_counted_apart(tmp_path):
    with serve("127.0.0.1", respond) as server:
        scenario = SCENARIO + LEAVING
        outcome = run(tmp_path, scenario, f"http://127.0.0.1:{server.port}", 4.0, users=7)
    assert counts_of(outcome) == {
        # Two of each follower, the one that is retried, and the two that may not be sent.
        "requests": 7,
        "sent": 2 * (3 + 1) + 3,
        "redirects": 2 * 2,
        "retries": 2,
        "other_sends": 1 + 2,
    }
    assert server.asked.total() == outcome.worker["sent"] + outcome.worker["other_sends"]
    # Locust's own count has all of them.
    assert outcome.worker["own_timings"] == 8
    assert outcome.worker["requests"] + 8 - outcome.worker["unreported"] == outcome.counted
    requests = read_requests(tmp_path / "named-requests-lab-load-0.f64.gz")
    assert sorted(kind_name(one[2]) or "" for one in requests) == ["", "", "", "", "blocked", "blocked", "timeout"]
    # They are events of a user that has no HTTP client of Locust.
    assert outcome.worker["user_events"] == 8
    assert read_requests(tmp_path / "named-own-timings-lab-load-0.f64.gz") == []
    own = read_requests(tmp_path / "named-user-events-lab-load-0.f64.gz")
    names = ["GET own", "GET own", "Aggregated", "GET own", "GET own", "GET own"]
    assert read_names(tmp_path, "named-user-events-lab-load-0.f64.gz") == names
    # A timing without a time is counted, and has no record.
    assert [(ms, "" if end == OK else kind_name(end)) for _, ms, end in own] == [
        *[(7.0, "")] * 3,
        *((7.0, "refused"), (7.0, "other_exception"), (7.0, "")),
    ]
    assert all(abs(begun - requests[0][0]) < 60 for begun, _, _ in own)
    # The controller reads the same counts.
    problems: list[str] = []
    record = read_users(tmp_path, ReadOrNote(tmp_path, problems))
    assert problems == []
    assert record.sent == SentCounts(
        requests=7, sent=11, redirects=4, retries=2, other_sends=3, own_timings=8, unreached=1, user_events=8
    )
    # The figures have them, beside the requests of the other users.
    assert len(record.requests) == 7 + 6
    # Two hops were blocked.
    assert record.sent.not_sent == 2


def test_a_timing_within_the_event_of_a_request_is_its_own(tmp_path):
    with serve("127.0.0.1", respond) as server:
        outcome = run(tmp_path, NESTED, f"http://127.0.0.1:{server.port}", 1.0)
    # Of a request that the end of the load interrupted, there is no event.
    assert outcome.worker["own_timings"] == outcome.worker["requests"] - outcome.worker["unreported"] > 0
    assert outcome.worker["sent"] == outcome.worker["requests"]
    assert {ms for _, ms, _ in read_requests(tmp_path / "named-own-timings-lab-load-0.f64.gz")} == {1.0}


# A listener of the scenario ends the event, before Locust's own listener would hear it.
RAISING = """
from locust import FastHttpUser, HttpUser, constant, events, task
from locust.exception import RescheduleTask, StopUser

@events.request.add_listener
def judge(name, **_):
    if name == "/ok":
        raise RescheduleTask
    if name == "/last":
        raise StopUser

def visit(user):
    user.client.get(user.left.pop(0))

class Common:
    wait_time = constant(0.05)
    tasks = [visit]

    def on_start(self):
        self.left = ["/ok", "/ok", "/last"]

class Fast(Common, FastHttpUser):
    fixed_count = 1

class Slow(Common, HttpUser):
    fixed_count = 1
"""
# Nothing hears the events: neither Locust nor the recorder.
DEAF = RAISING.replace(
    "def visit",
    """@events.test_start.add_listener
def forget(environment, **_):
    environment.events.request._handlers.clear()

def visit""",
).replace("self.left = [", "self.left = 99 * [")


# The user of the probe stops itself, and is started again after it.
@pytest.mark.parametrize(("scenario", "counted"), [(RAISING, 9), (DEAF, 0)])
def test_a_listener_of_the_scenario_hides_no_request(tmp_path, scenario, counted):
    with serve("127.0.0.1", respond) as server:
        outcome = run(tmp_path, scenario, f"http://127.0.0.1:{server.port}", 1.5, users=2)
    requests = read_requests(tmp_path / "named-requests-lab-load-0.f64.gz")
    outcomes = [end for _, _, end in requests]
    # Locust may kill a user that has just woken up at the end.
    assert {OK} <= set(outcomes) <= {OK, NO_RESPONSE}
    assert 6 <= outcomes.count(OK) <= server.asked.total() <= len(requests) == outcome.worker["requests"]
    # Each of them has a time of its own.
    assert all(0 < ms < 60_000 for _, ms, _ in requests)
    assert outcome.counted == counted == len(requests) - outcome.worker["unreported"]
    assert outcome.worker["errors"] == {}
    assert outcome.worker["exceptions"] == []


# A client of another protocol, which logs in by HTTP.
LOGIN = """
import time
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant(0.02)

    def on_start(self):
        self.client.get("/ok")

    @task
    def call(self):
        with self.environment.events.request.measure("GRPC", "Predict"):
            time.sleep(0.01)
"""


def test_after_a_login_the_figures_are_the_timings_of_the_scenario(tmp_path):
    with serve("127.0.0.1", respond) as server:
        run(tmp_path, LOGIN, f"http://127.0.0.1:{server.port}", 1.5, users=3, SWEEP_WARMUP_SECONDS="1")
    timeline = read_record(tmp_path / "timeline.json", Timeline)
    problems: list[str] = []
    record = read_users(tmp_path, ReadOrNote(tmp_path, problems), timeline)
    assert problems == []
    assert (record.sent.requests, record.sent.own_figures) == (server.asked.total(), True) == (3, True)
    inside = record.requests.within(*timeline.window())
    assert len(inside) > 3
    assert min(inside.latency_ms) >= 10
    assert most_frequent(parse_stats((tmp_path / "stats_stats.csv").read_text()), own_figures=True) == "GRPC Predict"


# All requests are made before the first task.
EARLY = """
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant(0.02)

    def on_start(self):
        for _ in range(4):
            self.client.get("/ok")

    @task
    def rest(self):
        pass
"""


def test_requests_that_are_all_in_on_start_are_the_reason_of_an_empty_window(tmp_path):
    with serve("127.0.0.1", respond) as server:
        run(tmp_path, EARLY, f"http://127.0.0.1:{server.port}", 1.0, users=3, SWEEP_WARMUP_SECONDS="1")
    timeline = read_record(tmp_path / "timeline.json", Timeline)
    problems: list[str] = []
    record = read_users(tmp_path, ReadOrNote(tmp_path, problems), timeline)
    assert problems == []
    flow = flow_of_users(record, timeline.window(), {"users": 3})
    check = some_requests(Evidence(config={}, load={}, slo={}, flow=flow, sent=record.sent))
    assert (check.passed, server.asked.total()) == (False, 12)
    assert "All 12 requests of the attempt were made in on_start or on_stop" in check.sentence


# Each failure has a text of its own, as long as a response, or none that can be read.
LONG_TEXTS = """
import itertools
from locust import FastHttpUser, constant, task

class UnreadableError(Exception):
    def __str__(self):
        raise KeyError("no text")

    __repr__ = __str__

class Visitor(FastHttpUser):
    wait_time = constant(0)
    numbers = itertools.count()

    @task
    def visit(self):
        number = next(self.numbers)
        with self.client.get("/ok", catch_response=True) as response:
            response.failure(UnreadableError() if number == 0 else f"{number} {'x' * 1_000_000}")
"""


def test_texts_of_failures_are_bounded(tmp_path):
    with serve("127.0.0.1", respond) as server:
        outcome = run(tmp_path, LONG_TEXTS, f"http://127.0.0.1:{server.port}", 2.0)
    texts = {text for found in outcome.failures.values() for text in found}
    assert max(map(len, texts)) < 400
    assert len(texts) <= 201
    assert "UnreadableError" in texts
    assert max(map(len, outcome.worker["errors"])) <= 300
    assert outcome.counted == outcome.worker["requests"] - outcome.worker["unreported"]
