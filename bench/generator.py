"""`./lab bench generator`: the load generator against FastHttpUser and wrk, on one core, nginx on the other."""

import argparse
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench import cores, load_host, machine, nginx, packages, result, wrk
from bench.cores import Cores
from bench.environments import Environment
from bench.loopback import require_loopback
from bench.processes import Tree
from bench.progress import say
from bench.ratios import Ratio, compute, spread
from bench.result import Row
from bench.session import session
from swarmsweep.errors import LabError

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "reports/bench/generator.json"
LOADS = ROOT / "bench/loads"
SCENARIOS = ROOT / "locustfiles"
# What the load hosts run.
LOCUST = Environment("generator", load_host.LOCK)
# Names and targets are a contract. CPU time per request is not disturbed by others on the core, unlike a rate.
RATIOS = (
    Ratio("over_fasthttpuser", "closed", "fasthttpuser", 3),
    Ratio("cpu_fasthttpuser_over_ours", "fasthttpuser_cpu", "closed_cpu", 3),
    Ratio("open_achieved_over_offered", "open_50_achieved", "open_50_offered", 0.99),
)
# Of FastHttpUser, of our closed trial and of wrk. FastHttpUser is at its best with so many (4 to 64 were tried).
CONNECTIONS = 64
# Percent of the closed rate that open loops are to send. A closed loop that keeps both cores busy works in batches and
# hardly sleeps, so its rate is more than an open one can keep. At half of it the generator uses some 60 % of its core;
# beyond 70 % it is not to be trusted in a sweep. What it does close to the peak is shown beside that.
OPEN_PERCENT = (50, 90)
# What Locust gets beyond its loads to start, drain and end.
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05
# What a conductor may have measured, one after the other.
PARTS = ("closed", *(f"open_{percent}" for percent in OPEN_PERCENT))
# Of the core, by others than the generator; above that a row is doubted.
MAX_OTHERS_SHARE = 0.05
MAX_SPREAD = 0.15


