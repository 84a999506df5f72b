"""wrk: its figures as it really printed them, and a real run against a server of this machine."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.lib import wrk
from swarmsweep.errors import LabError

DATA = Path(__file__).parent / "data"
FIGURES = (
    '{"requests": %s, "duration_us": %s, "p50_us": 5, "p99_us": 9, "status": 0, "connect": 0, "read": 0, "write": 0, '
)
FIGURES += '"timeout": 0}'


def test_figures():
    load = wrk.parse((DATA / "wrk-4.1.0-get.txt").read_text(), client_cpu_seconds=0.25)
    assert load.errors == {}
    assert load.seconds == pytest.approx(1, rel=0.2)
    # wrk's own text says the same, rounded.
    text = (DATA / "wrk-4.1.0-get.txt").read_text()
    assert f"{load.requests} requests in" in text
    assert load.rps == pytest.approx(float(text.partition("Requests/sec:")[2].split()[0]), rel=0.01)
    assert 0 < load.p50_ms <= load.p99_ms
    assert load.client_cpu_seconds == 0.25


def test_responses_that_are_errors_are_counted():
    load = wrk.parse((DATA / "wrk-4.1.0-errors.txt").read_text())
    assert load.errors["status"] == load.requests


@pytest.mark.parametrize(
    "output",
    ["", "\n", "unable to connect to 127.0.0.1:1 Connection refused", "{}", '{"requests": 5}', "[]", "nil\n7"],
)
def test_other_output_is_refused(output):
    with pytest.raises(LabError, match="did not print its figures"):
        wrk.parse(output)


@pytest.mark.parametrize(("requests", "duration"), [(0, 1_000_000), (5, 0)])
def test_a_run_without_responses_is_refused(requests, duration):
    with pytest.raises(LabError, match=f"{requests} responses"):
        wrk.parse("some text\n" + FIGURES % (requests, duration))


def test_address_is_judged_before_anything_runs():
    with pytest.raises(LabError, match=r"192\.0\.2\.1"):
        wrk.run("http://192.0.2.1:80/", 1, None, 0)


class Recorder(BaseHTTPRequestHandler):
    """Notes the requests, and returns 200 for the paths that it knows."""

    protocol_version = "HTTP/1.1"
    seen: set[tuple[str, str, bytes]]

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.add((self.command, self.headers.get("Content-Type", ""), body))
        self.send_response(200 if self.path == "/known" else 404)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = respond  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Not to the test's output."""


@pytest.fixture
def server(wrk_program):
    handler = type("Handler", (Recorder,), {"seen": set()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", handler.seen
        running.shutdown()
        thread.join()


def test_all_bodies_are_sent_as_json(server, tmp_path):
    url, seen = server
    bodies = tmp_path / "bodies"
    bodies.write_text('{"row": 1}\n{"row": 2}\n{"row": 3}\n')
    load = wrk.run(f"{url}/known", 1, bodies, 0)
    assert load.errors == {}
    assert load.client_cpu_seconds > 0
    assert seen == {("POST", "application/json", f'{{"row": {row}}}'.encode()) for row in (1, 2, 3)}


def test_get_without_bodies(server):
    url, seen = server
    assert wrk.run(f"{url}/known", 1, None, 0).requests > 0
    assert seen == {("GET", "", b"")}


def test_each_response_without_success_is_an_error(server):
    url, _ = server
    load = wrk.run(f"{url}/unknown", 1, None, 0)
    assert load.errors["status"] == load.requests
