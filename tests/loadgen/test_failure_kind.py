"""Each failed request has the kind of its status or exception, whatever text the scenario gives to the failure."""

import time
from collections import Counter
from http.server import BaseHTTPRequestHandler

import pytest

from loadgen.shared.request_record import OK, kind_name
from tests.loadgen.locust_run import LOCUST, run, serve
from tests.loadgen.users_run import read_requests

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# One request of each path by each client, then nothing more.
SCENARIO = """
import json
import time
from locust import FastHttpUser, HttpUser, constant
from locust.exception import ResponseError

PATHS = PATHS_OF_TEST
class DifferentError(Exception):
    failure_kind = "different_response"

class ResponseRefusedError(ResponseError, ConnectionResetError):
    pass

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
        elif path == "/object":
            response.failure(ConnectionResetError("an object of the scenario"))
        elif path == "/raised":
            raise ResponseRefusedError("timed out")
        elif path == "/moved":
            response.failure("not the last page")
        elif path.startswith("/good"):
            response.success()
        elif path.startswith("/bad"):
            response.failure("no label")
        elif path.startswith("/parse"):
            # A part of the body is there, so the scenario raises, and Locust reports no request.
            json.loads(response.text or "")
        elif path.startswith("/late"):
            # The scenario does not notice the end of the stream.
            try:
                list(response.iter_content(1024))
            except Exception:
                pass
            response.success()
        elif path.startswith("/stream"):
            list(response.iter_content(1024))
            response.content

def visit(user):
    if user.left:
        path = user.left.pop(0)
        if path.startswith("/plain"):
            user.client.get(path, **user.options)
        else:
            options = {"stream": True} if path.startswith(("/late", "/stream")) else {}
            options |= {"allow_redirects": False} if path == "/moved" else {}
            ask(user, path, **user.options | options)

class Common:
    # Short, so that a busy machine comes to the end of the list too.
    wait_time = constant(0.02)
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
    # Whatever a scenario gives to a failure of a good response.
    "/object": "failed_by_scenario",
    "/raised": "failed_by_scenario",
    "/moved": "status_302",
    "/plain/closed": "reset",
    "/plain/cut": "reset",
    "/plain/chunked": "reset",
    # The body broke on its way, whatever the scenario says to it.
    "/good/cut": "reset",
    "/bad/cut": "reset",
    "/parse/cut": "reset",
    "/late/cut": "reset",
    "/stream/cut": "reset",
    "/good/chunked": "reset",
    "/bad/chunked": "reset",
    "/parse/chunked": "reset",
    "/late/chunked": "reset",
    "/stream/chunked": "reset",
    "/good/closed": "reset",
    "/good/bad-gzip": "unreadable",
    "/bad/bad-gzip": "unreadable",
    "/parse/bad-gzip": "unreadable",
    "/good/whole": None,
    "/bad/whole": "failed_by_scenario",
    "/stream/whole": None,
    "/late/whole": None,
    "/plain/garbage": "unreadable",
    "/plain/bad-gzip": "unreadable",
}


def respond(handler: BaseHTTPRequestHandler) -> None:
    """By the last words of the path."""
    path = handler.path if handler.path.startswith("/status") else f"/{handler.path.rpartition('/')[2]}"
    if handler.path.startswith("/plain/status"):
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
    code = 302 if path == "/moved" else 200
    handler.send_response(int(path.rpartition("/")[2]) if path.startswith("/status") else code)
    if path == "/moved":
        handler.send_header("location", "/whole")
    if path == "/chunked":
        # The chunk has 144 bytes.
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"90\r\nfine")
        handler.close_connection = True
        return
    if path == "/bad-gzip":
        handler.send_header("content-encoding", "gzip")
    handler.send_header("content-length", "90" if path == "/cut" else "4")
    handler.end_headers()
    handler.wfile.write(b"fine")
    handler.close_connection = path == "/cut"


def kinds_of(folder) -> Counter:
    rows = read_requests(folder / "named-requests-lab-load-0.f64.gz")
    return Counter(None if outcome == OK else kind_name(outcome) for _, _, outcome in rows)


def test_a_kind_comes_from_status_and_exception(tmp_path):
    with serve("127.0.0.1", respond) as server:
        scenario = SCENARIO.replace("PATHS_OF_TEST", repr(list(KINDS)))
        outcome = run(tmp_path, scenario, f"http://127.0.0.1:{server.port}", 20.0, users=4)
    assert kinds_of(tmp_path) == Counter(kind for kind in KINDS.values() for _client in range(2)), outcome.log
    # The texts are kept for readers.
    assert outcome.worker["errors"]["HTTP 503: connection refused, Request took too long"] == 2


def test_no_process_listens(tmp_path):
    with serve("127.0.0.1", respond) as server:
        port = server.port
    scenario = SCENARIO.replace("PATHS_OF_TEST", "['/plain/ok', '/text']")
    run(tmp_path, scenario, f"http://127.0.0.1:{port}", 1.0, users=4)
    # Without a response, a text of the scenario hides no cause.
    assert kinds_of(tmp_path) == {"refused": 4}
