"""Records the evidence of a load on a real uvicorn with one process, in a cgroup with a CPU limit.

Run as root, with cgroup v1 and uvicorn:

    python tests/data/cpu-bound/record.py UVICORN NAME CPUS CPU_MS BLOCKED_MS [SERVICE_CPUS SERVICE_CPU_MS]

With the last two, each request also waits for a service beside the API: another uvicorn in a cgroup of its own.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[3]))
sys.path.append(str(Path(__file__).parents[2] / "swarmsweep"))

from evidence_json import to_json

from swarmsweep.judge.concurrency import of_users
from swarmsweep.judge.evidence import Evidence
from swarmsweep.judge.flows import flow_of_users
from swarmsweep.raw.api_usage import ApiUsage
from swarmsweep.raw.closed_loop import read_users
from swarmsweep.raw.machine_usage import ContainerUsage, MachineUsage
from swarmsweep.raw.read_or_note import ReadOrNote
from tests.loadgen.locust_run import run

HERE = Path(__file__).parent
USERS, WARMUP_SECONDS, MEASURE_SECONDS = 6, 2, 9.0
PERIOD_US = 100_000
MEMORY_BYTES = 256 * 1024**2
SCENARIO = """
from locust import FastHttpUser, constant, task

class Visitor(FastHttpUser):
    wait_time = constant(0)

    @task
    def predict(self):
        self.client.get("/predict")
"""


class Look(NamedTuple):
    """What the kernel counted of a group."""

    epoch_seconds: float
    cpu_seconds: float
    periods: int
    throttled: int
    processes: int


class Used(NamedTuple):
    """What a group used in the window."""

    cores: float
    periods: int
    throttled: int
    processes: set[int]

    @property
    def throttled_percent(self) -> float:
        return 100 * self.throttled / self.periods if self.periods else 0.0


class Group:
    """A cgroup whose processes come before those of other groups. Removed at the end."""

    def __init__(self, name: str, cpus: float | None) -> None:
        self.folders = [Path(f"/sys/fs/cgroup/{kind}/{name}") for kind in ("cpu", "cpuacct")]
        self.looks: list[Look] = []
        for folder in self.folders:
            folder.mkdir(exist_ok=True)
        (self.folders[0] / "cpu.shares").write_text("262144")
        if cpus is not None:
            (self.folders[0] / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.folders[0] / "cpu.cfs_quota_us").write_text(str(round(cpus * PERIOD_US)))

    def add(self, pid: int) -> None:
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """Remove it. Its processes have ended, or are this one."""
        for folder in self.folders:
            (folder.parent / "cgroup.procs").write_text(str(os.getpid()))
            # A process that was killed leaves a little later.
            end = time.monotonic() + 10
            while (folder / "cgroup.procs").read_text() and time.monotonic() < end:
                time.sleep(0.1)
            # cpu and cpuacct may be one hierarchy.
            if folder.exists():
                folder.rmdir()

    def look(self) -> None:
        stat = dict(line.split() for line in (self.folders[0] / "cpu.stat").read_text().splitlines())
        used = int((self.folders[1] / "cpuacct.usage").read_text()) / 1e9
        count = len((self.folders[0] / "cgroup.procs").read_text().split())
        self.looks.append(Look(time.time(), used, int(stat["nr_periods"]), int(stat["nr_throttled"]), count))

    def used(self, window: tuple[float, float]) -> Used:
        inside = [look for look in self.looks if window[0] <= look.epoch_seconds <= window[1]]
        first, last = inside[0], inside[-1]
        return Used(
            (last.cpu_seconds - first.cpu_seconds) / (last.epoch_seconds - first.epoch_seconds),
            last.periods - first.periods,
            last.throttled - first.throttled,
            {look.processes for look in inside},
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until_it_listens(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def serve(stack: ExitStack, uvicorn: str, group: Group, **env: str) -> int:
    """Start api.py in a group until the stack ends; return its port."""
    port = free_port()
    command = [uvicorn, "--app-dir", str(HERE), "--port", str(port), "--log-level", "warning", "api:app"]
    server = stack.enter_context(subprocess.Popen(command, env=os.environ | env))
    stack.callback(server.kill)
    group.add(server.pid)
    wait_until_it_listens(port)
    return port


def main(uvicorn: str, name: str, cpus: str, cpu_ms: str, blocked_ms: str, *service: str) -> None:
    """Load it, and write NAME.json."""
    groups = {"api": Group("record-api", float(cpus)), "load": Group("record-load", None)}
    if service:
        groups["service"] = Group("record-service", float(service[0]))
    # Groups are inherited, so Locust is in that of this process.
    groups["load"].add(os.getpid())
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.1):
            for group in groups.values():
                group.look()

    folder, watcher = Path(tempfile.mkdtemp()), threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        with ExitStack() as stack:
            env = {"CPU_MS": cpu_ms, "BLOCKED_MS": blocked_ms}
            if service:
                asked = serve(stack, uvicorn, groups["service"], CPU_MS=service[1], BLOCKED_MS="0")
                env["SERVICE_PORT"] = str(asked)
            port = serve(stack, uvicorn, groups["api"], **env)
            warmup = {"SWEEP_WARMUP_SECONDS": str(WARMUP_SECONDS)}
            run(folder, SCENARIO, f"http://127.0.0.1:{port}", MEASURE_SECONDS, USERS, **warmup)
            is_over.set()
            watcher.join()
    finally:
        is_over.set()
        for group in groups.values():
            group.remove()
    write(folder, groups, float(cpus), HERE / f"{name}.json")
    shutil.rmtree(folder)


def write(folder: Path, groups: dict[str, Group], cpus: float, path: Path) -> None:
    """The evidence of the window. Of the machine's busy time, only that of the groups is taken."""
    problems: list[str] = []
    record = read_users(folder, ReadOrNote(folder, problems))
    timeline = json.loads((folder / "timeline.json").read_text())
    window = timeline["window_start"], timeline["window_end"]
    load = {"mode": "fixed", "users": USERS, "wait_seconds": [0, 0]}
    flow = flow_of_users(record, window, load)
    used = {name: group.used(window) for name, group in groups.items()}
    api = used["api"]
    assert problems == [] and len(api.processes) == 1, (problems, api.processes)
    cores = os.cpu_count() or 1
    busy = 100 * sum(one.cores for one in used.values()) / cores
    containers = {
        64 * letter: ContainerUsage(
            service, cpu_cores=used[name].cores, throttled_percent=used[name].throttled_percent, memory_peak_bytes=None
        )
        for letter, name, service in (("a", "api", "api"), ("b", "service", "cache"))
        if name in used
    }
    machines = {
        "api": MachineUsage("api", cores=cores, busy_percent=busy, containers=containers),
        "load": MachineUsage("load", cores=cores, busy_percent=busy),
    }
    usage = ApiUsage(
        cpu_cores=api.cores,
        periods=api.periods,
        throttled_periods=api.throttled,
        host_busy_percent=busy,
        server_processes=tuple(api.processes),
    )
    evidence = Evidence(
        config={"replicas": 1, "cpus": cpus, "memory_bytes": MEMORY_BYTES, "workers": 1},
        load=load,
        slo={},
        flow=flow,
        peak=flow,
        usage=usage,
        peak_usage=usage,
        machines=machines,
        peak_machines=machines,
        concurrency=of_users(record, window, flow.latency_mean_ms),
    )
    path.write_text(json.dumps(to_json(evidence), indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
