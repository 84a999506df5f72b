"""Probes of iterations in real Locust processes, against a server of this process; tests of them use it."""

import gzip
import json
import os
import subprocess
import time
from array import array
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from app.dependencies.processes import free_port
from tests.loadgen.locust_run import LOCUST, RECORDER, ROOT, serve

# Makes the probes of the file PLAN, one after the other, and writes their results.
CONDUCTOR = """
import json, os
import gevent
from locust import events
from locust.runners import WorkerRunner
from loadgen.closed.unloaded import ENOUGH
from loadgen.master.probes import ProbeError, Probes

@events.init.add_listener
def on_init(environment, runner, **_):
    if not isinstance(runner, WorkerRunner):
        if not hasattr(runner, "worker_index"):
            runner.custom_messages.setdefault(ENOUGH, (lambda **_: None, False))
        gevent.spawn(conduct, environment, runner, Probes(environment))

def conduct(environment, runner, probes):
    plan, found = json.load(open(os.environ["PLAN"])), []
    try:
        probes.wait_ready(plan["workers"], 60)
        for step in plan["probes"]:
            stop_after = step.pop("stop_after", None)
            if stop_after:
                gevent.spawn_later(stop_after, probes.stop)
            try:
                found.append(probes.run(**step))
            except (ProbeError, ValueError) as error:
                found.append({"error": f"{type(error).__name__}: {error}"})
    except BaseException as error:
        found.append({"error": f"{type(error).__name__}: {error}"})
    gevent.sleep(0.5)
    with open(os.environ["PLAN"] + ".out", "w") as file:
        json.dump({"probes": found, "counted": runner.stats.total.num_requests}, file)
    runner.quit()
"""
HEAD = """
import time
import gevent
from locust import FastHttpUser, HttpUser, SequentialTaskSet, TaskSet, User, constant, events, task
"""


@dataclass
class Made:
    """``probes`` are the merged summaries; ``asked``: (seconds of `time.monotonic`, path) of each request, in order;
    ``workers``: the summaries of the recorders; ``log``: of all processes.
    """

    probes: list[dict[str, Any]]
    counted: int
    asked: list[tuple[float, str]]
    workers: list[dict[str, Any]]
    folder: Path
    log: str

    def paths(self, start: str = "/") -> list[str]:
        """The paths that begin with ``start``, in order."""
        return [path for _, path in self.asked if path.startswith(start)]

    def records(self, probe: int) -> list[tuple[float, ...]]:
        """The requests of a probe in the files of all workers: due, latency, outcome, lag, server."""
        rows: list[tuple[float, ...]] = []
        for path in sorted(self.folder.glob(f"open-requests-*-trial-{probe}.f64.gz")):
            values = array("d")
            values.frombytes(gzip.decompress(path.read_bytes()))
            rows += zip(*(values[column::5] for column in range(5)), strict=True)
        return rows


def respond(handler: BaseHTTPRequestHandler) -> None:
    """GET /ok..., /status/<code>, /slow/<seconds>/..."""
    _, word, *rest = handler.path.split("/")
    if word == "slow":
        time.sleep(float(rest[0]))
    try:
        handler.send_response(int(rest[0]) if word == "status" else 200)
        handler.send_header("content-length", "2")
        handler.send_header("X-Served-By", "peer/1")
        handler.end_headers()
        handler.wfile.write(b"ok")
    except OSError:
        handler.close_connection = True


def run_probes(
    folder: Path,
    scenario: str,
    probes: list[dict[str, Any]],
    workers: int = 1,
    respond_to: Callable[[BaseHTTPRequestHandler], None] = respond,
) -> Made:
    """Load a server on loopback with iterations of a scenario's text (after `HEAD`)."""
    asked: list[tuple[float, str]] = []

    def note(handler: BaseHTTPRequestHandler) -> None:
        asked.append((time.monotonic(), handler.path))
        respond_to(handler)

    (folder / "scenario.py").write_text(HEAD + scenario)
    (folder / "test_conductor.py").write_text(CONDUCTOR)
    plan, port = folder / "plan", str(free_port())
    plan.write_text(json.dumps({"workers": workers, "probes": probes}))
    given = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given |= {"SWEEP_OUTPUT_DIR": str(folder), "SWEEP_HOST": "lab-load", "PLAN": str(plan)}
    given |= {"SWEEP_SEARCH": json.dumps({"by": "arrivals"})}
    given |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    files = f"{folder}/scenario.py,{RECORDER}"
    with serve("127.0.0.1", note) as server, ExitStack() as stack:
        host = ["--host", f"http://127.0.0.1:{server.port}", "--exit-code-on-error", "0", "--only-summary"]
        load = ["--headless", "--users", str(workers), "--spawn-rate", str(workers)]
        at = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        at += ["--expect-workers", str(workers), "--expect-workers-max-wait", "60"]
        processes = [(f"{files},{folder}/test_conductor.py", [*load, *at], given)]
        for index in range(workers):
            here = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
            processes.append((files, here, given | {"SWEEP_WORKER_INDEX": str(index)}))
        logs, started = [], []
        for number, (loaded, arguments, env) in enumerate(processes):
            log = stack.enter_context((folder / f"log-{number}").open("w+"))
            process = subprocess.Popen(
                [LOCUST, "-f", loaded, *host, *arguments], env=env, cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(process.kill)
            logs.append(log)
            started.append(process)
        try:
            for process in started:
                process.wait(150)
        finally:
            text = "\n".join((folder / f"log-{number}").read_text() for number in range(len(logs)))
            print(text)
    out = json.loads((folder / "plan.out").read_text())
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("worker-*.json"))]
    return Made(out["probes"], out["counted"], asked, records, folder, text)
