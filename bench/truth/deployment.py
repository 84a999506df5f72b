"""One server of known capacity, deployed afresh behind HAProxy, and its capacity as a sweep would find it."""

import itertools
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.lib import load_host
from bench.lib.environments import LOCUST
from bench.lib.loopback import require_loopback, send_request
from bench.lib.paths import ROOT, SCENARIOS
from bench.lib.processes import Tree
from bench.truth import haproxy
from swarmsweep.errors import LabError
from swarmsweep.judge.capacity import Capacity, capacity_of
from swarmsweep.judge.next_step import Counts
from swarmsweep.raw.search_files import ProbeSummary, read_capacity, read_summary
from swarmsweep.search import BAD, GOOD, PERCENTS, PROFILES

HERE = Path(__file__).parent
# Scenario and load of this bench, which are beside the files of a load host.
SCENARIO_FILES = (SCENARIOS / "predict.py", SCENARIOS / "predict_open.py", HERE / "loads/unloaded.py")
LEAN_FILES = ("open_loop.py", "predict_open.py")
# The same requests by Locust's own client, from users.
USER_FILES = ("predict.py", "recorder.py")
# The server needs the parser of requests that the load hosts have.
SERVER = HERE / "slot_server.py"
HEADLESS = ("--headless", "--users", "1", "--spawn-rate", "1", "--exit-code-on-error", "0", "--only-summary")
# Below the ports that the system assigns to a process that requests any port.
MASTER_PORTS = range(20000, 30000)
# Share of the full rate at which next to no request waits, and how long it is loaded: enough for a median.
UNLOADED_SHARE, UNLOADED_SECONDS = 0.05, 8.0
# Users that start per second: as many as Locust starts without a warning.
SPAWN_RATE = 100
# Connections of the probe beyond those that keep every slot busy, as in a sweep.
MORE_CONNECTIONS = 2
# Seconds for Locust beyond its loads, to start, drain and end.
PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.05
READY_SECONDS = 30.0


class StoppedError(Exception):
    """The bench ends before this deployment is done."""


@dataclass(frozen=True)
class Setting:
    """A server and its load. ``slo`` as in a sweep file; ``arrivals``: poisson or constant.

    ``by`` as in a sweep file: None for the lean client; ``arrivals`` for iterations, which have one request each here;
    ``users`` for a number of them, who think for a time between the two ``think_seconds``.
    """

    name: str
    service_ms: float
    slots: int
    slo: Mapping[str, float]
    arrivals: str = "poisson"
    by: str | None = None
    think_seconds: tuple[float, float] | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """What a Locust worker loads."""
        return USER_FILES if self.by else LEAN_FILES

    @property
    def percentiles(self) -> dict[str, float]:
        """Limits in ms, of those that are exact in theory."""
        return {name: limit for name, limit in self.slo.items() if name in PERCENTS}

    @property
    def full_rps(self) -> float:
        """What the slots can serve, with a queue without end."""
        return 1000 * self.slots / self.service_ms

    @property
    def timeout_seconds(self) -> float:
        """As in a sweep file that does not name it."""
        return min(max(4 * max(self.percentiles.values()) / 1000, 1.0), 10.0)

    def order(self, profile: str, seed: int) -> dict[str, Any]:
        """The order of a search, as the role bench_cell writes it."""
        both = {"profile": profile, "slo": dict(self.slo), "timeout_seconds": self.timeout_seconds}
        both |= {"seed": seed, "workers": 1, "by": self.by}
        if self.think_seconds is None:
            return both | {"arrivals": self.arrivals, "connections": self.connections, "max_rps": None}
        users = {"processes": self.slots, "think_seconds": sum(self.think_seconds) / 2, "max_users": None}
        return both | users | {"spawn_rate": SPAWN_RATE}

    @property
    def connections(self) -> int:
        return 2 * self.slots + MORE_CONNECTIONS


@dataclass(frozen=True)
class SearchResult:
    """The result of a search on one deployment.

    ``path_ms``: latency beyond the service at next to no load, None where it was not measured. ``late_ms``: of the
    server's responses; ``lag_p99_ms``: the generator's, the worst of all trials that were used. ``not_served``: the
    requests that the generator sent and the server has not counted.
    """

    capacity: Capacity
    ended: str | None
    trials: int
    load_seconds: float
    path_ms: float | None
    late_ms: Mapping[str, float | None]
    lag_p99_ms: float | None
    not_served: int