@dataclass(frozen=True)
class Loaded:
    """Figures of one load of one generator."""

    name: str
    number: int
    requests: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def rps(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        return 1e6 * self.cpu_seconds / self.requests


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        prog="./lab bench generator",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--rounds", type=_count, default=3, help="loads of each generator; values are medians over them"
    )
    parser.add_argument("--seconds", type=_count, default=3, help="how long each load is measured")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the order within each round")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Measure, print the tables, write the file.

    Raises:
        LabError: a generator counted what nginx did not, had failures, or cannot be run here.
    """
    options = parse(arguments)
    chosen = cores.choose(os.sched_getaffinity(0))
    if shutil.which("wrk") is None:
        packages.install_debian("wrk")
    LOCUST.install()
    started = time.monotonic()
    with session(chosen.client) as (folder, stack):
        content, text = Bench(options, chosen, folder, stack).run()
    content["bench_seconds"] = round(time.monotonic() - started, 1)
    result.write(RESULT, content)
    print(text)
    say(f"Written: {RESULT.relative_to(ROOT)}")


class Bench:
    """One run: nginx stays, the generators take turns."""

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
        order, found = random.Random(self.options.seed), []
        generators = (self.load_by_fasthttpuser, self.load_by_ours, self.load_by_wrk)
        for number in range(1, self.options.rounds + 1):
            for generator in order.sample(generators, len(generators)):
                for loaded in self.watched(lambda run=generator, number=number: run(number)):
                    say(f"Round {number}/{self.options.rounds}: {loaded.name} {result.number(loaded.rps)} requests/s")
                    found.append(loaded)
        return self.conclude(found)

    def payloads(self) -> list[str]:
        """The bodies that the scenarios send, for wrk."""
        program = "import json, predict; print(json.dumps([body.decode() for body in predict.PAYLOADS]))"
        tree = self.start("payloads", [str(LOCUST.python), "-c", program], {"PYTHONPATH": str(SCENARIOS)})
        self.wait(tree, PATIENCE_SECONDS)
        return json.loads(tree.log.read_text())

    def watched(self, load: Callable[[], list[Loaded]]) -> list[Loaded]:
        """Run one generator; note what others took of its core. The bench itself only waits."""
        (busy, stolen), began, own = cores.read_busy_seconds(self.cores.client), time.monotonic(), _own_cpu_seconds()
        found = load()
        (busy_after, stolen_after), seconds = cores.read_busy_seconds(self.cores.client), time.monotonic() - began
        others = max(0.0, busy_after - busy - (_own_cpu_seconds() - own)) + max(0.0, stolen_after - stolen)
        return [
            Loaded(**{**vars(loaded), "more": loaded.more | {"others_share": round(others / seconds, 3)}})
            for loaded in found
        ]

    def load_by_fasthttpuser(self, number: int) -> list[Loaded]:
        """Ordinary users without think time, who judge each answer."""
        load = ["--users", str(CONNECTIONS), "--spawn-rate", "1000", "--stop-timeout", "15"]
        figures = self.run_locust("fasthttpuser", [SCENARIOS / "predict.py", LOADS / "closed.py"], load)
        return [self.loaded("fasthttpuser", number, figures["closed"])]

    def load_by_ours(self, number: int) -> list[Loaded]:
        """One open-loop user: a closed trial, then open ones at shares of its rate, in one start of Locust."""
        files = [load_host.ENTRIES / "open_loop.py", SCENARIOS / "predict_open.py", LOADS / "open.py"]
        figures = self.run_locust("ours", files, ["--users", "1", "--spawn-rate", "1"])
        return [self.loaded(name, number, figures[name]) for name in PARTS]

    def run_locust(self, name: str, files: Sequence[Path], load: Sequence[str]) -> dict[str, Any]:
        """Locust, headless and in one process, and what its conductor wrote.

        Raises:
            LabError: it failed, an answer was wrong, or nginx has counted otherwise.
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
        # The later question is counted too.
        counted = nginx.requests(self.url) - before - 1
        if not output.exists():
            raise LabError(f"{name} wrote no figures: {tree.log_end()}")
        figures = json.loads(output.read_text(encoding="utf-8"))
        require_same_count(name, figures, counted)
        self.commands[name] = " ".join(cores.pin(command, self.cores.client)).replace(f"{ROOT}/", "")
        for part in PARTS:
            if part in figures:
                # Of all that this process sent: warming up, and all trials.
                figures[part] |= {"locust_counted": figures["counted"], "nginx_counted": counted}
        return figures

    def load_by_wrk(self, number: int) -> list[Loaded]:
        """The ceiling: C, one thread, and no look at the answers but their status."""
        load = wrk.run(self.url + nginx.PATH, self.options.seconds, self.bodies, self.cores.client)
        if load.errors:
            raise LabError(f"wrk: {load.errors} in {load.requests} requests")
        command = wrk.command("URL", self.options.seconds, Path("BODIES"))
        self.commands["wrk"] = " ".join(cores.pin(command, self.cores.client)).replace(f"{ROOT}/", "")
        return [Loaded("wrk", number, load.requests, load.seconds, load.client_cpu_seconds, load.p50_ms, load.p99_ms)]

    def loaded(self, name: str, number: int, figures: dict[str, Any]) -> Loaded:
        """Figures of a conductor, and whatever else it wrote."""
        names = ("requests", "seconds", "cpu_seconds", "p50_ms", "p99_ms")
        more = {key: value for key, value in figures.items() if key not in (*names, "errors")}
        return Loaded(name, number, *(figures[key] for key in names), more)

    def start(self, name: str, command: list[str], env: dict[str, str]) -> Tree:
        """A process on the client's core that ends with the bench."""
        home = self.folder / name
        env = {"PATH": LOCUST.path, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"} | env
        tree = Tree(name, cores.pin(command, self.cores.client), env, home)
        self.stack.callback(tree.end)
        return tree

    def wait(self, tree: Tree, seconds: float) -> None:
        """Until it has ended well.

        Raises:
            LabError: it has not.
        """
        deadline = time.monotonic() + seconds
        while tree.root.poll() is None:
            if time.monotonic() > deadline:
                raise LabError(f"{tree.name} did not end within {seconds:g} s: {tree.log_end()}")
            time.sleep(POLL_SECONDS)
        if tree.root.returncode != 0:
            tree.require_running()

    def conclude(self, found: Sequence[Loaded]) -> tuple[dict[str, Any], str]:
        """The file's content and the tables."""
        rows = [summarize(name, found) for name in dict.fromkeys(loaded.name for loaded in found)]
        values = compute(RATIOS, series(found))
        warnings = doubts(found)
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
            | {"nginx": nginx.version(nginx.program()), "wrk": machine.wrk_version()},
            "commands": self.commands,
        }
        parts = [rate_table(rows), result.ratio_table(RATIOS, values)]
        parts += [f"Doubt: {warning}" for warning in warnings]
        return result.as_json(rows, RATIOS, values, facts), "\n\n".join(parts)


