"""A scenario in a real Locust process with the recorder, against servers of this process; tests of both use it."""

import csv
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDER = ROOT / "loadgen/entry/recorder.py"
LOCUST = shutil.which("locust", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")


class Server(ThreadingHTTPServer):
    """Counts connections, and requests by method and path."""

    daemon_threads = True
    # All users connect at once.
    request_queue_size = 128

    def __init__(self, address: str, respond: Callable[[BaseHTTPRequestHandler], None]) -> None:
        super().__init__((address, 0), Handler)
        self.respond = respond
        self.connections = 0
        self.lock = threading.Lock()
        self.asked: Counter[tuple[str, str]] = Counter()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def handle_error(self, *_: object) -> None:
        """Print nothing: in some tests, the client closes the connection early."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def handle_any(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        # One thread for each connection: without the lock, two of them would count one request.
        with self.server.lock:
            self.server.asked[self.command, self.path] += 1
        self.server.respond(self)

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815 (names of the library's)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(address: str, respond: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Server]:
    with Server(address, respond) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@dataclass
class Outcome:
    """``rows`` are Locust's statistics by name, ``failures`` its texts of failures by name.

    ``counted`` is Locust's own number of requests.
    """

    rows: dict[str, dict[str, str]]
    failures: dict[str, set[str]]
    worker: dict
    folder: Path
    log: str
    counted: int


def run(
    folder: Path,
    scenario: str,
    host: str,
    measure_seconds: float,
    users: int = 1,
    drain_seconds: float = 30,
    before: str = "",
    **env: str,
) -> Outcome:
    """All users of ``scenario`` at once, without warm-up and without workers; their last requests may end.

    ``before`` is a file of loadgen/entry/ that is loaded before the scenario.
    """
    (folder / "scenario.py").write_text(scenario)
    given = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given |= {"SWEEP_OUTPUT_DIR": str(folder), "SWEEP_HOST": "lab-load", "SWEEP_WORKER_INDEX": "0"}
    given |= {"SWEEP_WARMUP_SECONDS": "0", "SWEEP_MEASURE_SECONDS": str(measure_seconds)}
    given |= {"SWEEP_DRAIN_SECONDS": str(drain_seconds), **env}
    given |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    files = [*([RECORDER.with_name(before)] if before else []), folder / "scenario.py", RECORDER]
    command = [LOCUST, "-f", ",".join(map(str, files)), "--headless"]
    command += [
        "-u",
        str(users),
        "-r",
        str(users),
        "--csv",
        str(folder / "stats"),
        "--host",
        host,
        "--exit-code-on-error",
        "0",
    ]
    done = subprocess.run(command, env=given, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    failures: dict[str, set[str]] = {}
    for row in _rows(folder / "stats_failures.csv"):
        failures.setdefault(row["Name"], set()).add(row["Error"])
    *entries, total = _rows(folder / "stats_stats.csv")
    worker = json.loads((folder / "worker-lab-load-0.json").read_text())
    return Outcome(
        {row["Name"]: row for row in entries}, failures, worker, folder, done.stderr, int(total["Request Count"])
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
