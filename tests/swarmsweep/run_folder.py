"""A run folder as the sweep playbook leaves it: plan.json and, for each attempt, the raw files in their formats."""

import gzip
import json
import random
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmsweep.plan.plan import make_plan
from swarmsweep.plan.run_folder import write_plan
from swarmsweep.sweep.sweep_file import parse_sweep

RECORDED = Path(__file__).parents[1] / "data" / "locust-2.47.0_haproxy-2.6.12"
METRICS = Path(__file__).parents[1] / "data" / "prometheus-client-0.26.0"
WINDOW = (1_000_005.0, 1_000_017.0)
MIB = 1024**2

SWEEP = b"""\
name: quick
slo: {p95_ms: 120, max_failure_percent: 1}
load: {users: 40, spawn_rate: 40, warmup_seconds: 5, measure_seconds: 12, wait_seconds: [0.0, 0.05]}
matrix: {replicas: [1, 2], cpus: [0.25, 0.5], memory: [256M], workers: [1]}
include:
  - {replicas: 1, cpus: 0.5, memory: 32M, workers: 1}
  - {replicas: 1, cpus: 2, memory: 256M, workers: 1}
"""
HOSTS = {
    "api": [{"name": "lab-api", "cpus": 1, "memory_bytes": 4096 * MIB, "reserve_memory_bytes": 1024 * MIB}],
    "load": [{"name": "lab-load", "cpus": 1, "memory_bytes": 4096 * MIB}],
}


@dataclass
class Traffic:
    """What one attempt saw: ``latencies_ms`` inside the window, evenly spread, and what the lab recorded around it."""

    latencies_ms: list[float]
    failures: int = 0
    think_ms: float = 25.0  # of the user, after each request
    waited_ms: list[float] = field(default_factory=list)  # of requests in the window that had no response
    raised: dict[str, int] | None = None  # executions of tasks by the text that they raised; None: not recorded
    outside: int = 40  # requests of ramp and warm-up
    worker_cpu_percent: float = 35.0
    throttled_share: float = 0.4
    cpu_cores: float = 0.25
    memory_peak_bytes: int = 120 * MIB
    oom_kills: int = 0
    haproxy_extra: int = 0
    after: dict[str, Any] = field(default_factory=dict)
    timeline: dict[str, Any] = field(default_factory=dict)
    server_processes: int | None = None  # of each replica, in the middle of the window; None: not counted
    processes: int | None = None  # all of each replica, counted at the same times
    metrics: list[str] = field(default_factory=list)  # what each replica says at /metrics
    target: tuple[str, str] = ("POST", "/predict")
    names: list[str] = field(default_factory=list)  # of the requests, in turn; none as an earlier version recorded them
    classes: dict[str, str] = field(default_factory=dict)  # the user class of each name; none where there is only one
    class_users: dict[str, int] | None = None


