"""Several users of a scenario in a real Locust process, and everything that the recorder kept of them."""

import gzip
import json
import threading
import time
from array import array
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from swarmsweep.shared.request_record import FIELDS, TASK_FIELDS
from tests.loadgen.locust_run import LOCUST, run, serve

__all__ = ["LOCUST", "PLAIN", "base_user", "run_users"]


def base_user(wait_seconds: float = 0.05, fixed_count: int | None = 1) -> str:
    """The text of an abstract user, Base."""
    count = "" if fixed_count is None else f"    fixed_count = {fixed_count}\n"
    return f"""
from locust import FastHttpUser, constant, task

class Base(FastHttpUser):
    abstract = True
{count}    wait_time = constant({wait_seconds})
"""


# A user that sends GET /ok again and again.
PLAIN = """
class Plain(Base):
    @task
    def ask(self):
        self.client.get("/ok")
"""


def respond(handler: BaseHTTPRequestHandler) -> None:
    """GET /ok, /status/<code>, /slow/<seconds>, /drip/<seconds> (a byte every 0.2 s)."""
    _, word, *rest = handler.path.split("/")
    try:
        if word == "slow":
            time.sleep(float(rest[0]))
        if word == "drip":
            _drip(handler, float(rest[0]))
        else:
            _send(handler, int(rest[0]) if word == "status" else 200, b'{"fine": 1}')
    except OSError:
        # The user was ended meanwhile.
        handler.close_connection = True


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _drip(handler: BaseHTTPRequestHandler, seconds: float) -> None:
    bytes_left = round(seconds / 0.2)
    handler.send_response(200)
    handler.send_header("content-length", str(bytes_left))
    handler.end_headers()
    for _ in range(bytes_left):
        handler.wfile.write(b".")
        time.sleep(0.2)


@dataclass
class Recorded:
    """What a run left: (start, ms, outcome) of requests, of those of ``on_start``, of timings that the scenario fired
    (``own``), of those that count as requests (``events``), and of tasks. ``counted`` is Locust's own number.
    """

    timeline: dict[str, Any]
    worker: dict[str, Any]
    requests: list[tuple[float, float, float]]
    setup: list[tuple[float, float, float]]
    own: list[tuple[float, float, float]]
    events: list[tuple[float, float, float]]
    tasks: list[tuple[float, float, float]]
    counted: int
    asked: int

    def inside(self, rows: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
        """Those that began in the window. Locust may kill a user that has just woken up, after it."""
        return [row for row in rows if self.timeline["window_start"] <= row[0] < self.timeline["window_end"]]

    def raised(self) -> dict[str, int]:
        """Executions of tasks that raised, by the text."""
        found: dict[str, int] = {}
        for _, _, outcome in self.tasks:
            if outcome >= 3:
                text = self.worker["exceptions"][int(outcome) - 3]
                found[text] = found.get(text, 0) + 1
        return found


def read_rows(path: Path, fields: int) -> list[tuple[float, ...]]:
    """Records of so many float64."""
    values = array("d")
    values.frombytes(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    return list(zip(*(values[index::fields] for index in range(fields)), strict=True))


def read_requests(path: Path) -> list[tuple[float, float, float]]:
    """Requests or own timings without their names: (start, ms, outcome)."""
    return [row[:3] for row in read_rows(path, FIELDS)]


def read_names(folder: Path, file: str) -> list[str]:
    """The name of each record of the worker in ``file``, or its number where it has no entry."""
    table = json.loads((folder / "worker-lab-load-0.json").read_text())["names"]
    return [table[int(row[3])] if row[3] >= 0 else str(row[3]) for row in read_rows(folder / file, FIELDS)]


def run_users(
    folder: Path,
    scenario: str,
    users: int = 2,
    measure_seconds: float = 1.0,
    drain_seconds: float = 30.0,
    **env: str,
) -> Recorded:
    """Load a server on loopback with a scenario's text."""
    lock, asked = threading.Lock(), []

    def count_and_respond(handler: BaseHTTPRequestHandler) -> None:
        with lock:
            asked.append(handler.path)
        respond(handler)

    with serve("127.0.0.1", count_and_respond) as server:
        outcome = run(folder, scenario, f"http://127.0.0.1:{server.port}", measure_seconds, users, drain_seconds, **env)
    return Recorded(
        timeline=json.loads((folder / "timeline.json").read_text()),
        worker=outcome.worker,
        requests=read_requests(folder / "named-requests-lab-load-0.f64.gz"),
        setup=read_requests(folder / "named-setup-lab-load-0.f64.gz"),
        own=read_requests(folder / "named-own-timings-lab-load-0.f64.gz"),
        events=read_requests(folder / "named-user-events-lab-load-0.f64.gz"),
        tasks=read_rows(folder / "tasks-lab-load-0.f64.gz", TASK_FIELDS),
        counted=outcome.counted,
        asked=len(asked),
    )
