"""Each record has the name that Locust reports, or would have reported."""

import time
from collections import Counter
from http.server import BaseHTTPRequestHandler

import pytest

from loadgen.closed.request_names import RequestNames
from loadgen.shared.hidden_text import MASK
from loadgen.shared.request_record import MAX_NAME_CHARACTERS, MAX_NAMES, NO_RESPONSE, OTHER_NAMES
from swarmsweep.raw.closed_loop import read_users
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.results.endpoints import endpoints_of, merge_endpoints, user_classes_of
from swarmsweep.sweep.slo_limits import SloLimits
from tests.loadgen.locust_run import LOCUST, run, serve
from tests.loadgen.users_run import read_names, read_requests

# Each class does its work once. Both clients of Locust name a request in their own way.
SCENARIO = """
from locust import FastHttpUser, HttpUser, constant

def work(user):
    if getattr(user, "is_done", False):
        return
    user.is_done = True
    get = user.client.get
    get("/plain")
    get("/query?a=1")
    get("/named/7", name="/named/[id]")
    get("/redirect")
    get(f"{user.host}/whole")
    with user.client.rename_request("/renamed"):
        get("/original")
    user.client.post("/plain", json={})
    with get("/changed", catch_response=True) as response:
        response.request_meta["name"] = "/other"
    try:
        with get("/raised", name="/lost", catch_response=True):
            raise KeyError("x")
    except KeyError:
        pass

class Common:
    wait_time = constant(0.1)
    fixed_count = 1
    tasks = [work]

class Fast(Common, FastHttpUser):
    pass

class Slow(Common, HttpUser):
    pass
"""
INTERRUPTED = """
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant(0)

    @task
    def wait(self):
        self.client."""
MANY = """
import itertools
from locust import FastHttpUser, constant, task

class Visitor(FastHttpUser):
    wait_time = constant(0)
    numbers = itertools.count()

    @task
    def visit(self):
        if (number := next(self.numbers)) < 250:
            self.client.get(f"/item/{number}")
        else:
            self.client.get("/item/0")
"""


# Tasks of a course team's file: 30 requests of /ready for each of /predict.
TWO_ENDPOINTS = """
from locust import HttpUser, constant, task

class Visitor(HttpUser):
    wait_time = constant(0)

    @task
    def visit(self):
        for _ in range(30):
            self.client.get("/ready")
        self.client.post("/predict", json={})
"""


# Two clients of Locust, and one of the file's own. Two classes use one name.
CLASSES = """
from locust import FastHttpUser, HttpUser, User, constant, task

class Reader(FastHttpUser):
    wait_time = constant(0.05)
    fixed_count = 3

    @task
    def read(self):
        self.client.get("/same")

class Buyer(HttpUser):
    wait_time = constant(0.05)
    fixed_count = 2

    def on_start(self):
        self.client.get("/login")

    @task
    def buy(self):
        self.client.get("/same")
        with self.client.get("/bad", catch_response=True) as response:
            response.failure("bad")

class Socket(User):
    wait_time = constant(0.05)
    fixed_count = 1

    @task
    def send(self):
        self.environment.events.request.fire(request_type="WS", name="send", response_time=3.0, response_length=0)
"""


def respond(handler: BaseHTTPRequestHandler) -> None:
    if handler.path == "/predict":
        time.sleep(0.3)
    if handler.path.startswith("/silent"):
        time.sleep(20.0)
        handler.close_connection = True
        return
    is_moved = handler.path.startswith("/redirect")
    handler.send_response(302 if is_moved else 200)
    if is_moved:
        handler.send_header("location", handler.path.removeprefix("/redirect") or "/target")
    handler.send_header("content-length", "0")
    handler.end_headers()


@pytest.mark.skipif(LOCUST is None, reason="locust is not installed")
def test_a_record_has_the_name_that_locust_reports(tmp_path):
    with serve("127.0.0.1", respond) as server:
        host = f"http://127.0.0.1:{server.port}"
        outcome = run(tmp_path, SCENARIO, host, 1.0, users=2, drain_seconds=0.5)
    names = read_names(tmp_path, "named-requests-lab-load-0.f64.gz")
    # FastHttpUser names an absolute URL as it is, and HttpUser by its path.
    whole = {f"GET {host}/whole": 1, "GET /whole": 1}
    both = ("GET /plain", "GET /query?a=1", "GET /named/[id]", "GET /redirect", "GET /renamed", "POST /plain")
    assert Counter(names) == {**whole, **dict.fromkeys((*both, "GET /other", "GET /lost"), 2)}
    reported = {f"{row['Type']} {row['Name']}" for row in outcome.rows.values()}
    # Two methods of one name are one row in this table.
    assert set(names) - reported - {"GET /plain", "POST /plain"} == {"GET /lost"}
    assert reported <= set(names)


