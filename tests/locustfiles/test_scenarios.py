"""Every scenario in a real Locust process, copied as on a load host: its requests, and its checks of the responses."""

import csv
import gzip
import os
import shutil
import subprocess
import sys
import threading
from array import array
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.lib import load_host
from loadgen.shared.request_record import FIELDS, kind_name

ROOT = Path(__file__).parents[2]
LOCUST = shutil.which("locust", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
# The responses of the API, and the request that each scenario must send.
ANSWERS = {
    ("POST", "/predict"): b'{"predictions":[2],"model_version":"1"}',
    ("POST", "/normalize"): b'{"rows":1,"features":54}',
    ("GET", "/empty"): b'{"empty":true}',
}
CLOSED = {"predict.py": ("POST", "/predict"), "normalize.py": ("POST", "/normalize"), "empty.py": ("GET", "/empty")}
# An open-loop scenario sends the request of the closed one.
SCENARIOS = CLOSED | {name.replace(".py", "_open.py"): asked for name, asked in CLOSED.items()}
# The work of the conductor, reduced to one short probe.
ONE_PROBE = """
import gevent
from locust import events
from loadgen.common.workers import Workers, quit_locust
from loadgen.master.probes import Probes

def load(environment, probes):
    probes.wait_ready(1, 60)
    probes.run("constant", rate_rps=400.0, seconds_measure=0.5)
    quit_locust(environment, Workers(environment))

@events.init.add_listener
def on_init(environment, **_):
    gevent.spawn(load, environment, Probes(environment))
"""

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")


class Handler(BaseHTTPRequestHandler):
    """Returns the given responses, and stores the requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked = (self.command, self.path)
        with self.server.lock:
            self.server.asked[asked] += 1
            self.server.bodies.add(body)
            content = self.server.answers.get(asked, b"{}")
            if self.server.is_fickle:
                content = content.replace(b"}", b',"answer":%d}' % self.server.asked.total())
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815 (names of the library's)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Takes every connection: an open-loop load opens many at once when the machine was busy for a moment."""

    request_queue_size = 1024


def run(folder: Path, scenario: str, answers: dict, status: int = 200, is_fickle: bool = False, same: str = "1"):
    """Return (server, row of Locust's statistics) after a short load. A fickle API never repeats a response."""
    shutil.copytree(ROOT / "locustfiles", folder / "locust/locustfiles", ignore=shutil.ignore_patterns("__pycache__"))
    load_host.make(folder / "locust")
    (folder / "locust/one_probe.py").write_text(ONE_PROBE)
    files, users = f"{folder}/locust/locustfiles/{scenario},{folder}/locust/recorder.py", "2"
    if scenario.endswith("_open.py"):
        pytest.importorskip("hdrh", reason="hdrhistogram is not installed")
        pytest.importorskip("httptools", reason="httptools is not installed")
        files, users = (
            f"{folder}/locust/open_loop.py,{folder}/locust/locustfiles/{scenario},{folder}/locust/one_probe.py",
            "1",
        )
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"SWEEP_OUTPUT_DIR": str(folder), "SWEEP_WARMUP_SECONDS": "0", "SWEEP_MEASURE_SECONDS": "0.5"}
    env |= {"SWEEP_DRAIN_SECONDS": "30", "SWEEP_SAME_ANSWERS": same}
    with Server(("127.0.0.1", 0), Handler) as server:
        server.answers, server.status, server.is_fickle = answers, status, is_fickle
        server.asked, server.bodies, server.lock = Counter(), set(), threading.Lock()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [LOCUST, "-f", files, "--headless", "-u", users, "-r", users, "--csv", str(folder / "stats")]
        command += ["--host", f"http://127.0.0.1:{server.server_address[1]}", "--exit-code-on-error", "0"]
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    with (folder / "stats_stats.csv").open(newline="", encoding="utf-8") as file:
        (row,) = [row for row in csv.DictReader(file) if row["Name"] != "Aggregated"]
    return server, row


@pytest.fixture(scope="module", params=sorted(SCENARIOS))
def loaded(request, tmp_path_factory):
    """Return (scenario, server, row) after a load of an API without failures."""
    return request.param, *run(tmp_path_factory.mktemp("scenario"), request.param, ANSWERS)


def test_every_scenario_is_tried():
    assert {path.name for path in (ROOT / "locustfiles").glob("*.py")} == set(SCENARIOS)


def test_it_requests_one_endpoint_and_nothing_else(loaded):
    scenario, server, row = loaded
    assert set(server.asked) == {SCENARIOS[scenario]}
    assert (row["Type"], row["Name"]) == SCENARIOS[scenario]
    assert int(row["Request Count"]) == server.asked.total() > 0


def test_a_good_response_is_no_failure(loaded):
    assert int(loaded[2]["Failure Count"]) == 0


def test_rows_are_sent_where_rows_are_wanted(loaded):
    scenario, server, _ = loaded
    if SCENARIOS[scenario][0] == "GET":
        assert server.bodies == {b""}
    else:
        assert len(server.bodies) > 1
        assert all(body.startswith(b'{"rows":[{"Elevation":') for body in server.bodies)


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
@pytest.mark.parametrize(("answers", "status"), [({}, 200), (ANSWERS, 503)], ids=["without content", "status"])
def test_any_other_response_is_a_failure(tmp_path, scenario, answers, status):
    _, row = run(tmp_path, scenario, answers, status)
    assert int(row["Failure Count"]) == int(row["Request Count"]) > 0


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_the_same_request_must_get_the_same_response(tmp_path, scenario):
    server, row = run(tmp_path, scenario, ANSWERS, is_fickle=True)
    # All requests but the first with each body.
    again = server.asked.total() - len(server.bodies)
    assert int(row["Failure Count"]) == again > 0
    with (tmp_path / "stats_failures.csv").open(newline="", encoding="utf-8") as file:
        (failure,) = csv.DictReader(file)
    assert "the response differs from an earlier one to the same request" in failure["Error"]


# An open loop, which records no kinds in Locust's files, and users.
@pytest.mark.parametrize("scenario", ["predict.py", "predict_open.py"])
def test_an_image_of_another_may_answer_as_it_likes(tmp_path, scenario):
    _, row = run(tmp_path, scenario, ANSWERS, is_fickle=True, same="0")
    assert int(row["Failure Count"]) == 0 < int(row["Request Count"])


def test_a_response_that_differs_has_a_kind_of_its_own(tmp_path):
    server, _ = run(tmp_path, "predict.py", ANSWERS, is_fickle=True)
    (path,) = tmp_path.glob("named-requests-*.f64.gz")
    values = array("d")
    values.frombytes(gzip.decompress(path.read_bytes()))
    kinds = Counter(kind_name(outcome) for outcome in values[2::FIELDS])
    assert kinds["different_response"] == server.asked.total() - len(server.bodies) > 0