def require_same_count(name: str, figures: dict[str, Any], nginx_counted: int) -> None:
    """Raise LabError unless every request was right, and Locust, its trials and nginx have counted the same."""
    parts = [figures[part] for part in PARTS if part in figures]
    if figures["failures"]:
        errors = sorted({text for part in parts for text in part["errors"]})
        raise LabError(f"{name}: {figures['failures']} of {figures['counted']} requests failed: {', '.join(errors)}")
    counts = {"Locust": figures["counted"], "nginx": nginx_counted}
    if all("ok" in part for part in parts):
        counts["the trials"] = sum(part["ok"] for part in parts)
    if len(set(counts.values())) != 1:
        told = ", ".join(f"{who} {count}" for who, count in counts.items())
        raise LabError(f"{name}: requests were lost or sent twice, as these have counted differently: {told}")


def series(found: Sequence[Loaded]) -> dict[str, list[float]]:
    """What the ratios are made of, in the order of rounds."""
    values: dict[str, list[float]] = {}
    for loaded in sorted(found, key=lambda one: one.number):
        values.setdefault(loaded.name, []).append(loaded.rps)
        values.setdefault(f"{loaded.name}_cpu", []).append(loaded.cpu_us)
        if "achieved_over_offered" in loaded.more:
            values.setdefault(f"{loaded.name}_achieved", []).append(loaded.more["achieved_over_offered"])
            values.setdefault(f"{loaded.name}_offered", []).append(1.0)
    return values


def summarize(name: str, found: Sequence[Loaded]) -> Row:
    """The row of a generator: medians over its rounds, and the counts of all."""
    own = [loaded for loaded in found if loaded.name == name]
    value = spread([loaded.rps for loaded in own])
    more = {
        "min": round(value.least, 1),
        "max": round(value.greatest, 1),
        "p50_ms": round(median(loaded.p50_ms for loaded in own), 3),
        "p99_ms": round(median(loaded.p99_ms for loaded in own), 3),
        "cpu_us_per_request": round(median(loaded.cpu_us for loaded in own), 2),
        "requests": sum(loaded.requests for loaded in own),
    }
    for key in ("others_share", "rate_rps", "lag_p50_ms", "lag_p99_ms", "achieved_over_offered"):
        seen = [loaded.more[key] for loaded in own if loaded.more.get(key) is not None]
        if seen:
            more[key] = round(median(seen), 4)
    for key in ("offered", "ok", "failed", "timed_out", "dropped", "in_flight_end", "locust_counted", "nginx_counted"):
        if key in own[0].more:
            more[key] = sum(loaded.more[key] for loaded in own)
    return Row(name, round(value.median, 1), "requests/s", more=more)


def doubts(found: Sequence[Loaded]) -> list[str]:
    """Sentences on what makes the measurement less believable."""
    sentences = []
    for name in dict.fromkeys(loaded.name for loaded in found):
        own = [loaded for loaded in found if loaded.name == name]
        others = max(loaded.more.get("others_share", 0.0) for loaded in own)
        value = spread([loaded.rps for loaded in own])
        width = (value.greatest - value.least) / value.median
        if others > MAX_OTHERS_SHARE:
            sentences.append(f"{name}: others used up to {others:.0%} of the generator's core; a quiet machine helps")
        if width > MAX_SPREAD:
            sentences.append(f"{name}: rounds differ by {width:.0%} around {result.number(value.median)}")
    return sentences


def rate_table(rows: Sequence[Row]) -> str:
    """What each generator did."""
    header = ("one core", "median", "min .. max", "unit", "p50 ms", "p99 ms", "CPU us/request", "lag p99 ms", "nginx")
    lines = [
        [
            row.name,
            result.number(row.value),
            f"{result.number(row.more['min'])} .. {result.number(row.more['max'])}",
            row.unit,
            result.number(row.more["p50_ms"]),
            result.number(row.more["p99_ms"]),
            result.number(row.more["cpu_us_per_request"]),
            result.number(row.more["lag_p99_ms"]) if "lag_p99_ms" in row.more else "",
            "same count" if "nginx_counted" in row.more else "",
        ]
        for row in rows
    ]
    return result.table(header, lines)


def _own_cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 60")
    return int(text)
