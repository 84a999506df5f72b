"""Connections of users are kept where a process has more than 1,024 open files: a real Locust on loopback."""

from http.server import BaseHTTPRequestHandler

import pytest

from tests.loadgen.locust_run import LOCUST, run, serve

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

# The files stand for the connections of a thousand other users. The server ends a connection after a response of /last.
SCENARIO = """
import os
from locust import FastHttpUser, HttpUser, constant, task

FILES = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]

class Visitor({base}):
    wait_time = constant(0.05)

    @task
    def visit(self):
        self.client.get("{path}")
"""


def respond(handler: BaseHTTPRequestHandler) -> None:
    """/last ends the connection and does not say so."""
    handler.send_response(200)
    handler.send_header("content-length", "0")
    handler.end_headers()
    handler.close_connection = handler.path == "/last"


@pytest.mark.parametrize("base", ["FastHttpUser", "HttpUser"])
def test_a_user_has_one_connection(tmp_path, base):
    with serve("127.0.0.1", respond) as server:
        outcome = run(tmp_path, SCENARIO.format(base=base, path="/ok"), f"http://127.0.0.1:{server.port}", 1.0, users=2)
    assert server.asked["GET", "/ok"] > 10
    assert server.connections == 2
    assert outcome.failures == {}


def test_a_connection_that_the_server_has_ended_is_not_used_again(tmp_path):
    scenario = SCENARIO.format(base="FastHttpUser", path="/last")
    with serve("127.0.0.1", respond) as server:
        outcome = run(tmp_path, scenario, f"http://127.0.0.1:{server.port}", 1.0, users=2)
    assert server.connections >= server.asked["GET", "/last"] > 10
    assert outcome.failures == {}
    assert outcome.worker["retries"] == 0
