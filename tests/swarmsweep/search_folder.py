"""An attempt in capacity mode: the search of tests/data/open-loop-2.47.0, and what the lab records around it."""

import json
import shutil
from pathlib import Path
from typing import Any

from run_folder import MIB, Run, put, show_stat

SEARCHED = Path(__file__).parents[1] / "data" / "open-loop-2.47.0" / "locust"
SWEEP = b"""\
name: search
slo: {p95_ms: 100, max_failure_percent: 1}
load: {mode: capacity, profile: smoke, timeout_seconds: 1, workers: 2}
matrix: {replicas: [1], cpus: [0.5], memory: [256M], workers: [1]}
"""
CELL_ID = "r1-c0.5-m256M-w1"
# As the record says: requests of all trials, and questions of the master between them.
SENT, QUESTIONS = 4444, 2
HOSTS = {"api": "lab-api", "load": "lab-load"}


def search_run(reports_dir: Path) -> Run:
    """A run of a sweep in capacity mode, whose one cell is still to be recorded."""
    return Run(reports_dir, SWEEP, run_id="20261122T114512Z-search")


def record_search(run: Run, number: int = 1, **after: Any) -> Path:
    """Write every raw file of an attempt at the cell; ``after`` changes after.json."""
    folder = run.attempt(CELL_ID, number)
    shutil.copytree(SEARCHED, folder / "locust")
    containers = run.containers(CELL_ID)
    sound = {"restarts": 0, "oom_killed": False, "exit_codes": [], "changed": False, "containers": containers}
    put(folder / "deploy.json", {"schema": 1, "status": "ready", "containers": containers})
    put(folder / "after.json", sound | after)
    put(folder / "clock.json", {"schema": 1, "hosts": {
        "lab-api": {"offset_seconds": 0.004, "bound_seconds": 0.0005},
        "lab-load": {"offset_seconds": -0.001, "bound_seconds": 0.0007},
    }})  # fmt: skip
    (folder / "haproxy-before.csv").write_text(show_stat([5]))
    (folder / "haproxy-after.csv").write_text(show_stat([5 + SENT + QUESTIONS]))
    record = read(folder, "capacity.json")
    for group, host in HOSTS.items():
        ids = [container["id"] for container in containers] if group == "api" else []
        (folder / f"samples-{group}-{host}.jsonl").write_text("".join(samples(record, ids)))
    return folder


def read(folder: Path, name: str) -> dict[str, Any]:
    """A JSON file of the search."""
    return json.loads((folder / "locust" / name).read_text())


def samples(record: dict[str, Any], ids: list[str]) -> list[str]:
    """One sample a second from before the search until after it; the API works as long as there is a load.

    A request takes the server 10 ms, so that a second under a rate of 80 costs 0.8 s of CPU.
    """
    lines, busy, throttled = [], 0.0, 0
    for second in range(-3, int(record["stopped"] - record["started"]) + 5):
        at = record["started"] + second
        load = next((trial for trial in record["trials"] if is_under_load(trial, at)), None)
        busy += 0.01 * (load["rate_rps"] or 100) if load else 0.0
        throttled += 4 if load else 0
        counters = {
            "cpu_seconds": busy,
            "periods": 10 * (second + 3),
            "throttled_periods": throttled,
            "throttled_seconds": 0.0,
            "memory_bytes": 100 * MIB,
            "memory_peak_bytes": 120 * MIB,
            "oom_kills": 0,
            "service": "swarmsweep_api",
        }
        cpu = {"user": busy, "system": 0.0, "idle": second + 3 - busy, "iowait": 0.0, "steal": 0.0}
        host = {"cpu_seconds": cpu, "cores": 1, "memory_available_bytes": 2048 * MIB}
        lines.append(json.dumps({"t": at, "host": host, "containers": dict.fromkeys(ids, counters)}) + "\n")
    return lines


def is_under_load(trial: dict[str, Any], at: float) -> bool:
    """Whether the second before ``at`` had the load of that trial, settling included."""
    return trial["window_start"] - trial["seconds_settle"] < at - 0.5 <= trial["window_end"]
