"""The API against mlflow models serve, LitServe and BentoML: one row per request, each on the same core in turn."""

import argparse
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.lib import cores, machine, processes, result, wrk
from bench.lib.loopback import send_request
from bench.lib.options import count
from bench.lib.paths import RESULTS, ROOT
from bench.lib.progress import say
from bench.lib.ratios import Ratio, compute
from bench.lib.result import Row
from bench.lib.workspace import workspace
from bench.serving import environments, programs, servers
from bench.serving.rounds import Round, rates, summarize, warnings_about
from bench.serving.server_pool import ServerPool
from bench.serving.servers import OURS, Target
from swarmsweep.errors import LabError

RESULT = RESULTS / "serving.json"
# Names and targets are a contract.
RATIOS = (
    Ratio("predict_over_empty", "predict", "empty", 0.90),
    Ratio("over_mlflow_serve", "predict", "mlflow_serve", 40),
    Ratio("over_litserve", "predict", "litserve", 4),
    Ratio("over_bentoml", "predict", "bentoml", 4),
    Ratio("batch64_over_single", "predict_batch64", "predict", 15),
)
# Of one worker of the API.
MAX_RESIDENT_MB = 130
MAX_START_SECONDS = 3
STARTS = 3
# Rows that are sent one by one; all servers must agree on their classes.
SINGLE_ROWS = 20
WARM_UP_SECONDS = 2
MEGABYTE = 1e6


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        prog="./lab bench serving", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rounds", type=count, default=3, help="loads of each row; values are medians over them")
    parser.add_argument("--seconds", type=count, default=3, help="how long each load lasts")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="seed of the order within each round")
    parser.add_argument("--data", default=_default_data(), help="a Covertype CSV to train on, or 'generated'")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Measure, print the tables, write the file.

    Raises:
        LabError: it cannot be measured here, or what was measured is not sound.
    """
    options = parse(arguments)
    chosen = cores.choose(os.sched_getaffinity(0))
    if options.data != "generated" and not Path(options.data).is_file():
        raise LabError(f"--data {options.data}: no such file; give a Covertype CSV, or 'generated'")
    programs.install()
    for environment in (environments.API, environments.MLFLOW, environments.PEERS):
        environment.install()
    began = time.monotonic()
    with workspace(chosen.client) as (folder, stack):
        content, text = run(options, ServerPool(chosen, folder, stack))
    content["bench_seconds"] = round(time.monotonic() - began, 1)
    result.write(RESULT, content)
    print(text)
    say(f"Written: {RESULT.relative_to(ROOT)}")


def run(options: argparse.Namespace, pool: ServerPool) -> tuple[dict[str, Any], str]:
    """The content of the file, and the text for the terminal."""
    pool.start_registry(options.data)
    app = servers.copy_package(pool.folder)
    starts = pool.time_starts(app, STARTS)
    pool.start_peers(app)
    targets = servers.targets(pool.registry["rows"], pool.registry["features"], SINGLE_ROWS)
    check(pool, targets)
    for target in targets:
        say(f"Warming up {target.name}, {WARM_UP_SECONDS} s")
        pool.awake(target, lambda target=target: pool.load(target, WARM_UP_SECONDS))
    rounds = pool.measure(targets, options.rounds, options.seconds, options.seed)
    worker = worker_rows(pool, starts)
    check(pool, targets)
    return conclude(options, pool, targets, rounds, worker)


def check(pool: ServerPool, targets: Sequence[Target]) -> None:
    """Run before and after the loads, because the speed of a server with wrong responses is meaningless."""
    say(f"Checking all responses to {SINGLE_ROWS} rows")
    for target in targets:
        pool.awake(target, lambda target=target: pool.check(target))


def worker_rows(pool: ServerPool, starts: Sequence[float]) -> list[Row]:
    """Memory, threads and start of one worker of the API, after all loads."""
    tree = pool.trees[OURS]
    tree.resume()
    served_by = send_request(f"{pool.servers[OURS].url}/empty").headers["x-served-by"]
    tree.park()
    pid = int(served_by.rpartition("/")[2])
    proportional = processes.proportional_bytes(pid)
    return [
        Row("onnx_worker_resident", _megabytes(processes.status_kib(pid, "VmRSS") * 1024), "MB", MAX_RESIDENT_MB),
        Row("onnx_worker_proportional", None if proportional is None else _megabytes(proportional), "MB"),
        Row("onnx_all_resident", _megabytes(tree.resident_bytes()), "MB"),
        Row("onnx_worker_threads", processes.threads(pid), "threads"),
        Row(
            "onnx_start_to_ready",
            round(median(starts), 3),
            "s",
            MAX_START_SECONDS,
            {"starts": [round(seconds, 3) for seconds in starts]},
        ),
    ]


def conclude(
    options: argparse.Namespace,
    pool: ServerPool,
    targets: Sequence[Target],
    rounds: Sequence[Round],
    worker: Sequence[Row],
) -> tuple[dict[str, Any], str]:
    """Assemble rows, ratios and conditions."""
    values = compute(RATIOS, rates(rounds))
    rows = [summarize(target, rounds) for target in targets]
    peers = [tree for name, tree in pool.trees.items() if name != OURS]
    memory = [Row(f"{tree.name}_all_resident", _megabytes(tree.resident_bytes()), "MB") for tree in peers]
    facts = conditions(options, pool) | {"doubts": warnings_about(rounds)}
    content = result.as_json([*rows, *worker, *memory], RATIOS, values, facts)
    tables = [result.rate_table(rows), result.ratio_table(RATIOS, values), result.limit_table([*worker, *memory])]
    tables.append("\n".join(f"Warning: {text}" for text in facts["doubts"]))
    return content, "\n\n".join(tables).rstrip()


def conditions(options: argparse.Namespace, pool: ServerPool) -> dict[str, Any]:
    """The conditions that are needed to judge the figures, and to repeat the measurement."""
    client = cores.pin(wrk.command("URL", options.seconds, Path("BODIES")), pool.cores.client)
    started = pool.servers.values()
    commands = {server.name: " ".join(server.pinned(pool.cores.server)) for server in started}
    versions = {server.name: machine.versions(server.environment.python, server.packages) for server in started}
    return {
        "seed": options.seed,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "connections": wrk.CONNECTIONS,
        "cores": {"server": pool.cores.server, "client": pool.cores.client},
        "machine": machine.facts(),
        "model": pool.registry["model"],
        "versions": versions | {"wrk": wrk.version()},
        "commands": commands | {"wrk": " ".join(client)},
    }


def _megabytes(size_bytes: int) -> float:
    return round(size_bytes / MEGABYTE, 1)


def _default_data() -> str:
    """Real rows where there are some: SWARMSWEEP_DATA, else the file that the tests look for."""
    named = os.environ.get("SWARMSWEEP_DATA")
    beside = ROOT.parent / "shared/data/covertype.csv.gz"
    return named or (str(beside) if beside.is_file() else "generated")
