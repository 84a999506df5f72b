"""The servers of one run: started on one core, checked, loaded in turn, parked in between."""

import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import Any

from app.dependencies.processes import free_port
from bench.lib import cores, wrk
from bench.lib.cores import Cores
from bench.lib.loopback import send_request
from bench.lib.paths import ROOT
from bench.lib.processes import Tree
from bench.lib.progress import say
from bench.lib.result import number
from bench.serving import environments, rounds, servers
from bench.serving.rounds import Round
from bench.serving.servers import OURS, Server, Target
from swarmsweep.errors import LabError

# Seconds. The first second after another server used the core depends more on caches than on the server.
SETTLE_SECONDS = 1
# The maximum seconds for a server to become ready, and for the dependencies to end. mlflow imports for about 15 s on a
# busy core.
PATIENCE_SECONDS = 120
POLL_SECONDS = 0.01


class ServerPool:
    """Starts servers, which ``stack`` ends; files go below ``folder``."""

    def __init__(self, chosen: Cores, folder: Path, stack: ExitStack) -> None:
        self.cores, self.folder, self.stack = chosen, folder, stack
        self.trees: dict[str, Tree] = {}
        self.servers: dict[str, Server] = {}
        self.registry: dict[str, Any] = {}

    def start_registry(self, source: str) -> None:
        """PostgreSQL, MLflow and a champion, idle on the client's core from now on. See registry.py."""
        say(f"Starting PostgreSQL and MLflow on core {self.cores.client}, training on {source}")
        home = self.folder / "dependencies"
        home.mkdir()
        command = [str(environments.MLFLOW.python), "-m", "bench.serving.registry", str(home), source]
        # `app.dependencies` and `bench`; `covertype_api`.
        modules = os.pathsep.join(map(str, (ROOT, ROOT / "app")))
        env = {"PATH": environments.MLFLOW.path, "PYTHONPATH": modules, "PYTHONDONTWRITEBYTECODE": "1"}
        tree = self._start("registry", cores.pin(command, self.cores.client), env, stdin=-1, stdout=-1)
        # It ends when its stdin is closed; PostgreSQL can then remove its folder.
        self.stack.callback(_close_and_wait, tree)
        line = tree.root.stdout.readline()
        if not line:
            tree.root.wait()
            tree.require_running()
        self.registry = json.loads(line)

    def time_starts(self, app: Path, times: int) -> list[float]:
        """Seconds from the start of the API's process to its first 200 at /ready. The last process stays."""
        ready_seconds = []
        for _ in range(times):
            if OURS in self.trees:
                self.trees[OURS].end()
            shared = Path(tempfile.mkdtemp(prefix="swarmsweep-bench-", dir=_in_memory()))
            self.stack.callback(shutil.rmtree, shared, ignore_errors=True)
            server = servers.ours(free_port(), self.registry["env"], app, shared)
            began = time.monotonic()
            self._start_server(server)
            ready_seconds.append(time.monotonic() - began)
            say(f"Started {OURS} on core {self.cores.server}: ready after {ready_seconds[-1]:.2f} s")
        self.trees[OURS].park()
        return ready_seconds

    def start_peers(self, app: Path) -> None:
        """Every other server; each is parked as soon as it is ready."""
        env, onnx = self.registry["env"], self.registry["onnx"]
        for server in (
            servers.bare_asgi(free_port()),
            servers.mlflow_serve(free_port(), env),
            servers.litserve(free_port(), onnx, app),
            servers.bentoml(free_port(), onnx, app, self.folder / "bentoml"),
        ):
            say(f"Starting {server.name} on core {self.cores.server}")
            self._start_server(server)
            self.trees[server.name].park()

    def awake(self, target: Target, action: Callable[[], Any]) -> Any:
        """Resume the target's server, run the action, and park it again."""
        tree = self.trees[target.server]
        tree.require_running()
        tree.resume()
        done = action()
        tree.park()
        return done

    def check(self, target: Target) -> None:
        """Every body must get status 200, and the classes of the registered pipeline.

        Raises:
            LabError: a response was different.
        """
        url = self._url(target)
        for row, body in enumerate(target.bodies or (None,)):
            try:
                response = send_request(url, body and body.encode())
                classes = json.loads(response.body).get("predictions") if target.predicts else None
            except (OSError, HTTPException, ValueError, AttributeError) as error:
                raise LabError(f"{url}: {error!r}: {self.trees[target.server].log_end()}") from error
            expected = self.registry["classes"][row : row + target.rows] if target.predicts else None
            if response.status != 200 or classes != expected:
                got = f"{response.status} {response.body[:200]!r}"
                raise LabError(f"{target.name}: row {row} got {got}, but {expected or 200} is right")

    def load(self, target: Target, seconds: int) -> wrk.Load:
        """Make one load.

        Raises:
            LabError: a response was an error.
        """
        bodies = None
        if target.bodies:
            bodies = self.folder / f"{target.name}.bodies"
            bodies.write_text("\n".join(target.bodies) + "\n")
        load = wrk.run(self._url(target), seconds, bodies, self.cores.client)
        if load.errors:
            counts = ", ".join(f"{count} {kind}" for kind, count in load.errors.items())
            log = self.trees[target.server].log_end()
            raise LabError(f"{target.name}: errors in {load.requests} requests: {counts}: {log}")
        return load

    def measure(self, targets: Sequence[Target], times: int, seconds: int, seed: int) -> list[Round]:
        """Load all targets in each round, in a new order each time."""
        order = random.Random(seed)
        measured = []
        for turn in range(1, times + 1):
            for target in order.sample(targets, len(targets)):
                done = self.awake(target, lambda target=target, turn=turn: self._measure(target, turn, seconds))
                say(f"Round {turn}/{times}: {target.name} {number(done.value)} {target.unit}")
                measured.append(done)
        return measured

    def _measure(self, target: Target, turn: int, seconds: int) -> Round:
        self.load(target, SETTLE_SECONDS)
        tree = self.trees[target.server]
        return rounds.measure(target, turn, tree, self.cores.server, lambda: self.load(target, seconds))

    def _start(self, name: str, command: list[str], env: dict[str, str], **options) -> Tree:
        home = self.folder / f"{name}-{len(list(self.folder.glob(f'{name}-*')))}"
        keep = {key: os.environ[key] for key in ("LANG", "TMPDIR") if key in os.environ}
        tree = Tree(name, command, keep | {"HOME": str(home)} | env, home, **options)
        self.stack.callback(tree.end)
        return tree

    def _start_server(self, server: Server) -> None:
        tree = self._start(server.name, server.pinned(self.cores.server), server.env)
        self.trees[server.name], self.servers[server.name] = tree, server
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _is_ready(server.url + server.ready):
            tree.require_running()
            if time.monotonic() > deadline:
                raise LabError(f"{server.name} was not ready after {PATIENCE_SECONDS} s: {tree.log_end()}")
            time.sleep(POLL_SECONDS)
        tree.require_pinned(self.cores.server)

    def _url(self, target: Target) -> str:
        return self.servers[target.server].url + target.path


def _is_ready(url: str) -> bool:
    try:
        return send_request(url).status == 200
    except (OSError, HTTPException):
        return False


def _close_and_wait(tree: Tree) -> None:
    tree.root.stdin.close()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while tree.root.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _in_memory() -> str | None:
    """A folder in memory, as every container has; None for the usual place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