class Run:
    """A run folder in ``reports_dir`` with its plan, to be filled attempt by attempt."""

    def __init__(self, reports_dir: Path, sweep: bytes = SWEEP, **options: Any):
        options = {"run_id": "20261122T114512Z-quick", "colocated": True, "seed": 7} | options
        self.reports_dir = reports_dir
        self.plan = make_plan(parse_sweep(sweep, "sweeps/quick.yml"), HOSTS, **options)
        self.dir = write_plan(self.plan, reports_dir)

    def attempt(self, cell_id: str, number: int = 1) -> Path:
        return self.dir / "cells" / cell_id / f"attempt-{number}"

    def config(self, cell_id: str) -> dict[str, Any]:
        return next(cell.config for cell in self.plan.cells if cell.id == cell_id)

    def users(self, cell_id: str) -> int:
        cell = next(cell for cell in self.plan.cells if cell.id == cell_id)
        return self.plan.load_of(cell)["users"]

    def containers(self, cell_id: str) -> list[dict[str, Any]]:
        config = self.config(cell_id)
        return [
            {
                "id": f"{i:x}" * 64,
                "task_id": f"task{i}",
                "node": "lab-api",
                "nano_cpus": round(config["cpus"] * 1e9),
                "memory_bytes": config["memory_bytes"],
                "image": "lab/api:1",
                "env": {"API_WORKERS": str(config["workers"])},
            }
            for i in range(1, config["replicas"] + 1)
        ]

    def record(self, cell_id: str, traffic: Traffic, number: int = 1) -> Path:
        """Write every raw file of an attempt whose deployment became ready."""
        folder = self.attempt(cell_id, number)
        (folder / "locust").mkdir(parents=True)
        containers = self.containers(cell_id)
        deploy = {"schema": 1, "status": "ready", "reason": None, "reason_code": None, "containers": containers}
        after = {"restarts": 0, "oom_killed": False, "exit_codes": [], "changed": False, "containers": containers}
        put(folder / "deploy.json", deploy)
        put(folder / "after.json", after | traffic.after)
        requests = self._requests(traffic)
        table = list(dict.fromkeys(traffic.names))
        if table:
            named = [(*row, table.index(traffic.names[i % len(traffic.names)])) for i, row in enumerate(requests)]
            write_requests(folder / "locust" / "named-requests-lab-load-0.f64.gz", named)
        else:
            write_requests(folder / "locust" / "requests-lab-load-0.f64.gz", requests)
        cpu = [[t, traffic.worker_cpu_percent] for t in range(1_000_000, 1_000_020)]
        worker = {"schema": 1, "requests": len(requests), "cpu_percent": cpu, "unreported": len(traffic.waited_ms)}
        worker |= {"names": table} if table else {}
        if traffic.classes:
            worker |= {"name_classes": [traffic.classes[name] for name in table], "user_classes": traffic.class_users}
        waits = len(traffic.latencies_ms) / (WINDOW[1] - WINDOW[0])
        totals = [[t, 100 * t, 0.1 * t * traffic.think_ms, waits * t * traffic.think_ms / 1000] for t in range(20)]
        worker["think_time"] = [[1_000_000 + t, *of] for t, *of in totals]
        put(folder / "locust" / "worker-lab-load-0.json", worker | self._tasks(folder, cell_id, traffic))
        timeline = {
            "schema": 1,
            "users": self.users(cell_id),
            "workers_expected": 1,
            "workers_connected": 1,
            "workers_lost": 0,
        }
        timeline |= {"window_start": WINDOW[0], "window_end": WINDOW[1], "locust_version": "2.47.0"}
        put(folder / "locust" / "timeline.json", timeline | traffic.timeline)
        failures = sum(ok >= 10 for _, _, ok in requests)
        reported = len(requests) - len(traffic.waited_ms)
        (folder / "locust" / "stats_stats.csv").write_text(stats_csv(reported, failures, traffic.target))
        replicas = len(containers)
        (folder / "haproxy-before.csv").write_text(show_stat([5] * replicas))
        share = (len(requests) + traffic.haproxy_extra) // replicas
        rest = len(requests) + traffic.haproxy_extra - share * replicas
        (folder / "haproxy-after.csv").write_text(
            show_stat([5 + share + (rest if i == 0 else 0) for i in range(replicas)])
        )
        samples = sample_lines([c["id"] for c in containers], traffic)
        for container, text in zip(containers, traffic.metrics, strict=False):
            (folder / f"metrics-{container['id'][:12]}.prom").write_text(text)
        (folder / "samples-api-lab-api.jsonl").write_text("".join(json.dumps(sample) + "\n" for sample in samples))
        return folder

    def record_death(self, cell_id: str, code: str, reason: str | None, number: int = 1) -> Path:
        """Write the raw files of an attempt whose deployment never became ready."""
        folder = self.attempt(cell_id, number)
        folder.mkdir(parents=True)
        deploy = {"schema": 1, "status": "failed", "reason": reason, "reason_code": code, "containers": []}
        put(folder / "deploy.json", deploy | {"log_tail": ["loading model", "\x1b[31mKilled\x1b[0m <script> | 137"]})
        return folder

    def _tasks(self, folder: Path, cell_id: str, traffic: Traffic) -> dict[str, Any]:
        """Write one execution for each request of the window; return what the worker's summary says of them."""
        if traffic.raised is None:
            return {}
        outcomes = [3.0 + number for number, count in enumerate(traffic.raised.values()) for _ in range(count)]
        outcomes += [1.0] * (len(traffic.latencies_ms) - len(outcomes))
        rows = [(WINDOW[0] + 0.001 * i, 5.0, outcome) for i, outcome in enumerate(outcomes)]
        write_requests(folder / "locust" / "tasks-lab-load-0.f64.gz", rows)
        users = [[t, self.users(cell_id)] for t in range(1_000_000, 1_000_020)]
        return {"tasks": len(rows), "exceptions": list(traffic.raised), "users": users, "on_start": {}}

    def _requests(self, traffic: Traffic) -> list[tuple[float, float, float]]:
        count, span = len(traffic.latencies_ms), WINDOW[1] - WINDOW[0]
        inside = [
            (WINDOW[0] + i * span / count, latency, 503.0 if i < traffic.failures else 1.0)
            for i, latency in enumerate(traffic.latencies_ms)
        ]
        inside += [(WINDOW[0] + 1 + i / 100, waited, 2.0) for i, waited in enumerate(traffic.waited_ms)]
        before = [(WINDOW[0] - 5 + i / 10, 999.0, 503.0) for i in range(traffic.outside)]
        return before + inside


