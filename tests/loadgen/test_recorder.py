"""The recorder in real Locust processes on loopback: its files, Locust's own files and the server's count agree."""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.dependencies.processes import free_port
from tests.loadgen.users_run import read_requests

ROOT = Path(__file__).parents[2]
LOCUSTFILES = f"{ROOT / 'locustfiles/predict.py'},{ROOT / 'loadgen/entry/recorder.py'}"
LOCUST = shutil.which("locust", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
WARMUP_SECONDS, MEASURE_SECONDS, USERS = 0.5, 3.0, 10

pytestmark = pytest.mark.skipif(LOCUST is None, reason="locust is not installed")


class Server(ThreadingHTTPServer):
    """Responds to POST /predict after ``delay_seconds``, to every tenth with 503, and counts the responses."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, delay_seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.delay_seconds = delay_seconds
        self.lock = threading.Lock()
        self.answered = self.failed = 0
        self.bodies: set[bytes] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.server.delay_seconds)
        with self.server.lock:
            self.server.answered += 1
            self.server.bodies.add(body)
            fail = self.server.answered % 10 == 0
            self.server.failed += fail
            served_by = "even/1" if self.server.answered % 2 == 0 else "odd/2"
        answer = b'{"predictions":[2],"model_version":"1"}'
        self.send_response(503 if fail else 200)
        self.send_header("content-length", str(len(answer)))
        self.send_header("x-served-by", served_by)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(getattr(request, "param", 0.9)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def environment(directory: Path, index: int | None = None, **extra: str) -> dict[str, str]:
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    env |= {"SWEEP_OUTPUT_DIR": str(directory), "SWEEP_HOST": "lab-load", "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {"SWEEP_WARMUP_SECONDS": str(WARMUP_SECONDS), "SWEEP_MEASURE_SECONDS": str(MEASURE_SECONDS)}
    env |= {"SWEEP_DRAIN_SECONDS": "30", "PYTHONPATH": str(ROOT)}
    return env | ({} if index is None else {"SWEEP_WORKER_INDEX": str(index)}) | extra


def start(
    directory: Path, *arguments: str, index: int | None = None, files: str = LOCUSTFILES, **extra: str
) -> subprocess.Popen:
    """Locust in a clean directory: it would read a configuration from the current one."""
    command = [LOCUST, "-f", files, "--exit-code-on-error", "0", *arguments]
    with (directory / f"{'master' if index is None else f'worker-{index}'}.log").open("wb") as log:
        return subprocess.Popen(
            command, env=environment(directory, index, **extra), cwd=directory, stdout=log, stderr=subprocess.STDOUT
        )


def load(directory: Path, url: str) -> list[str]:
    users = ["-u", str(USERS), "-r", str(USERS), "--host", url]
    return ["--headless", *users, "--csv", str(directory / "stats"), "--only-summary"]


def run_distributed(
    stack: ExitStack, directory: Path, url: str, workers: int, files: str = LOCUSTFILES, **extra: str
) -> list[subprocess.Popen]:
    """A master and its workers; the master is the first."""
    port = str(free_port())
    master = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
    master += ["--expect-workers", str(workers), "--expect-workers-max-wait", "60"]
    processes = [start(directory, *master, *load(directory, url), files=files, **extra)]
    worker = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
    processes += [start(directory, *worker, index=index, files=files) for index in range(workers)]
    for process in processes:
        stack.callback(process.wait)
        stack.callback(process.kill)
    return processes


def finish(processes: list[subprocess.Popen], directory: Path) -> None:
    for process in processes:
        try:
            assert process.wait(90) == 0, "\n".join(log.read_text()[-2000:] for log in directory.glob("*.log"))
        except subprocess.TimeoutExpired:
            pytest.fail("\n".join(log.read_text()[-2000:] for log in directory.glob("*.log")))


def read_stats(directory: Path) -> dict[str, str]:
    with (directory / "stats_stats.csv").open(newline="", encoding="utf-8") as file:
        (row,) = [row for row in csv.DictReader(file) if row["Name"] == "/predict"]
    return row


def check_totals(directory: Path, server: Server, workers: int) -> dict:
    """Server, recorder, timeline and Locust's CSV have counted the same requests; returns the timeline."""
    files = sorted(path.name for path in directory.glob("named-requests-*"))
    assert files == [f"named-requests-lab-load-{index}.f64.gz" for index in range(workers)]
    recorded = [row for name in files for row in read_requests(directory / name)]
    timeline = json.loads((directory / "timeline.json").read_text())
    summaries = [json.loads((directory / f"worker-lab-load-{index}.json").read_text()) for index in range(workers)]
    stats = read_stats(directory)
    assert server.answered > 0
    assert len(recorded) == server.answered == int(stats["Request Count"])
    assert sum(summary["requests"] for summary in summaries) == server.answered
    assert timeline["requests_recorded"] == timeline["requests_reported"] == server.answered

    failed = sum(1 for _, _, ok in recorded if ok == 503.0)
    assert failed == server.failed == int(stats["Failure Count"])
    assert sum(sum(summary["errors"].values()) for summary in summaries) == failed
    assert {text for summary in summaries for text in summary["errors"]} <= {"status 503"}

    # Starts are epoch seconds within the test, latencies at least what the server took.
    assert all(timeline["spawn_started"] - 1 <= begun <= timeline["stopped"] for begun, _, _ in recorded)
    assert all(latency_ms >= server.delay_seconds * 1000 for _, latency_ms, _ in recorded)
    # Locust's percentiles come from the same latencies, rounded to 0.1 ms instead of two digits.
    latencies_ms = sorted(latency_ms for _, latency_ms, _ in recorded)
    assert float(stats["100%"]) == pytest.approx(latencies_ms[-1], abs=0.051)
    near = [latencies_ms[math.floor(len(latencies_ms) * 0.95) + shift] for shift in (-1, 0)]
    assert near[0] - 0.051 <= float(stats["95%"]) <= near[1] + 0.051
    # Failed requests are included, because they have responses too.
    served_by = sum((Counter(summary["served_by"]) for summary in summaries), Counter())
    assert served_by == {"even/1": server.answered // 2, "odd/2": server.answered - server.answered // 2}
    for summary in summaries:
        assert summary["schema"] == 1
        moments = [moment for moment, percent in summary["cpu_percent"] if percent >= 0]
        assert moments == sorted(moments) != []
        assert len(moments) == len(summary["cpu_percent"])
    assert not list(directory.glob(".*"))
    return timeline


def check_order(timeline: dict) -> None:
    moments = ["spawn_started", "spawn_complete", "window_start", "window_end", "stopped"]
    values = [timeline[moment] for moment in moments]
    assert values == sorted(values)
    assert timeline["window_start"] - timeline["spawn_complete"] >= WARMUP_SECONDS
    assert timeline["window_end"] - timeline["window_start"] >= MEASURE_SECONDS


def test_master_and_two_workers_lose_nothing_of_slow_responses(server, tmp_path):
    with ExitStack() as stack:
        finish(run_distributed(stack, tmp_path, server.url, workers=2), tmp_path)
    timeline = check_totals(tmp_path, server, workers=2)
    check_order(timeline)
    facts = {"schema": 1, "users": USERS, "workers_expected": 2, "workers_connected": 2, "workers_lost": 0}
    assert timeline.items() >= facts.items()
    assert timeline["locust_version"].count(".") == 2
    assert len(server.bodies) > 1


@pytest.mark.parametrize("server", [0.005], indirect=True)
def test_alone_without_workers(server, tmp_path):
    with ExitStack() as stack:
        process = start(tmp_path, *load(tmp_path, server.url), SWEEP_WORKER_INDEX="0")
        stack.callback(process.wait)
        stack.callback(process.kill)
        finish([process], tmp_path)
    timeline = check_totals(tmp_path, server, workers=1)
    check_order(timeline)
    assert timeline.items() >= {"workers_expected": 1, "workers_connected": 1, "workers_lost": 0}.items()


SILENT = """
from locust import User, constant, task

class SilentUser(User):
    wait_time = constant(0.1)

    @task
    def ask(self):
        self.environment.events.request.fire(
            request_type="GET", name="x", response_time=1.0, response_length=0, exception=None, context={}
        )
"""


def test_the_replica_is_unknown_where_the_client_shows_no_headers(tmp_path):
    (tmp_path / "silent.py").write_text(SILENT)
    files = f"{tmp_path / 'silent.py'},{LOCUSTFILES.partition(',')[2]}"
    with ExitStack() as stack:
        process = start(tmp_path, *load(tmp_path, "http://127.0.0.1"), files=files, SWEEP_WORKER_INDEX="0")
        stack.callback(process.wait)
        stack.callback(process.kill)
        finish([process], tmp_path)
    summary = json.loads((tmp_path / "worker-lab-load-0.json").read_text())
    assert summary["own_timings"] > 0 == summary["requests"]
    assert summary["served_by"] is None


@pytest.mark.parametrize("server", [0.01], indirect=True)
def test_locust_waits_for_the_order_to_begin(server, tmp_path):
    with ExitStack() as stack:
        order = tmp_path / "start"
        processes = run_distributed(stack, tmp_path, server.url, workers=2, SWEEP_START_FILE=str(order))
        deadline = time.monotonic() + 60
        while (tmp_path / "master.log").read_text().count("reported as ready") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert server.answered == 0
        assert not (tmp_path / "timeline.json").exists()
        ordered = time.time()
        order.touch()
        finish(processes, tmp_path)
    timeline = check_totals(tmp_path, server, workers=2)
    check_order(timeline)
    assert timeline["spawn_started"] >= ordered


@pytest.mark.parametrize("server", [0.05], indirect=True)
def test_lost_worker_is_counted_and_the_rest_goes_on(server, tmp_path):
    with ExitStack() as stack:
        master, survivor, victim = run_distributed(stack, tmp_path, server.url, workers=2)
        deadline = time.monotonic() + 60
        while server.answered < 3 * USERS:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        victim.kill()
        finish([master, survivor], tmp_path)
    timeline = json.loads((tmp_path / "timeline.json").read_text())
    check_order(timeline)
    assert timeline.items() >= {"workers_connected": 2, "workers_lost": 1}.items()
    kept = read_requests(tmp_path / "named-requests-lab-load-0.f64.gz")
    assert len(kept) == timeline["requests_recorded"]
    # What the dead worker had written is still there.
    assert (tmp_path / "named-requests-lab-load-1.f64").stat().st_size % 32 == 0


def test_test_that_is_ended_early_says_so(server, tmp_path):
    with ExitStack() as stack:
        processes = run_distributed(stack, tmp_path, server.url, workers=1)
        deadline = time.monotonic() + 60
        while server.answered < USERS:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        processes[0].terminate()
        for process in processes:
            process.wait(90)
    timeline = json.loads((tmp_path / "timeline.json").read_text())
    assert timeline["spawn_complete"] is not None
    assert timeline["window_end"] is None
    assert len(read_requests(tmp_path / "named-requests-lab-load-0.f64.gz")) >= USERS


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SWEEP_OUTPUT_DIR", "", "SWEEP_OUTPUT_DIR is not set"),
        # Locust continues without a listener that failed.
        ("SWEEP_OUTPUT_DIR", "/proc/1/cmdline/out", "recorder: NotADirectoryError"),
        ("SWEEP_MEASURE_SECONDS", "", "SWEEP_MEASURE_SECONDS is ''"),
        ("SWEEP_WARMUP_SECONDS", "-1", "SWEEP_WARMUP_SECONDS is '-1'"),
        ("SWEEP_DRAIN_SECONDS", "inf", "SWEEP_DRAIN_SECONDS is 'inf'"),
        ("SWEEP_MEASURE_SECONDS", "nan", "SWEEP_MEASURE_SECONDS is 'nan'"),
        ("LOCUST_WAIT_MIN_SECONDS", "9", "LOCUST_WAIT_MIN_SECONDS is '9' and LOCUST_WAIT_MAX_SECONDS is '4'; allowed"),
        ("LOCUST_WAIT_MIN_SECONDS", "soon", "LOCUST_WAIT_MIN_SECONDS is 'soon'"),
        ("LOCUST_WAIT_MIN_SECONDS", "", "LOCUST_WAIT_MIN_SECONDS is ''"),
    ],
)
def test_bad_settings_end_it_before_any_request(server, tmp_path, name, value, message):
    extra = {"LOCUST_WAIT_MAX_SECONDS": "4"} if name.startswith("LOCUST") else {}
    process = start(tmp_path, *load(tmp_path, server.url), **{name: value}, **extra)
    try:
        assert process.wait(60) != 0
    finally:
        process.kill()
    assert message in (tmp_path / "master.log").read_text()
    assert server.answered == 0
