"""An API that speaks HTTP/1.0 and closes each connection, behind the lab's HAProxy: Locust's clients measure it."""

import gzip
from http.server import BaseHTTPRequestHandler

import pytest

from bench.lib import packages
from bench.truth import haproxy
from tests.loadgen.locust_run import LOCUST, run, serve

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

LABEL = b'{"label": 1}'
# What is sent, its encoding, and how many bytes the client gets.
BODIES = {
    "/ready": (b"ok", None, 2),
    "/small": (LABEL, None, len(LABEL)),
    "/large": (bytes(1 << 20), None, 1 << 20),
    "/packed": (gzip.compress(LABEL), "gzip", len(LABEL)),
}
USERS = 4
SCENARIO = """
from locust import FastHttpUser, HttpUser, constant, task

def read_all(user):
    for path, size in SIZES.items():
        with user.client.get(path, catch_response=True) as response:
            if response.status_code == 200 and len(response.content) != size:
                response.failure(f"{len(response.content)} bytes")

class Fast(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def read(self):
        read_all(self)

class Plain(HttpUser):
    wait_time = constant(0.05)

    @task
    def read(self):
        read_all(self)
"""


def respond(handler: BaseHTTPRequestHandler) -> None:
    """Without a length: the end of the connection is the end of the body."""
    body, encoding, _ = BODIES[handler.path]
    handler.protocol_version, handler.close_connection = "HTTP/1.0", True
    handler.send_response(200)
    if encoding:
        handler.send_header("content-encoding", encoding)
    handler.end_headers()
    handler.wfile.write(body)


def test_an_api_of_http_1_0_is_measured(tmp_path):
    program = packages.find(*haproxy.PACKAGE)
    if program is None:
        pytest.skip("HAProxy is not installed: ./lab test installs it")
    sizes = {path: size for path, (_, _, size) in BODIES.items() if path != "/ready"}
    with serve("127.0.0.1", respond) as server:
        url, proxy = haproxy.start(program, tmp_path, server.port, [])
        try:
            found = run(tmp_path, f"SIZES = {sizes}\n{SCENARIO}", url, 1.0, USERS)
        finally:
            proxy.end()
    assert found.failures == {}
    assert set(sizes) <= set(found.rows)
    asked = sum(count for (_, path), count in server.asked.items() if path in sizes)
    # Locust may kill a user while it waits for its response.
    assert found.counted <= asked <= found.counted + USERS
    assert found.worker["requests"] >= found.counted > 2 * USERS