@pytest.mark.skipif(LOCUST is None, reason="locust is not installed")
@pytest.mark.parametrize(
    ("call", "name"),
    [
        ('get("/silent", params={"b": 2})', "GET /silent?b=2"),
        ('post("/silent/7", name="/silent/[id]")', "POST /silent/[id]"),
        ('get("/redirect/silent")', "GET /redirect/silent"),
    ],
)
def test_a_request_that_the_end_of_the_load_interrupts_has_its_name(tmp_path, call, name):
    with serve("127.0.0.1", respond) as server:
        run(tmp_path, INTERRUPTED + call, f"http://127.0.0.1:{server.port}", 1.0, drain_seconds=0.5)
    (record,) = read_requests(tmp_path / "named-requests-lab-load-0.f64.gz")
    assert (read_names(tmp_path, "named-requests-lab-load-0.f64.gz"), record[2]) == ([name], NO_RESPONSE)


@pytest.mark.skipif(LOCUST is None, reason="locust is not installed")
def test_a_slow_endpoint_has_figures_of_its_own(tmp_path):
    """As the controller reads them: figures of all requests show it nowhere."""
    with serve("127.0.0.1", respond) as server:
        run(tmp_path, TWO_ENDPOINTS, f"http://127.0.0.1:{server.port}", 2.0, users=4)
    problems: list[str] = []
    record = read_users(tmp_path, ReadOrNote(tmp_path, problems))
    assert (problems, len(record.requests)) == ([], server.asked.total())
    window = record.requests.start_seconds.min(), record.requests.start_seconds.max() + 1
    ready, predict = merge_endpoints([endpoints_of(record.requests, window)], SloLimits({}))
    assert (ready.name, ready.requests) == ("GET /ready", server.asked["GET", "/ready"])
    assert (predict.name, predict.requests) == ("POST /predict", server.asked["POST", "/predict"])
    assert ready.requests > 20 * predict.requests > 0
    assert predict.latency_ms.p50 >= 300


@pytest.mark.skipif(LOCUST is None, reason="locust is not installed")
def test_each_class_of_users_has_figures_of_its_own(tmp_path):
    with serve("127.0.0.1", respond) as server:
        run(tmp_path, CLASSES, f"http://127.0.0.1:{server.port}", 2.0, users=6)
    problems: list[str] = []
    record = read_users(tmp_path, ReadOrNote(tmp_path, problems))
    assert problems == []
    assert record.class_users == {"Reader": 3, "Buyer": 2, "Socket": 1}
    window = record.requests.start_seconds.min(), record.requests.start_seconds.max() + 1
    rows = {row.name: row for row in merge_endpoints([user_classes_of(record.requests, window)], SloLimits({}))}
    assert rows.keys() == {"Reader", "Buyer", "Socket"}
    assert rows["Buyer"].failure_kinds["failed_by_scenario"] > 0
    assert "failed_by_scenario" not in (rows["Reader"].failure_kinds or {})
    assert rows["Socket"].requests == record.sent.user_events > 0
    assert rows["Socket"].latency_ms.mean == 3.0
    # By name, both classes are one row. Log-ins of on_start are in no figure.
    names = {row.name: row.requests for row in merge_endpoints([endpoints_of(record.requests, window)], SloLimits({}))}
    assert names.keys() == {"GET /same", "GET /bad", "WS send"}
    assert names["GET /same"] + names["GET /bad"] == rows["Reader"].requests + rows["Buyer"].requests


@pytest.mark.skipif(LOCUST is None, reason="locust is not installed")
def test_a_name_too_many_has_no_number(tmp_path):
    with serve("127.0.0.1", respond) as server:
        outcome = run(tmp_path, MANY, f"http://127.0.0.1:{server.port}", 2.0)
    names = Counter(read_names(tmp_path, "named-requests-lab-load-0.f64.gz"))
    assert len(outcome.worker["names"]) == MAX_NAMES == len(names) - 1
    assert names[str(OTHER_NAMES)] == 250 - MAX_NAMES
    # A name that has a number keeps it.
    assert names["GET /item/0"] > 1


class Unreadable:
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("method", "name", "text"),
    [
        ("GET", "/a", "GET /a"),
        ("GET", " /a \n  b", "GET /a b"),
        (None, None, ""),
        ("", "Aggregated", "Aggregated"),
        (7, ["x"], "7 ['x']"),
        ("GET", "/\ud800", "GET /?"),
        ("GET", "x" * 9999, f"GET {'x' * (MAX_NAME_CHARACTERS - 4)}"),
        ("GET", "/?token=correct-horse", f"GET /?token={MASK}"),
        ("GET", Unreadable(), None),
    ],
)
def test_a_name_is_one_line_without_secrets(monkeypatch, method, name, text):
    monkeypatch.setattr("loadgen.common.secrets_folder._hidden", ["correct-horse"])
    names = RequestNames()
    number = names.number_of(method, name)
    assert names.number_of(method, name) == number
    assert (number, names.names) == ((OTHER_NAMES, []) if text is None else (0.0, [text]))


def test_a_name_has_a_number_for_each_class():
    names = RequestNames()
    numbers = [names.number_of("GET", "/a", one) for one in ("A", "B", "", "A")]
    assert (numbers, names.names, names.classes) == ([0.0, 1.0, 2.0, 0.0], ["GET /a"] * 3, ["A", "B", ""])
    for number in range(MAX_NAMES):
        names.number_of("GET", f"/{number}", "A")
    # A known name of another class still gets a number.
    assert names.number_of("GET", "/new", "B") == OTHER_NAMES
    assert names.number_of("GET", "/0", "B") != OTHER_NAMES