@dataclass
class Site:
    """What all deployments share. ``stopping`` ends those that run, from another thread; ``retries``: why deployments
    were retried."""

    haproxy: Path
    folder: Path
    stopping: threading.Event = field(default_factory=threading.Event)
    load_host: Path = field(init=False)
    retries: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    ports: Iterator[int] = field(default_factory=lambda: iter(MASTER_PORTS))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.load_host = self.folder / "load-host"
        load_host.make(self.load_host)
        for path in SCENARIO_FILES:
            shutil.copy(path, self.load_host)

    def new_folder(self) -> Path:
        """Of one deployment."""
        with self.lock:
            folder = self.folder / f"deployment-{next(self.numbers)}"
        folder.mkdir(parents=True)
        return folder

    def master_port(self) -> int:
        """A free port for Locust's master."""
        with self.lock:
            for port in self.ports:
                try:
                    socket.create_server(("127.0.0.1", port)).close()
                except OSError:
                    continue
                return port
        raise LabError(f"no port from {MASTER_PORTS.start} to {MASTER_PORTS.stop} is free for Locust's master")


def measure(site: Site, setting: Setting, profile: str, seed: int, with_path: bool) -> SearchResult:
    """Deploy, search, and take everything away again.

    Args:
        profile: of the search.
        with_path: measure the path's own latency too.

    Raises:
        LabError: a part did not start, did not end or failed.
        StoppedError: the bench ends.
    """
    deployment = Deployment(site, setting)
    try:
        deployment.start()
        path_ms = deployment.path_ms(seed) if with_path else None
        return deployment.search(profile, seed, path_ms)
    finally:
        deployment.end()


