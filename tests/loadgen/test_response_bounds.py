"""Endless and huge responses in a real Locust process: they fail with a reason, and the process stays small."""

import gzip
import json
import time

import pytest

from tests.loadgen.locust_run import LOCUST, run, serve

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")

MIB = 1 << 20
# Far above what Locust itself takes, far below what a bomb unpacks to.
BOMB_MIB, MAX_RESIDENT_MIB = 600, 300
TOO_LONG, TOO_SLOW = "response longer than 16 MiB", "response not complete 2 s after its first bytes"
EXPECTED = {
    "/small": None,
    "/packed": None,
    "/packed-br": None,
    "/sixteen": None,
    "/bomb": TOO_LONG,
    "/bomb-br": TOO_LONG,
    "/long": TOO_LONG,
    "/endless": TOO_LONG,
    "/drip": TOO_SLOW,
    # The connection that is kept has its own time-out again.
    "/small-again": None,
}
SCENARIO = """
import json, re
from loadgen.closed import response_bounds
from locust import FastHttpUser, HttpUser, constant, events, task

response_bounds.MAX_SECONDS = 2.0

class AnyUser({client}):
    wait_time = constant(0)

    def on_start(self):
        for path in {paths}:
            self.client.get(path)

    @task
    def nothing(self):
        pass

@events.quitting.add_listener
def note(**_):
    # ru_maxrss also has the peak of the process that started this one.
    peak = int(re.search("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read())[1]) // 1024
    open("peak.json", "w").write(json.dumps(peak))
"""


def bodies():
    brotli = pytest.importorskip("brotli", reason="brotli is not installed")
    packed = brotli.Compressor(quality=1)
    part = bytes(MIB)
    bomb_br = b"".join([packed.process(part) for _ in range(BOMB_MIB)]) + packed.finish()
    return {
        "/small": (b"ok", None),
        "/small-again": (b"ok", None),
        "/packed": (gzip.compress(b"ok"), "gzip"),
        "/packed-br": (brotli.compress(b"ok"), "br"),
        "/sixteen": (bytes(16 * MIB - 1000), None),
        "/bomb": (gzip.compress(bytes(BOMB_MIB * MIB), 1), "gzip"),
        "/bomb-br": (bomb_br, "br"),
        "/long": (bytes(17 * MIB), None),
    }


@pytest.fixture(scope="module")
def known():
    return bodies()


@pytest.fixture(scope="module", params=["FastHttpUser", "HttpUser"])
def outcome(request, known, tmp_path_factory):
    def respond(handler):
        content, encoding = known.get(handler.path, (None, None))
        handler.send_response(200)
        if encoding:
            handler.send_header("content-encoding", encoding)
        if content is not None:
            handler.send_header("content-length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
            return
        handler.send_header("connection", "close")
        handler.end_headers()
        if handler.path == "/drip":
            # Bounded: a client without a deadline would read until then.
            for _ in range(60):
                handler.wfile.write(b"x")
                time.sleep(0.1)
        else:
            for _ in range(64):
                handler.wfile.write(bytes(MIB))

    scenario = SCENARIO.format(client=request.param, paths=list(EXPECTED))
    with serve("127.0.0.1", respond) as server:
        # All of on_start must fit into the probe of one user and this window, on a busy machine too.
        yield run(tmp_path_factory.mktemp("run"), scenario, f"http://127.0.0.1:{server.port}", 6.0)


@pytest.mark.parametrize("path", EXPECTED)
def test_a_response_beyond_a_bound_fails_and_says_which(outcome, path):
    texts = outcome.failures.get(path, set())
    assert outcome.rows[path]["Request Count"] == "1"
    if EXPECTED[path] is None:
        assert texts == set()
    else:
        (text,) = texts
        assert EXPECTED[path] in text


def test_nothing_is_unpacked_beyond_the_bound(outcome):
    assert json.loads((outcome.folder / "peak.json").read_text()) < MAX_RESIDENT_MIB
