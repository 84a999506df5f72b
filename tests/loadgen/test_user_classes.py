"""Locustfiles with several classes, task sets, logins and tags, as people write them, in a real Locust on loopback."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from swarmsweep.judge.checks.counts import counted_by_haproxy, counted_by_locust, some_requests
from swarmsweep.judge.evidence import Evidence, Flow
from swarmsweep.judge.flows import flow_of_users
from swarmsweep.raw.closed_loop import UsersRecord, read_users
from swarmsweep.raw.haproxy import ProxyDelta
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.timeline import Timeline
from swarmsweep.record_file import read_record
from tests.loadgen.locust_run import LOCUST, run, serve
from tests.loadgen.users_run import respond

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

USERS = 4
WEIGHTS = """
from locust import FastHttpUser, HttpUser, between, constant, task

class Buyer(HttpUser):
    weight = 3
    wait_time = between(0.05, 0.1)

    @task(3)
    def look(self):
        self.client.get(f"/ok/look?{id(self)}")

    @task
    def buy(self):
        self.client.post("/ok/buy", json={"number": 1})

class Robot(FastHttpUser):
    weight = 1
    wait_time = constant(0.05)

    @task
    def crawl(self):
        with self.client.get(f"/ok/crawl?{id(self)}", catch_response=True) as response:
            if response.js is None:
                response.failure("no JSON")
"""
FIXED = """
from locust import FastHttpUser, HttpUser, constant, task

class Administrator(FastHttpUser):
    fixed_count = 1
    wait_time = constant(0.1)

    @task
    def look(self):
        self.client.get(f"/ok/admin?{id(self)}")

class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def look(self):
        self.client.get(f"/ok/visit?{id(self)}")
"""
# A login takes longer than the warm-up, of which there is none, and half of the users log in badly.
LOGIN = """
import itertools
from locust import FastHttpUser, HttpUser, constant, task

numbers = itertools.count()

class Common:
    wait_time = constant(0.05)

    def on_start(self):
        self.client.get("/slow/0.4/token", name="login")
        self.client.get("/status/500/profile" if next(numbers) % 2 else "/ok/profile", name="profile")

    def on_stop(self):
        self.client.post("/slow/0.4/leave", name="leave")

class Slow(Common, HttpUser):
    fixed_count = 2

    @task
    def predict(self):
        self.client.get("/ok/predict")

class Fast(Common, FastHttpUser):
    fixed_count = 2

    @task
    def predict(self):
        self.client.get("/ok/predict")
"""
SEQUENCE = """
from locust import HttpUser, SequentialTaskSet, constant, task

class Shop(SequentialTaskSet):
    def on_start(self):
        self.client.get("/slow/0.4/enter")

    @task
    def first(self):
        self.client.get("/ok/first")

    @task
    def second(self):
        self.client.get("/ok/second")

    @task
    def third(self):
        self.client.get("/ok/third")
        self.interrupt()

class Visitor(HttpUser):
    wait_time = constant(0.02)
    tasks = [Shop]
"""
NESTED = """
from locust import FastHttpUser, TaskSet, constant, tag, task

class Forum(TaskSet):
    @task(2)
    class Thread(TaskSet):
        def on_start(self):
            self.client.get("/slow/0.4/open")

        @task
        def read(self):
            self.client.get("/ok/read")
            self.interrupt(reschedule=True)

    @task
    def leave(self):
        self.interrupt()

class Visitor(FastHttpUser):
    wait_time = constant(0.02)
    tasks = {Forum: 2}

    @task
    def front(self):
        self.client.get("/ok/front")
"""
TAGS = """
from locust import FastHttpUser, HttpUser, constant, tag, task

class Visitor(HttpUser):
    wait_time = constant(0.05)

    @tag("read")
    @task
    def look(self):
        self.client.get("/ok/look")

    @tag("read", "slow")
    @task
    def search(self):
        self.client.get("/ok/search")

    @tag("write")
    @task
    def write(self):
        self.client.post("/ok/write", data="x")

class Robot(FastHttpUser):
    wait_time = constant(0.05)

    @tag("read")
    @task
    def crawl(self):
        self.client.get("/ok/crawl")
