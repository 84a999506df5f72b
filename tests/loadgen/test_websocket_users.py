"""Users with a client of their own: WebSockets through a real HAProxy with the lab's configuration."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import simple_websocket

from bench.truth import haproxy
from loadgen.shared.request_record import NO_RESPONSE, OK, kind_name
from swarmsweep.judge.checks.check import Check
from swarmsweep.judge.checks.counts import counted_by_haproxy, counted_by_locust
from swarmsweep.judge.evidence import Evidence, Flow
from swarmsweep.judge.flows import flow_of_users
from swarmsweep.raw.closed_loop import UsersRecord, read_users
from swarmsweep.raw.haproxy import delta, parse_stat
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.timeline import Timeline
from swarmsweep.record_file import read_record
from tests.loadgen.locust_run import LOCUST, run, serve

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

USERS = 3
# What people write: a class with a client of its own, which fires an event for each message.
CLIENT = """
import json
import time

import gevent
import websocket
from locust import FastHttpUser, User, constant, events, task

class SocketUser(User):
    abstract = True
    wait_time = constant(0.05)

    def on_start(self):
        self.fire("connect", self.connect)

    def on_stop(self):
        self.socket.close()

    def connect(self):
        self.socket = websocket.create_connection(self.host.replace("http", "ws", 1) + "/socket", timeout=10)

    def fire(self, name, work):
        start, exception = time.perf_counter(), None
        try:
            work()
        except Exception as error:
            exception = error
        events.request.fire(request_type="WS", name=name, response_time=(time.perf_counter() - start) * 1000,
                            response_length=0, exception=exception, context={})

    def ask(self, word="fine"):
        self.socket.send(word)
        if self.socket.recv() != word:
            raise ValueError("another response")
"""
ECHO = f"""{CLIENT}
class Asking(SocketUser):
    @task(3)
    def predict(self):
        self.fire("predict", self.ask)

    @task(1)
    def fail(self):
        self.fire("fail", lambda: self.ask("bad"))
"""
# The task never ends, and the client is silent for longer than HAProxy waits for a response.
LOOP = f"""{CLIENT}
class Loop(SocketUser):
    @task
    def stay(self):
        while True:
            self.fire("predict", self.ask)
            gevent.sleep(2)
"""
# Responses come in a greenlet of their own, at any time.
RECEIVER = f"""{CLIENT}
class Receiving(SocketUser):
    def connect(self):
        super().connect()
        self.sent = []
        gevent.spawn(self.receive)

    def receive(self):
        while True:
            self.socket.recv()
            events.request.fire(request_type="WS", name="predict", response_length=0, exception=None, context={{}},
                                response_time=(time.perf_counter() - self.sent.pop(0)) * 1000)

    @task
    def predict(self):
        self.sent.append(time.perf_counter())
        self.socket.send("fine")
"""
MIXED = f"""{ECHO}
class Visitor(FastHttpUser):
    fixed_count = 1
    wait_time = constant(0.05)

    @task
    def visit(self):
        self.client.get("/ok")
        events.request.fire(request_type="PART", name="part", response_time=5000.0, response_length=0,
                            exception=None, context={{}})