def put(path: Path, value: Any) -> None:
    """Write ``value`` as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_requests(path: Path, requests: list[tuple[float, ...]]) -> None:
    """Write request records the way a Locust worker does: little-endian float64, compressed."""
    path.write_bytes(gzip.compress(b"".join(struct.pack(f"<{len(one)}d", *one) for one in requests), mtime=0))


def stats_csv(requests: int, failures: int, target: tuple[str, str] = ("POST", "/predict")) -> str:
    """Locust's statistics with the recorded header and other counts."""
    header = (RECORDED / "locust" / "stats_stats.csv").read_text().splitlines()[0]
    blank = ",".join(["1.0"] * (header.count(",") - 3))
    return f"{header}\n{','.join(target)},{requests},{failures},{blank}\n,Aggregated,{requests},{failures},{blank}\n"


def show_stat(requests: list[int]) -> str:
    """HAProxy's recorded ``show stat`` with one server line for each number of requests."""
    lines = (RECORDED / "haproxy-after.csv").read_text().splitlines()
    header, rows = (
        lines[0].removeprefix("# ").split(","),
        {line.split(",")[1]: line.split(",") for line in lines[1:] if line},
    )
    tot, stot = header.index("req_tot"), header.index("stot")
    servers = []
    for i, count in enumerate(requests, start=1):
        row = list(rows["api-1"])
        row[1], row[tot], row[stot] = f"api-{i}", str(count), str(count)
        servers.append(row)
    for name in ("FRONTEND", "BACKEND"):
        rows[name][tot] = str(sum(requests))
    rows["BACKEND"][stot] = str(sum(requests))
    table = [rows["FRONTEND"], *servers, rows["api-3"], rows["BACKEND"]]
    return "\n".join([lines[0], *(",".join(row) for row in table)]) + "\n\n"


def sample_lines(container_ids: list[str], traffic: Traffic, busy: float = 0.5) -> list[dict[str, Any]]:
    """One sample a second over the whole trial, counters growing evenly."""
    samples = []
    for second in range(22):
        host = {"user": second * busy, "system": 0.0, "idle": second * (1 - busy), "iowait": 0.0, "steal": 0.0}
        counters = {
            "cpu_seconds": 3 + second * traffic.cpu_cores / len(container_ids),
            "periods": second * 10,
            "throttled_periods": round(second * 10 * traffic.throttled_share),
            "throttled_seconds": second * 0.1,
            "memory_bytes": traffic.memory_peak_bytes - MIB,
            "memory_peak_bytes": traffic.memory_peak_bytes,
            "oom_kills": traffic.oom_kills if second > 10 else 0,
            # The sampler counts now and then; nothing serves yet when it begins.
            "server_processes": {0: None, 10: traffic.server_processes, 20: 9}.get(second),
            "processes": {10: traffic.processes, 20: 99}.get(second),
        }
        containers = {name: dict(counters) for name in container_ids}
        host_facts = {"cpu_seconds": host, "cores": 1, "memory_available_bytes": 2048 * MIB} | machine_counters(second)
        samples.append({"t": 1_000_000.5 + second, "host": host_facts, "containers": containers})
    return samples


def machine_counters(second: int) -> dict[str, Any]:
    """Memory, network and disk of a host: 2 MiB come in, 1 MiB goes out and 256 KiB are written each second."""
    network = {"host0": {"rx_bytes": second * 2 * MIB, "tx_bytes": second * MIB, "speed_mbit": None}}
    disk = {"read_bytes": 0, "written_bytes": second * MIB // 4, "busy_seconds": second * 0.015}
    return {"memory_total_bytes": 4096 * MIB, "network": network, "disks": {"vda": disk}}


def metrics_text(endpoint: str, requests: int, mean_ms: float, parts_ms: dict[str, float], **choices: str) -> str:
    """What a replica of the API says after so many requests, written by the library that the API uses."""
    from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

    registry = CollectorRegistry()
    whole = Histogram("covertype_api_request_seconds", "Request.", ["endpoint", "status"], registry=registry)
    parts = Histogram("covertype_api_part_seconds", "Part.", ["endpoint", "part"], registry=registry)
    for _ in range(requests):
        whole.labels(endpoint, "200").observe(mean_ms / 1000)
        whole.labels("/ready", "200").observe(0.0001)
        for part, value in parts_ms.items():
            parts.labels(endpoint, part).observe(value / 1000)
    Gauge("covertype_api_variant_info", "Variant.", list(choices), registry=registry).labels(**choices).set(1)
    return generate_latest(registry).decode()


def latencies(count: int, middle_ms: float, seed: int = 1) -> list[float]:
    """Latencies with a tail, as an API under load has them."""
    chance = random.Random(seed)
    return [chance.lognormvariate(0, 0.3) * middle_ms for _ in range(count)]


def busy(count: int, users: int = 40, think_ms: float = 25.0, seed: int = 1) -> list[float]:
    """Latencies of a window in which that many users, always asking or thinking, sent ``count`` requests: by Little's
    law their mean follows. The default is the load of the quick sweep."""
    values = latencies(count, 1.0, seed)
    mean_ms = 1000 * users * (WINDOW[1] - WINDOW[0]) / count - think_ms
    factor = mean_ms * count / sum(values)
    return [value * factor for value in values]
