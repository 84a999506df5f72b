"""One run: nginx has its own core, and the generators load it from the other core, one after the other."""

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.generator import nginx
from bench.generator.figures import (
    OPEN_PERCENT,
    PARTS,
    RATIOS,
    Loaded,
    rate_table,
    require_same_count,
    series,
    summarize,
    warnings_about,
)
from bench.lib import cores, load_host, machine, result, wrk
from bench.lib.cores import Cores
from bench.lib.environments import LOCUST
from bench.lib.loopback import require_loopback
from bench.lib.paths import ROOT, SCENARIOS
from bench.lib.processes import Tree
from bench.lib.progress import say
from bench.lib.ratios import compute
from swarmsweep.errors import LabError

LOADS = Path(__file__).with_name("loads")
# Connections of FastHttpUser, of our closed probe and of wrk. FastHttpUser has its best rate with this number (4 to 64
# were measured).
CONNECTIONS = 64
# Seconds for Locust beyond its loads, to start, drain and end.
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05


class InterleavedRun:
    """One run: in each round every generator loads the same nginx, in random order."""

    def __init__(self, options: argparse.Namespace, chosen: Cores, folder: Path, stack: ExitStack) -> None:
        self.options, self.cores, self.folder, self.stack = options, chosen, folder, stack
        self.runs = 0
        self.commands: dict[str, str] = {}

    def run(self) -> tuple[dict[str, Any], str]:
        """Content of the file, and the text for the terminal."""
        say(f"Starting nginx on core {self.cores.server}")
        self.url, tree = nginx.start(self.folder, self.cores.server)
        self.stack.callback(tree.end)
        self.bodies = self.folder / "bodies"
        self.bodies.write_text("\n".join(self.payloads()) + "\n", encoding="utf-8")
        order, loads = random.Random(self.options.seed), []
        generators = (self.load_by_fasthttpuser, self.load_by_ours, self.load_by_wrk)
        for number in range(1, self.options.rounds + 1):
            for generator in order.sample(generators, len(generators)):
                for loaded in self.watched(lambda run=generator, number=number: run(number)):
                    say(f"Round {number}/{self.options.rounds}: {loaded.name} {result.number(loaded.rps)} requests/s")
                    loads.append(loaded)
        return self.conclude(loads)

    def payloads(self) -> list[str]:
        """The bodies that the scenarios send, for wrk."""
        program = "import json, predict; print(json.dumps([body.decode() for body in predict.PAYLOADS]))"
        tree = self.start("payloads", [str(LOCUST.python), "-c", program], {"PYTHONPATH": str(SCENARIOS)})
        self.wait(tree, PATIENCE_SECONDS)
        return json.loads(tree.log.read_text())

    def watched(self, load: Callable[[], list[Loaded]]) -> list[Loaded]:
        """Run one generator, and record the CPU use of other processes on its core. The bench itself only waits."""
        (busy, stolen), began, own = cores.read_busy_seconds(self.cores.client), time.monotonic(), _own_cpu_seconds()
        loads = load()
        (busy_after, stolen_after), seconds = cores.read_busy_seconds(self.cores.client), time.monotonic() - began
        others = max(0.0, busy_after - busy - (_own_cpu_seconds() - own)) + max(0.0, stolen_after - stolen)
        return [
            Loaded(**{**vars(loaded), "more": loaded.more | {"others_share": round(others / seconds, 3)}})
            for loaded in loads
        ]

    def load_by_fasthttpuser(self, number: int) -> list[Loaded]:
        """Ordinary users without think time, who check each response."""
        load = ["--users", str(CONNECTIONS), "--spawn-rate", "1000", "--stop-timeout", "15"]
        figures = self.run_locust("fasthttpuser", [SCENARIOS / "predict.py", LOADS / "closed.py"], load)
        return [self.loaded("fasthttpuser", number, figures["closed"])]

    def load_by_ours(self, number: int) -> list[Loaded]:
        """One open-loop user: a closed probe, then open ones at shares of its rate, in one start of Locust."""
        files = [
            load_host.ENTRIES / "open_loop.py",
            SCENARIOS / "predict_open.py",
            LOADS / "open.py",
        ]
        figures = self.run_locust("ours", files, ["--users", "1", "--spawn-rate", "1"])
        return [self.loaded(name, number, figures[name]) for name in PARTS]

    def run_locust(self, name: str, files: Sequence[Path], load: Sequence[str]) -> dict[str, Any]:
        """Run Locust, headless and in one process; return the output of its conductor.

        Raises:
            LabError: it failed, a response was wrong, or nginx has another count.
        """
        require_loopback(self.url)
        self.runs += 1
        output = self.folder / f"{name}-{self.runs}.json"
        command = [str(LOCUST.folder / "bin/locust"), "--locustfile", ",".join(map(str, files)), "--headless"]
        command += [*load, "--host", self.url, "--only-summary", "--loglevel", "WARNING", "--exit-code-on-error", "0"]
        env = {
            "BENCH_OUTPUT": str(output),
            "BENCH_SECONDS": str(self.options.seconds),
            "BENCH_SHARES": ",".join(map(str, OPEN_PERCENT)),
            # On a load host, the package lies beside its entries.
            "PYTHONPATH": str(ROOT),
        }
        env |= {
            "BENCH_CONNECTIONS": str(CONNECTIONS),
            "SWEEP_OUTPUT_DIR": str(self.folder / f"{name}-{self.runs}-files"),
        }
        before = nginx.requests(self.url)
        tree = self.start(f"{name}-{self.runs}", command, env)
        self.wait(tree, 3 * self.options.seconds + PATIENCE_SECONDS)
        # The second request for the count is counted too.
        counted = nginx.requests(self.url) - before - 1
        if not output.exists():
            raise LabError(f"{name} wrote no figures: {tree.log_end()}")
        figures = json.loads(output.read_text(encoding="utf-8"))
        require_same_count(name, figures, counted)
        self.commands[name] = " ".join(cores.pin(command, self.cores.client)).replace(f"{ROOT}/", "")
        for part in PARTS:
            if part in figures:
                # All requests of this process: warm-up, and all probes.
                figures[part] |= {"locust_counted": figures["counted"], "nginx_counted": counted}
        return figures

    def load_by_wrk(self, number: int) -> list[Loaded]:
        """The upper bound: written in C, one thread, and no check of a response except its status."""
        load = wrk.run(self.url + nginx.PATH, self.options.seconds, self.bodies, self.cores.client)
        if load.errors:
            raise LabError(f"wrk: {load.errors} in {load.requests} requests")
        command = wrk.command("URL", self.options.seconds, Path("BODIES"))
        self.commands["wrk"] = " ".join(cores.pin(command, self.cores.client)).replace(f"{ROOT}/", "")
        return [Loaded("wrk", number, load.requests, load.seconds, load.client_cpu_seconds, load.p50_ms, load.p99_ms)]

    def loaded(self, name: str, number: int, figures: dict[str, Any]) -> Loaded:
        """The figures of a conductor, and its other output."""
        names = ("requests", "seconds", "cpu_seconds", "p50_ms", "p99_ms")
        more = {key: value for key, value in figures.items() if key not in (*names, "errors")}
        return Loaded(name, number, *(figures[key] for key in names), more)

    def start(self, name: str, command: list[str], env: dict[str, str]) -> Tree:
        """Start a process on the client's core that ends with the bench."""
        home = self.folder / name
        env = {"PATH": LOCUST.path, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"} | env
        tree = Tree(name, cores.pin(command, self.cores.client), env, home)
        self.stack.callback(tree.end)
        return tree

    def wait(self, tree: Tree, seconds: float) -> None:
        """Wait until it has ended without an error.

        Raises:
            LabError: it has failed.
        """
        deadline = time.monotonic() + seconds
        while tree.root.poll() is None:
            if time.monotonic() > deadline:
                raise LabError(f"{tree.name} did not end within {seconds:g} s: {tree.log_end()}")
            time.sleep(POLL_SECONDS)
        if tree.root.returncode != 0:
            tree.require_running()

    def conclude(self, loads: Sequence[Loaded]) -> tuple[dict[str, Any], str]:
        """The file's content and the tables."""
        rows = [summarize(name, loads) for name in dict.fromkeys(loaded.name for loaded in loads)]
        values = compute(RATIOS, series(loads))
        warnings = warnings_about(loads)
        wrk_rps = next(row.value for row in rows if row.name == "wrk")
        facts = {
            "share_of_wrk": {row.name: round(row.value / wrk_rps, 3) for row in rows},
            "doubts": warnings,
            "seed": self.options.seed,
            "rounds": self.options.rounds,
            "seconds": self.options.seconds,
            "connections": {"fasthttpuser": CONNECTIONS, "closed": CONNECTIONS, "wrk": wrk.CONNECTIONS},
            "cores": {"server": self.cores.server, "client": self.cores.client},
            "machine": machine.facts(),
            "versions": machine.versions(LOCUST.python, ("locust", "geventhttpclient", "gevent", "httptools"))
            | {"nginx": nginx.version(nginx.program()), "wrk": wrk.version()},
            "commands": self.commands,
        }
        parts = [rate_table(rows), result.ratio_table(RATIOS, values)]
        parts += [f"Warning: {warning}" for warning in warnings]
        return result.as_json(rows, RATIOS, values, facts), "\n\n".join(parts)


def _own_cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