"""


def respond(handler: BaseHTTPRequestHandler) -> None:
    """A WebSocket at /socket returns each message, but for "bad". Any other path is fine."""
    if handler.path == "/socket":
        handler.close_connection = True
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in handler.headers.items()}
        connection = simple_websocket.Server({"werkzeug.socket": handler.connection, **headers})
        try:
            while True:
                message = connection.receive()
                connection.send("worse" if message == "bad" else message)
        except simple_websocket.ConnectionClosed:
            return
    handler.send_response(200)
    handler.send_header("content-length", "0")
    handler.end_headers()


@dataclass
class Seen:
    """A load, as the controller reads it, with two checks."""

    record: UsersRecord
    flow: Flow
    by_haproxy: Check
    by_locust: Check
    target_names: set[str]


@contextmanager
def proxy(folder: Path, port: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """HAProxy before a server: its URL, and a function for its counters."""
    url, tree = haproxy.start(haproxy.program(), folder, port, [])

    def counters() -> str:
        with socket.socket(socket.AF_UNIX) as stats:
            stats.connect(str(folder / "haproxy/haproxy.sock"))
            stats.sendall(b"show stat\n")
            return b"".join(iter(lambda: stats.recv(1 << 16), b"")).decode()

    try:
        yield url, counters
    finally:
        tree.end()


def load(folder: Path, scenario: str, seconds: float = 2.5) -> Seen:
    """Load the server through HAProxy, and judge the counts."""
    output = folder / "locust"
    output.mkdir()
    with serve("127.0.0.1", respond) as server, proxy(folder, server.port) as (url, counters):
        before = parse_stat(counters())
        outcome = run(output, scenario, url, seconds, USERS)
        counted = delta(before, parse_stat(counters()))
    timeline = read_record(output / "timeline.json", Timeline)
    problems: list[str] = []
    record = read_users(output, ReadOrNote(output, problems), timeline)
    assert problems == []
    assert record.sent is not None
    evidence = Evidence(
        config={"replicas": 1, "cpus": 1.0, "memory_bytes": 1 << 28, "workers": 1},
        load={"users": USERS},
        slo={"p95_ms": 500, "max_failure_percent": 1},
        sent=record.sent,
        recorded_requests=record.sent.requests + record.sent.own_timings,
        counted_requests=outcome.counted,
        unreported_requests=record.unreported,
        proxy=counted,
    )
    flow = flow_of_users(record, timeline.window(), {"users": USERS})
    by_haproxy, by_locust = counted_by_haproxy(evidence), counted_by_locust(evidence)
    return Seen(record, flow, by_haproxy, by_locust, set(outcome.rows))


@pytest.mark.parametrize(
    ("scenario", "is_mixed", "failures"),
    [(ECHO, False, True), (RECEIVER, False, False), (MIXED, True, True)],
    ids=["echo", "receiver", "mixed"],
)
def test_the_events_of_such_users_are_their_requests(tmp_path, scenario, is_mixed, failures):
    seen = load(tmp_path, scenario)
    sent = seen.record.sent
    assert {"connect", "predict"} <= seen.target_names
    assert sent.own_figures is not is_mixed
    # A connection is made in on_start.
    assert sent.setup_requests >= USERS - is_mixed
    assert (sent.own_timings > sent.user_events + sent.setup_requests) is is_mixed
    requests = seen.record.requests
    assert len(requests) == sent.user_events + (sent.requests if is_mixed else 0)
    assert (sent.requests > 0) is is_mixed
    # Neither the connections nor the timing of an HTTP user are in the figures.
    assert 0 < max(requests.latency_ms) < 5000
    assert seen.flow.ok > USERS
    kinds = {kind_name(outcome) for outcome in requests.outcome if outcome not in (OK, NO_RESPONSE)}
    assert kinds == ({"other_exception"} if failures else set())
    assert (seen.flow.failed > 0) is failures
    assert seen.by_locust.passed is True, seen.by_locust.sentence
    assert (seen.by_haproxy.passed, seen.by_haproxy.warning) in {(None, True), (True, False)}
    if not is_mixed:
        words = f"not compared: users without an HTTP client of Locust fired {sent.user_events} events, and HAProxy"
        assert seen.by_haproxy.sentence.startswith(words)


def test_a_task_that_never_ends_is_measured_by_its_events(tmp_path, monkeypatch):
    """HAProxy's timeouts of a request are shorter than a pause, and do not end the connection."""
    short = (("timeout client 75s", "timeout client 1s"), ("timeout server 60s", "timeout server 1s"))
    monkeypatch.setattr(haproxy, "CHANGES", (*haproxy.CHANGES, *short))
    seen = load(tmp_path, LOOP, seconds=6.0)
    assert seen.flow.failed == 0 == seen.flow.in_flight_end
    assert seen.flow.ok >= USERS
    # At the end, each user has waited since its last event, and not since its task began.
    requests = seen.record.requests
    waiting = requests.start_seconds[requests.outcome == NO_RESPONSE]
    assert len(waiting) == USERS
    assert min(waiting) > seen.flow.window[1]
    assert seen.by_locust.passed is True, seen.by_locust.sentence
