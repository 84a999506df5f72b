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
    }  # fmt: skip


def test_no_response_at_all(tmp_path):
    # Port 1 of loopback refuses connections.
    run(tmp_path, SCENARIO.format(user="FastHttpUser"), "http://127.0.0.1:1", 1, SWEEP_FIRST_RESPONSE="1")
    first = json.loads((tmp_path / "first-lab-load-0.json").read_text())
    assert (first["status"], first["size_bytes"], first["start"]) == (None, None, "")
    assert "refused" in first["error"].lower()


def test_a_sweep_keeps_no_response(tmp_path):
    with serve("127.0.0.1", respond) as server:
        run(tmp_path, SCENARIO.format(user="HttpUser"), f"http://127.0.0.1:{server.port}", 1)
    assert not list(tmp_path.glob("first-*"))