"""


@dataclass
class Seen:
    """A load, as the controller reads it, and what the server saw: requests by path, and users by the query."""

    record: UsersRecord
    flow: Flow
    asked: Counter[str]
    users: dict[str, set[str]]
    verdicts: dict[str, bool | None]


def load(folder: Path, scenario: str, **env: str) -> Seen:
    """Load a server with a scenario, without warm-up, and judge the counts."""
    with serve("127.0.0.1", respond) as server:
        outcome = run(folder, scenario, f"http://127.0.0.1:{server.port}", 2.0, USERS, **env)
    timeline = read_record(folder / "timeline.json", Timeline)
    problems: list[str] = []
    record = read_users(folder, ReadOrNote(folder, problems), timeline)
    assert problems == []
    load = {"users": USERS}
    flow = flow_of_users(record, timeline.window(), load)
    assert record.sent is not None
    evidence = Evidence(
        config={"replicas": 1, "cpus": 1.0, "memory_bytes": 1 << 28, "workers": 1},
        load=load,
        slo={"p95_ms": 500, "max_failure_percent": 1},
        flow=flow,
        timeline=timeline,
        sent=record.sent,
        recorded_requests=record.sent.requests + record.sent.own_timings,
        counted_requests=outcome.counted,
        unreported_requests=record.unreported,
        proxy=ProxyDelta(server.asked.total(), {}, {}, restarted=False),
    )
    checks = [check(evidence) for check in (some_requests, counted_by_locust, counted_by_haproxy)]
    asked: Counter[str] = Counter()
    users: dict[str, set[str]] = {}
    for (_, target), number in server.asked.items():
        path, _, user = target.partition("?")
        asked[path] += number
        users.setdefault(path, set()).add(user)
    return Seen(record, flow, asked, users, {one.name: one.passed for one in checks if one is not None})


def assert_counted(seen: Seen, in_tasks: set[str], in_setup: set[str]) -> None:
    """The figures have the requests of tasks alone, and every request is in the counts."""
    assert set(seen.asked) == in_tasks | in_setup
    # Locust may kill a user that has just woken up, before its request is sent.
    asked = sum(seen.asked[path] for path in in_tasks)
    assert asked <= len(seen.record.requests) <= asked + USERS
    prepared = sum(seen.asked[path] for path in in_setup)
    assert prepared <= seen.record.sent.setup_requests <= prepared + USERS
    assert seen.record.sent.requests == len(seen.record.requests) + seen.record.sent.setup_requests
    assert seen.flow.failed == 0
    assert seen.flow.ok > USERS
    assert set(seen.verdicts.values()) == {True}, seen.verdicts


@pytest.mark.parametrize(
    ("scenario", "users"),
    [(WEIGHTS, {"/ok/look": 3, "/ok/crawl": 1, "/ok/buy": 1}), (FIXED, {"/ok/admin": 1, "/ok/visit": 3})],
    ids=["weights", "fixed"],
)
def test_each_class_has_its_share_of_the_users(tmp_path, scenario, users):
    seen = load(tmp_path, scenario)
    assert_counted(seen, set(users), set())
    assert {path: len(found) for path, found in seen.users.items()} == users


def test_logins_are_counted_and_are_in_no_figure(tmp_path):
    seen = load(tmp_path, LOGIN)
    logins = {"/slow/0.4/token", "/ok/profile", "/status/500/profile", "/slow/0.4/leave"}
    assert_counted(seen, {"/ok/predict"}, logins)
    assert seen.record.sent.setup_failures >= seen.asked["/status/500/profile"] > 0


@pytest.mark.parametrize(
    ("scenario", "in_order", "in_setup"),
    [
        (SEQUENCE, ["/ok/first", "/ok/second", "/ok/third"], "/slow/0.4/enter"),
        (NESTED, ["/ok/read"], "/slow/0.4/open"),
    ],
    ids=["sequence", "nested"],
)
def test_task_sets_keep_their_order_and_prepare_themselves(tmp_path, scenario, in_order, in_setup):
    seen = load(tmp_path, scenario)
    assert_counted(seen, {*in_order} | set(seen.asked) & {"/ok/front"}, {in_setup})
    # Each user is within one turn.
    numbers = [seen.asked[path] for path in [in_setup, *in_order]]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] - USERS <= numbers[-1]


@pytest.mark.parametrize(
    ("env", "paths"),
    [
        ({"LOCUST_TAGS": "read"}, {"/ok/look", "/ok/search", "/ok/crawl"}),
        ({"LOCUST_TAGS": "read", "LOCUST_EXCLUDE_TAGS": "slow"}, {"/ok/look", "/ok/crawl"}),
        ({"LOCUST_USER_CLASSES": "Visitor", "LOCUST_TAGS": "write"}, {"/ok/write"}),
    ],
    ids=["tags", "exclude", "class-and-tag"],
)
def test_tags_and_classes_select_what_runs(tmp_path, env, paths):
    assert_counted(load(tmp_path, TAGS, **env), paths, set())
