"""Requesting metrics of replicas: a real server on loopback, entered as a container's network would be."""

from __future__ import annotations

import os
import shutil
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible.module_utils import container_metrics

RECORDED = Path(__file__).parents[1] / "data" / "prometheus-client-0.26.0" / "metrics-aaaaaaaaaaaa.prom"
TEXT = RECORDED.read_text()
OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\n"


def may_enter() -> bool:
    """Whether this process may enter a network, as root on a host may."""
    command = ["nsenter", f"--target={os.getpid()}", "--net", "--", "true"]
    return shutil.which("nsenter") is not None and subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def entering(tmp_path, monkeypatch):
    """nsenter. Where this process may not enter a network, a command of that name that runs its last arguments."""
    if may_enter():
        return
    (tmp_path / "nsenter").write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n')
    (tmp_path / "nsenter").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def server():
    """server(response) -> port of a server that reads a request and sends these bytes. None sends nothing."""
    running = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline().strip():
                pass
            if self.server.answer is None:
                time.sleep(30)
                return
            self.wfile.write(self.server.answer)

    def start(answer):
        found = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        found.daemon_threads, found.block_on_close, found.answer = True, False, answer
        threading.Thread(target=found.serve_forever, daemon=True).start()
        running.append(found)
        return found.server_address[1]

    yield start
    for found in running:
        found.shutdown()
        found.server_close()


def with_length(body: bytes) -> bytes:
    return OK + f"content-length: {len(body)}\r\n\r\n".encode() + body


def test_the_text_is_kept_as_it_is(entering, server):
    port = server(with_length(TEXT.encode()))
    assert container_metrics.request_metrics(os.getpid(), port) == (TEXT, None)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "status 404"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n", "status 302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0"),
        (b"", "closed connection"),
        (OK + b"content-length: 9\r\n\r\n12345", "the response ended 4 bytes early"),
    ],
)
def test_an_invalid_metrics_response_is_reported_and_no_failure(entering, server, answer, words):
    port = server(answer)
    text, problem = container_metrics.request_metrics(os.getpid(), port)
    assert text is None
    assert problem.startswith(f"GET /metrics on its port {port}: ")
    assert words in problem


def test_more_than_the_limit_is_not_kept(entering, server, monkeypatch):
    monkeypatch.setattr(container_metrics, "MAX_BYTES", 1000)
    assert container_metrics.request_metrics(os.getpid(), server(with_length(b"#" * 1001)))[1].endswith(
        "more than 1000 bytes"
    )
    assert container_metrics.request_metrics(os.getpid(), server(with_length(b"#" * 1000))) == ("#" * 1000, None)
    # Without a length, as in a stream without end.
    assert container_metrics.request_metrics(os.getpid(), server(OK + b"\r\n" + b"#" * 5000))[1].endswith(
        "more than 1000 bytes"
    )


def test_no_process_listens(entering, server):
    port = server(b"")
    closed = container_metrics.request_metrics(os.getpid(), 1)
    assert closed[0] is None and "Connection refused" in closed[1]
    assert port != 1


def test_a_replica_that_hangs_times_out(entering, server):
    problem = container_metrics.request_metrics(os.getpid(), server(None), deadline_seconds=1)[1]
    assert problem.endswith(("no response within 1 s", "timed out"))


def test_a_process_that_is_gone_is_reported():
    gone = subprocess.Popen(["true"])
    gone.wait()
    text, problem = container_metrics.request_metrics(gone.pid, 8000)
    assert text is None
    assert problem.startswith("GET /metrics on its port 8000: ")


def test_a_host_without_nsenter_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "nsenter cannot be started: No such file" in container_metrics.request_metrics(os.getpid(), 8000)[1]


def row(slot: int, name: str, node: str = "lab-api") -> dict:
    return {"id": name * 64, "slot": slot, "node": node}


def test_every_replica_gets_a_request_and_those_without_metrics_are_named(entering, server, golden):
    port = server(with_length(TEXT.encode()))
    rows = [row(1, "a"), row(2, "b"), row(3, "c", "lab-api-2"), row(4, "d", "lab-api-2"), row(5, "e")]
    documents = [
        {"Id": "a" * 64, "State": {"Pid": os.getpid()}},
        {"Id": "b" * 64, "State": {"Pid": 0}},  # it has ended since
        {"Id": "e" * 64, "State": {"Pid": os.getpid()}},
        {"Id": "f" * 64, "State": {"Pid": 0}},  # one that died, and has no row
    ]
    texts, problem = container_metrics.collect(rows, documents, port)
    assert texts == {"a" * 64: TEXT, "e" * 64: TEXT}
    golden("container_metrics.txt", f"{problem}\n")
    assert "replica 2: " in problem and "replica 3, 4: " in problem and "lab-api-2" in problem
    # Another host has read its metrics, or says why there are none.
    others = {"c" * 64: None, "d" * 64: "GET /metrics on its port 8000: status 404"}
    _, rest = container_metrics.collect(rows[2:4], documents, port, others)
    assert rest == "replica 4: GET /metrics on its port 8000: status 404"
    assert container_metrics.collect(rows[:1], documents, port) == ({"a" * 64: TEXT}, None)
    assert container_metrics.collect([], [], port) == ({}, None)


PRIVATE_SERVER = f"""
import http.server, subprocess
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open({str(RECORDED)!r}, "rb").read() if self.path == "/metrics" else b""
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", 8000), Handler)
print("listening", flush=True)
server.serve_forever()
"""


@pytest.mark.skipif(
    not may_enter() or not shutil.which("ip") or subprocess.run(["unshare", "--net", "true"]).returncode != 0,
    reason="this machine does not let this process make and enter networks",
)
def test_a_server_that_only_its_own_network_reaches_gets_the_request():
    command = ["unshare", "--net", sys.executable, "-c", PRIVATE_SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as container:
        try:
            assert container.stdout.readline() == b"listening\n"
            assert container_metrics.request_metrics(container.pid, 8000) == (TEXT, None)
        finally:
            container.kill()
