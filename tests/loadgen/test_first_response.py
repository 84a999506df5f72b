"""The first response of a real Locust, as ./lab check shows it."""

import json

import pytest

from tests.loadgen.locust_run import LOCUST, run, serve

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

SCENARIO = """\
from locust import {user}, constant, task

class User({user}):
    wait_time = constant(0.2)
    @task
    def first(self):
        self.client.get("/one")
        self.client.get("/two")
"""
BODY = b'{"prediction": "caf\xc3\xa9"}' + b"x" * 1000


def respond(handler):
    status = 500 if handler.path == "/one" else 200
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(BODY)))
    handler.end_headers()
    handler.wfile.write(BODY)


@pytest.mark.parametrize("user", ["HttpUser", "FastHttpUser"])
def test_the_first_response_is_kept(tmp_path, user):
    with serve("127.0.0.1", respond) as server:
        host = f"http://127.0.0.1:{server.port}"
        run(tmp_path, SCENARIO.format(user=user), host, 1, SWEEP_FIRST_RESPONSE="1")
    first = json.loads((tmp_path / "first-lab-load-0.json").read_text())
    assert first["latency_ms"] > 0
    assert "500" in first["error"]
    assert first == first | {
        "schema": 1, "name": "/one", "method": "GET", "url": f"{host}/one", "status": 500,
        "content_type": "application/json", "size_bytes": len(BODY), "start": BODY[:400].decode(),
        "is_setup": False,
    }  # fmt: skip


LOGIN = """\
from locust import HttpUser, constant, task

class User(HttpUser):
    wait_time = constant(0.2)
    def on_start(self):
        self.client.post("/login", json={})
    @task
    def first(self):
        self.client.get("/two")
"""


def test_a_login_does_not_hide_the_first_response_of_a_task(tmp_path):
    with serve("127.0.0.1", respond) as server:
        run(tmp_path, LOGIN, f"http://127.0.0.1:{server.port}", 1, SWEEP_FIRST_RESPONSE="1")
    found = [json.loads((tmp_path / f"{name}-lab-load-0.json").read_text()) for name in ("first", "task-first")]
    assert [(one["name"], one["is_setup"]) for one in found] == [("/login", True), ("/two", False)]


def test_no_response_at_all(tmp_path):
    # Port 1 of loopback refuses connections.
    run(tmp_path, SCENARIO.format(user="FastHttpUser"), "http://127.0.0.1:1", 1, SWEEP_FIRST_RESPONSE="1")
    first = json.loads((tmp_path / "first-lab-load-0.json").read_text())
    assert (first["status"], first["size_bytes"], first["start"]) == (None, None, "")
    assert "refused" in first["error"].lower()


OPEN_LOOP = """\
from open_loop import OpenLoopUser

class User(OpenLoopUser):
    path, name, expected = "{path}", "one row", b'"{expected}"'
    payloads = (b'{{"x": 1}}', b'{{"x": 2}}')
"""


# A search would send these requests without waiting for responses.
@pytest.mark.parametrize(
    ("path", "expected", "failure"),
    [("/two", "prediction", None), ("/two", "label", 'no "label" in the response'), ("/one", "x", "status 500")],
)
def test_an_open_loop_scenario_sends_one_request_after_the_other(tmp_path, path, expected, failure):
    scenario = OPEN_LOOP.format(path=path, expected=expected)
    waits = {"LOCUST_WAIT_MIN_SECONDS": "0.2", "LOCUST_WAIT_MAX_SECONDS": "0.2"}
    with serve("127.0.0.1", respond) as server:
        host = f"http://127.0.0.1:{server.port}"
        found = run(tmp_path, scenario, host, 1, before="open_loop.py", SWEEP_FIRST_RESPONSE="1", **waits)
    first = json.loads((tmp_path / "first-lab-load-0.json").read_text())
    assert (first["name"], first["method"], first["start"]) == ("one row", "POST", BODY[:400].decode())
    # One connection: no request began before the response to the one before it.
    assert server.asked["POST", path] >= 2
    assert server.connections == 1
    assert found.worker["requests"] >= 2
    assert found.failures == ({} if failure is None else {"one row": {f"CatchResponseError({failure!r})"}})


def test_a_sweep_keeps_no_response(tmp_path):
    with serve("127.0.0.1", respond) as server:
        run(tmp_path, SCENARIO.format(user="HttpUser"), f"http://127.0.0.1:{server.port}", 1)
    assert not list(tmp_path.glob("*first-*"))
