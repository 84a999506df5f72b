"""Each failed request has the kind of its status or exception, whatever text the scenario gives to the failure."""

import time
from collections import Counter
from http.server import BaseHTTPRequestHandler

import pytest

from loadgen.shared.request_record import OK, kind_name
from tests.loadgen.locust_run import LOCUST, run, serve
from tests.loadgen.users_run import read_rows

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# One request of each path by each client, then nothing more.
SCENARIO = """
import time
from locust import FastHttpUser, HttpUser, constant

PATHS = PATHS_OF_TEST
class DifferentError(Exception):
    failure_kind = "different_response"

def ask(user, path, **options):
    with user.client.get(path, catch_response=True, **options) as response:
        if path == "/text":
            response.failure("HTTP 503: connection refused, Request took too long")
        elif path == "/exception":
            response.failure(ValueError("timed out"))
        elif path == "/different":
            response.failure(DifferentError("differs"))
        elif path == "/status/404":
            response.failure(DifferentError("a status is a status"))
        elif path == "/silent":
            response.failure("sorry")

def visit(user):
    if user.left:
        path = user.left.pop(0)
        if path.startswith("/plain"):
            user.client.get(path, **user.options)
        else:
            ask(user, path, **user.options)

class Common:
    wait_time = constant(0.1)
    fixed_count = 1
    tasks = [visit]
    # Whether the server is silent, so that a short timeout ends the request.
    is_silent = False
    def on_start(self):
        self.left = [path for path in PATHS if path.endswith("/silent") == self.is_silent]
        self.options = {"timeout": 0.3} if self.is_silent and isinstance(self, HttpUser) else {}

class Fast(Common, FastHttpUser): pass

class Slow(Common, HttpUser): pass

class FastSilent(Common, FastHttpUser):
    is_silent = True
    network_timeout = 0.3

class SlowSilent(Common, HttpUser):
    is_silent = True
"""
KINDS = {
    "/ok": None,
    "/plain/status/503": "status_503",
    "/status/429": "status_429",
    "/status/404": "status_404",
    "/text": "failed_by_scenario",
    "/exception": "failed_by_scenario",
    "/different": "different_response",
    "/silent": "timeout",
    "/plain/silent": "timeout",
    "/plain/closed": "reset",
    "/plain/cut": "reset",
    "/plain/garbage": "unreadable",
    "/plain/bad-gzip": "unreadable",
}


def respond(handler: BaseHTTPRequestHandler) -> None:
    """By the last words of the path."""
    path = handler.path.removeprefix("/plain")
    if path == "/silent":
        time.sleep(2.0)
    if path in ("/silent", "/closed"):
        handler.close_connection = True
        return
    if path == "/garbage":
        handler.wfile.write(b"SMTP ready\r\n\r\n")
        handler.close_connection = True
        return
    handler.send_response(int(path.rpartition("/")[2]) if path.startswith("/status") else 200)
    if path == "/bad-gzip":
        handler.send_header("content-encoding", "gzip")
    handler.send_header("content-length", "90" if path == "/cut" else "4")
    handler.end_headers()
    handler.wfile.write(b"fine")
    handler.close_connection = path == "/cut"


def kinds_of(folder) -> Counter:
    rows = read_rows(folder / "requests-lab-load-0.f64.gz")
    return Counter(None if outcome == OK else kind_name(outcome) for _, _, outcome in rows)


def test_a_kind_comes_from_status_and_exception(tmp_path):
    with serve("127.0.0.1", respond) as server:
        scenario = SCENARIO.replace("PATHS_OF_TEST", repr(list(KINDS)))
        outcome = run(tmp_path, scenario, f"http://127.0.0.1:{server.port}", 5.0, users=4)
    assert kinds_of(tmp_path) == Counter(kind for kind in KINDS.values() for _client in range(2)), outcome.log
    # The texts are still there for people to read.
    assert outcome.worker["errors"]["HTTP 503: connection refused, Request took too long"] == 2


def test_no_process_listens(tmp_path):
    with serve("127.0.0.1", respond) as server:
        port = server.port
    scenario = SCENARIO.replace("PATHS_OF_TEST", "['/plain/ok', '/text']")
    run(tmp_path, scenario, f"http://127.0.0.1:{port}", 1.0, users=4)
    # Without a response, a text of the scenario hides no cause.
    assert kinds_of(tmp_path) == {"refused": 4}
