"""Writes the folder locust/ beside it: a search for the capacity of a server whose capacity is known.

Run in the repository: PYTHONPATH=. python tests/data/open-loop-2.47.0/record.py, where locust and the packages of
roles/locust_host/files/requirements.in are installed, on two cores that do nothing else. It takes a minute.

The server serves one request after the other, each for exactly `SERVICE_MS`, so 100 requests a second; requests come at
random (a queue M/D/1). Server, Locust's master and two workers are processes on loopback, started as a load host does.

The seed is one of those with which the queue's arithmetic lets so short a search end with a verified rate; with many
others it ends without. The files show how a search is read, and prove nothing about how well one finds the truth.
"""

import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.lib import load_host

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SERVICE_MS, WORKERS = 10, 2
ORDER = {
    "profile": "smoke",
    "slo": {"p95_ms": 100, "max_failure_percent": 1},
    "arrivals": "poisson",
    "timeout_seconds": 1.0,
    "seed": 14,
    "workers": WORKERS,
    "connections": 6,
    "max_rps": None,
}
# Its history and logs contain nothing that is not in the other files.
KEPT = ("capacity.json", "timeline.json", "trial-*.json", "open-requests-*.f64.gz", "stats_stats.csv")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def record(folder: Path) -> None:
    """Search, and leave the files of the master and the workers in ``folder``/out."""
    home, out = folder / "home", folder / "out"
    load_host.make(home)
    for path in (ROOT / "locustfiles").glob("predict*.py"):
        shutil.copy(path, home)
    out.mkdir()
    server = [sys.executable, str(ROOT / "bench/slot_server.py"), "--service-ms", str(SERVICE_MS), "--slots", "1"]
    with ExitStack() as stack:
        serving = stack.enter_context(subprocess.Popen(server, stdout=subprocess.PIPE, text=True))
        stack.callback(serving.send_signal, signal.SIGTERM)
        url, port = f"http://127.0.0.1:{int(serving.stdout.readline())}", str(free_port())
        scenario = f"{home}/open_loop.py,{home}/predict_open.py"
        master = ["-f", f"{scenario},{home}/conductor.py", "--master", "--master-bind-port", port, "--headless"]
        master += ["--expect-workers", str(WORKERS), "-u", str(WORKERS), "-r", str(WORKERS), "--host", url]
        master += ["--csv", str(out / "stats"), "--only-summary"]
        worker = ["-f", scenario, "--worker", "--master-host", "127.0.0.1", "--master-port", port]
        settings = os.environ | {"SWEEP_OUTPUT_DIR": str(out), "SWEEP_HOST": "lab-load"}
        orders = [(master, {"SWEEP_SEARCH": json.dumps(ORDER)})]
        orders += [(worker, {"SWEEP_WORKER_INDEX": str(index)}) for index in range(WORKERS)]
        started = [start_locust(stack, arguments, settings | own) for arguments, own in orders]
        for process in started:
            process.wait(180)


def start_locust(stack: ExitStack, arguments: list[str], settings: dict[str, str]) -> subprocess.Popen:
    """A process that ends with the ``stack``."""
    command = [str(Path(sys.executable).with_name("locust")), *arguments, "--exit-code-on-error", "0"]
    process = subprocess.Popen(command, env=settings, cwd=settings["SWEEP_OUTPUT_DIR"])
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


def keep(source: Path, target: Path) -> None:
    """The files that tests read; those of requests packed as small as they get."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for path in sorted(found for pattern in KEPT for found in source.glob(pattern)):
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.compress(gzip.decompress(data), mtime=0)
        (target / path.name).write_bytes(data)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        record(Path(name))
        keep(Path(name) / "out", HERE / "locust")
