"""A scenario in a real Locust process with the recorder, against a real server on loopback, and what was recorded."""

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from array import array
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "roles/locust_host/files"
LOCUST = shutil.which("locust", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")


class Handler(BaseHTTPRequestHandler):
    """GET /ok, /status/<code>, /slow/<seconds>, /drip/<seconds> (a byte every 0.2 s); counts requests by path."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        _, word, *rest = self.path.split("/")
        with self.server.lock:
            self.server.asked.append(self.path)
        try:
            if word == "slow":
                time.sleep(float(rest[0]))
            if word == "drip":
                self._drip(float(rest[0]))
            else:
                self._respond(int(rest[0]) if word == "status" else 200, b'{"fine": 1}')
        except OSError:
            # The user was ended meanwhile.
            self.close_connection = True

    def _respond(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, seconds: float) -> None:
        bytes_left = round(seconds / 0.2)
        self.send_response(200)
        self.send_header("content-length", str(bytes_left))
        self.end_headers()
        for _ in range(bytes_left):
            self.wfile.write(b".")
            time.sleep(0.2)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Recorded:
    """What a run left. ``requests`` and ``tasks`` are (start, ms, outcome); ``counted`` is Locust's own number."""

    timeline: dict[str, Any]
    worker: dict[str, Any]
    requests: list[tuple[float, float, float]]
    tasks: list[tuple[float, float, float]]
    counted: int
    asked: list[str]
    log: str

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


def read_rows(path: Path) -> list[tuple[float, float, float]]:
    """Records of three float64."""
    values = array("d")
    values.frombytes(gzip.decompress(path.read_bytes()))
    return list(zip(values[0::3], values[1::3], values[2::3], strict=True))


def run_users(folder: Path, scenario: str, users: int = 2, measure_seconds: float = 1.0, drain_seconds: float = 30.0):
    """Load a server with a scenario's text, without workers; all users at once, no warm-up."""
    (folder / "mine.py").write_text(scenario)
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"SWEEP_OUTPUT_DIR": str(folder / "out"), "SWEEP_HOST": "lab-load", "SWEEP_WORKER_INDEX": "0"}
    env |= {"SWEEP_WARMUP_SECONDS": "0", "SWEEP_MEASURE_SECONDS": str(measure_seconds)}
    env |= {"SWEEP_DRAIN_SECONDS": str(drain_seconds), "PYTHONDONTWRITEBYTECODE": "1"}
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads, server.lock, server.asked = True, threading.Lock(), []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [LOCUST, "-f", f"{folder}/mine.py,{PROGRAMS}/recorder.py", "--headless", "--exit-code-on-error", "0"]
        command += ["-u", str(users), "-r", str(users), "--csv", str(folder / "stats"), "--only-summary"]
        command += ["--host", f"http://127.0.0.1:{server.server_address[1]}"]
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    with (folder / "stats_stats.csv").open(newline="", encoding="utf-8") as file:
        counted = next(int(row["Request Count"]) for row in csv.DictReader(file) if row["Name"] == "Aggregated")
    out = folder / "out"
    return Recorded(
        timeline=json.loads((out / "timeline.json").read_text()),
        worker=json.loads((out / "worker-lab-load-0.json").read_text()),
        requests=read_rows(out / "requests-lab-load-0.f64.gz"),
        tasks=read_rows(out / "tasks-lab-load-0.f64.gz"),
        counted=counted,
        asked=server.asked,
        log=done.stderr,
    )
