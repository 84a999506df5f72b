"""Records the evidence of a load on a real uvicorn with one process, in a cgroup with a CPU limit.

Run as root, with cgroup v1 and uvicorn: python tests/data/cpu-bound/record.py UVICORN NAME CPUS CPU_MS BLOCKED_MS
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
from pathlib import Path

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


class Group:
    """A cgroup whose processes come before those of other groups. Removed at the end."""

    def __init__(self, name: str, cpus: float | None) -> None:
        self.folders = [Path(f"/sys/fs/cgroup/{kind}/{name}") for kind in ("cpu", "cpuacct")]
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

    def look(self) -> tuple[float, float, int, int, int]:
        """Epoch seconds, CPU seconds, periods, throttled periods, processes."""
        stat = dict(line.split() for line in (self.folders[0] / "cpu.stat").read_text().splitlines())
        used = int((self.folders[1] / "cpuacct.usage").read_text()) / 1e9
        count = len((self.folders[0] / "cgroup.procs").read_text().split())
        return time.time(), used, int(stat["nr_periods"]), int(stat["nr_throttled"]), count


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


def main(uvicorn: str, name: str, cpus: float, cpu_ms: str, blocked_ms: str) -> None:
    """Load it, and write NAME.json."""
    # Groups are inherited, so Locust is in that of this process.
    api_group, load_group = Group("record-api", cpus), Group("record-load", None)
    load_group.add(os.getpid())
    port = free_port()
    command = [uvicorn, "--app-dir", str(HERE), "--port", str(port), "--log-level", "warning", "api:app"]
    env = os.environ | {"CPU_MS": cpu_ms, "BLOCKED_MS": blocked_ms}
    looks: dict[str, list] = {"api": [], "load": []}
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.1):
            looks["api"].append(api_group.look())
            looks["load"].append(load_group.look())

    folder, watcher = Path(tempfile.mkdtemp()), threading.Thread(target=watch, daemon=True)
    watcher.start()
    with subprocess.Popen(command, env=env) as server:
        try:
            api_group.add(server.pid)
            wait_until_it_listens(port)
            warmup = {"SWEEP_WARMUP_SECONDS": str(WARMUP_SECONDS)}
            run(folder, SCENARIO, f"http://127.0.0.1:{port}", MEASURE_SECONDS, USERS, **warmup)
        finally:
            is_over.set()
            watcher.join()
            server.kill()
            server.wait()
            for group in (api_group, load_group):
                group.remove()
    write(folder, looks, cpus, HERE / f"{name}.json")
    shutil.rmtree(folder)


def write(folder: Path, looks: dict[str, list], cpus: float, path: Path) -> None:
    """The evidence of the window. Of the machine's busy time, only that of the API and of Locust is taken."""
    problems: list[str] = []
    record = read_users(folder, ReadOrNote(folder, problems))
    timeline = json.loads((folder / "timeline.json").read_text())
    window = timeline["window_start"], timeline["window_end"]
    load = {"mode": "fixed", "users": USERS, "wait_seconds": [0, 0]}
    flow = flow_of_users(record, window, load)
    used = {}
    for group, seen in looks.items():
        inside = [look for look in seen if window[0] <= look[0] <= window[1]]
        first, last = inside[0], inside[-1]
        used[group] = (last[1] - first[1]) / (last[0] - first[0])
        if group == "api":
            periods, throttled = last[2] - first[2], last[3] - first[3]
            processes = {look[4] for look in inside}
    assert problems == [] and len(processes) == 1, (problems, processes)
    cores = os.cpu_count() or 1
    busy = 100 * (used["api"] + used["load"]) / cores
    percent = 100 * throttled / periods if periods else 0.0
    container = ContainerUsage("api", cpu_cores=used["api"], throttled_percent=percent, memory_peak_bytes=None)
    machines = {
        "api": MachineUsage("api", cores=cores, busy_percent=busy, containers={64 * "a": container}),
        "load": MachineUsage("load", cores=cores, busy_percent=busy),
    }
    usage = ApiUsage(
        cpu_cores=used["api"],
        periods=periods,
        throttled_periods=throttled,
        host_busy_percent=busy,
        server_processes=(processes.pop(),),
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
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), *sys.argv[4:6])