class Deployment:
    """Server, HAProxy and Locust in processes of their own, and a folder for what they write."""

    def __init__(self, site: Site, setting: Setting) -> None:
        self.site, self.setting = site, setting
        self.folder = site.new_folder()
        self.trees: list[Tree] = []
        self.port, self.url = 0, ""

    def start(self) -> None:
        """Server and proxy."""
        setting, limit = self.setting, self._limit(PROFILES["publish"].budget_seconds)
        command = [str(LOCUST.python), str(SERVER), "--service-ms", str(setting.service_ms)]
        server = self._start("server", [*limit, *command, "--slots", str(setting.slots)], {})
        deadline = time.monotonic() + READY_SECONDS
        while not (words := server.log.read_text().split()):
            server.require_running()
            self._pause(server, deadline)
        self.port = int(words[0])
        self.url, proxy = haproxy.start(self.site.haproxy, self.folder, self.port, limit)
        self.trees.append(proxy)
        require_loopback(self.url)

    def path_ms(self, seed: int) -> float:
        """Median latency at almost no load, minus the service time: what generator, proxy and network add."""
        output = self.folder / "unloaded.json"
        rate = UNLOADED_SHARE * self.setting.full_rps
        env = {"BENCH_RATE_RPS": str(rate), "BENCH_SECONDS": str(UNLOADED_SECONDS), "BENCH_OUTPUT": str(output)}
        env |= {"BENCH_SEED": str(seed), "SWEEP_OUTPUT_DIR": str(self.folder / "unloaded-files")}
        # The load imports the parts that it shares with other benchmarks.
        # Users send one request after the other, and so do iterations at next to no load.
        env |= {"PYTHONPATH": str(ROOT), "SWEEP_SEARCH": json.dumps({"by": self.setting.by and "arrivals"})}
        self._wait([self._locust("unloaded", (*self.setting.files, "unloaded.py"), HEADLESS, env)], UNLOADED_SECONDS)
        measured = read(output)["measured"]
        if not measured["ok"] or measured["ok"] < measured["offered"]:
            wrong = measured["offered"] - measured["ok"]
            raise LabError(f"{self.setting.name}: {wrong} of {measured['offered']} requests failed at next to no load")
        return measured["latency_ms"]["p50"] - self.setting.service_ms

    def search(self, profile: str, seed: int, path_ms: float | None) -> SearchResult:
        """As a sweep does it: Locust's master with the search, and a worker."""
        setting, port = self.setting, self.site.master_port()
        output = self.folder / "locust"
        order = json.dumps(setting.order(profile, seed))
        env = {"SWEEP_SEARCH": order, "SWEEP_OUTPUT_DIR": str(output), "SWEEP_HOST": "load"}
        if setting.think_seconds:
            names = ("LOCUST_WAIT_MIN_SECONDS", "LOCUST_WAIT_MAX_SECONDS")
            env |= dict(zip(names, map(str, setting.think_seconds), strict=True))
        output.mkdir()
        before = self.figures()
        # Workers retry the connection to their master until it is there.
        at = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
        worker = self._locust("worker", setting.files, at, env | {"SWEEP_WORKER_INDEX": "0"})
        here = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
        here += ["--expect-workers", "1", "--expect-workers-max-wait", f"{READY_SECONDS:.0f}"]
        master = self._locust(
            "master",
            (*setting.files, "conductor.py"),
            [*HEADLESS, *here, "--csv", str(output / "stats"), "--csv-full-history"],
            env,
        )
        self._wait([master, worker], PROFILES[profile].budget_seconds)
        return self._search_result(output, path_ms, before)

    def figures(self) -> dict[str, Any]:
        """The server's counts so far."""
        return json.loads(send_request(f"http://127.0.0.1:{self.port}/figures").body)

    def _search_result(self, output: Path, path_ms: float | None, before: Mapping[str, Any]) -> SearchResult:
        search = read_capacity(output / "capacity.json")
        if search.error:
            raise LabError(f"{self.setting.name}: the search failed: {search.error}")
        summaries = {
            entry.number: read_summary(output / f"trial-{entry.number}.json", entry, self.setting.slo)
            for entry in search.probes
        }
        # Where the generator was too late, the search has not used the probe.
        used = [summaries[entry.number] for entry in search.probes if entry.verdict in (GOOD, BAD)]
        figures = self.figures()
        sent = self._sent(output, summaries.values())
        counts = {
            number: Counts(
                summary.measured.offered,
                summary.within_limits,
                ok_rps=summary.measured.ok / summary.measured.seconds,
            )
            for number, summary in summaries.items()
        }
        return SearchResult(
            capacity=capacity_of(search, counts, self.setting.slo),
            ended=search.ended,
            trials=len(summaries),
            load_seconds=search.load_seconds,
            path_ms=path_ms,
            late_ms=figures["late_ms"],
            lag_p99_ms=max(
                (summary.measured.lag_ms.p99 for summary in used if summary.measured.lag_ms.p99 is not None),
                default=None,
            ),
            not_served=sent - sum(figures[name] - before[name] for name in ("served", "abandoned")),
        )

    def _sent(self, output: Path, summaries: Iterable[ProbeSummary]) -> int:
        """The requests that the generator sent in the search, with those that wait for the API after an overload."""
        timeline = read(output / "timeline.json")
        if self.setting.by is None:
            return sum(summary.offered - summary.dropped for summary in summaries) + timeline["questions"]
        return sum(read(path)["sent"] for path in output.glob("worker-*.json"))

    def end(self) -> None:
        """Stop all processes, the youngest first, and remove the files."""
        for tree in reversed(self.trees):
            tree.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    # Steps.

    def _locust(self, name: str, files: Sequence[str], arguments: Sequence[str], env: dict[str, str]) -> Tree:
        paths = ",".join(str(self.site.load_host / file) for file in files)
        command = [str(LOCUST.folder / "bin/locust"), "--locustfile", paths, *arguments]
        command += ["--host", self.url, "--loglevel", "WARNING"]
        return self._start(name, [*self._limit(PROFILES["publish"].budget_seconds), *command], env)

    def _start(self, name: str, command: list[str], env: dict[str, str]) -> Tree:
        home = self.folder / name
        env = {"PATH": LOCUST.path, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"} | env
        tree = Tree(name, command, env, home)
        self.trees.append(tree)
        return tree

    def _wait(self, trees: list[Tree], seconds: float) -> None:
        """Wait until all have ended without an error.

        Raises:
            LabError: one has failed.
        """
        deadline = time.monotonic() + seconds + PATIENCE_SECONDS
        for tree in trees:
            while tree.root.poll() is None:
                self._pause(tree, deadline)
            if tree.root.returncode != 0:
                tree.require_running()

    def _pause(self, tree: Tree, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise LabError(f"{self.setting.name}: {tree.name} took too long: {tree.log_end()}")
        if self.site.stopping.wait(POLL_SECONDS):
            raise StoppedError

    @staticmethod
    def _limit(seconds: float) -> list[str]:
        """Put before a command, it ends by itself even if the bench is killed."""
        return ["timeout", f"{seconds + 4 * PATIENCE_SECONDS:.0f}"]


def read(path: Path) -> dict[str, Any]:
    """A file of JSON.

    Raises:
        LabError: it is not there.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LabError(f"{path.name} was not written") from None
