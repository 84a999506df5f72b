"""What a cell of a sweep costs beside its load, and where: on a lab that is up, or by the files of a run.

Without RUN a small sweep is measured on the lab of the inventory (LAB_INVENTORY, else inventory/lab), which must be up
and provisioned: ./lab up; ./lab site. Its runs stay below .lab/bench/overhead.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.lib import machine, result
from bench.lib.options import count
from bench.lib.paths import CACHE, RESULTS, ROOT
from bench.lib.progress import say
from bench.lib.ratios import spread
from bench.lib.result import Row, number
from bench.overhead.phases import BETWEEN_TRIALS, PHASES, Attempt, read_run
from swarmsweep.errors import InputError, LabError
from swarmsweep.files import read_json, write_atomically, write_json
from swarmsweep.plan.planned import Plan, as_json
from swarmsweep.plan.run_folder import attempt_dir, newest_run, read_plan

RESULT = RESULTS / "overhead.json"
OWN_RUNS = CACHE / "overhead"
# Targets; the name of the first is a contract.
MAX_SECONDS_PER_CELL = 12
MAX_SAMPLER_PERCENT = 2
MAX_PLAN_SECONDS = 5
MAX_REPORT_SECONDS = 5
PLANNED_CELLS, REPORTED_CELLS = 2000, 500
# Fresh processes for each figure, which is their median.
STARTS = 3
# Cells that a one-core host with 2 GiB can take, with one replica and with two: from each to the other, all changes.
SWEEP = """\
name: overhead
slo: {{p95_ms: 500}}
load: {{users: 4, spawn_rate: 4, warmup_seconds: 1, measure_seconds: {seconds}, wait_seconds: [0.05, 0.1], workers: 1}}
cells:
  - {{replicas: 1, cpus: 0.5, memory: 256M, workers: 1}}
  - {{replicas: 1, cpus: 0.8, memory: 256M, workers: 1}}
  - {{replicas: 2, cpus: 0.4, memory: 256M, workers: 1}}
  - {{replicas: 2, cpus: 0.45, memory: 256M, workers: 1}}
repeat: {repeat}
"""
# The most cells that a sweep file may have. The host is small: many cannot fit, and the plan has their reasons.
LARGE_SWEEP = """\
name: large
slo: {p95_ms: 500}
load: {users: 50, measure_seconds: 15}
matrix:
  replicas: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
  cpus: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
  memory: [128M, 256M, 512M, 1G, 2G]
  workers: [1, 2]
"""
SMALL_HOST = {"name": "lab-api", "cpus": 1, "memory_bytes": 8 * 1024**3, "reserve_memory_bytes": 1536 * 1024**2}
PLAN_PROGRAM = (
    "import json, sys; from swarmsweep import load_sweep, make_plan, write_plan; "
    "write_plan(make_plan(load_sweep(sys.argv[1]), json.loads(sys.argv[2])), sys.argv[3])"
)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of the command."""
    parser = argparse.ArgumentParser(
        prog="./lab bench overhead", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="run folder, or run id in reports/, to be evaluated")
    parser.add_argument(
        "--repeat", type=count, default=2, help="deployments of each of the 4 cells of the small sweep (default: 2)"
    )
    parser.add_argument(
        "--seconds", type=count, default=4, help="seconds that are measured in each of them (default: 4)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Measure or read, print the tables, write the file.

    Raises:
        LabError: there is no lab, or the run has no times.
    """
    options = parse(arguments)
    started = time.monotonic()
    run = _run_folder(options.run) if options.run else sweep(options.repeat, options.seconds)
    attempts = read_run(run)
    if not any(attempt.other_seconds is not None for attempt in attempts):
        raise LabError(f"{run}: has no two consecutive cells that were loaded, so it shows no time between cells")
    say(f"Planning {PLANNED_CELLS} cells, reporting on {REPORTED_CELLS}, each {STARTS} times in a fresh process")
    with tempfile.TemporaryDirectory(prefix="swarmsweep-bench-") as scratch:
        rows = [time_planning(Path(scratch)), time_report(run, Path(scratch))]
    content, text = conclude(run, attempts, rows)
    content["bench_seconds"] = round(time.monotonic() - started, 1)
    result.write(RESULT, content)
    print(text)
    say(f"Written: {RESULT.relative_to(ROOT)}")


def sweep(repeat: int, seconds: int) -> Path:
    """The run folder of a small sweep on the lab that is up.

    Raises:
        LabError: ansible-playbook failed; its output has been shown.
    """
    file, reports = OWN_RUNS / "overhead.yml", OWN_RUNS / "reports"
    write_atomically(file, SWEEP.format(repeat=repeat, seconds=seconds))
    inventory = os.environ.get("LAB_INVENTORY", "inventory/lab")
    command = ["ansible-playbook", "sweep.yml", "-i", inventory, "-e", f"sweep={file}", "-e", f"lab_reports={reports}"]
    say(f"Measuring {4 * repeat} cells: {' '.join(command)}")
    program = shutil.which(command[0], path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if program is None:
        raise LabError("ansible-playbook is not installed: start the benchmark with ./lab bench, which installs it")
    # The callback keeps how long the tasks take.
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "lab_progress"}
    with subprocess.Popen([program, *command[1:]], cwd=ROOT, env=environment, stdout=sys.stderr) as child:
        try:
            code = child.wait()
        except BaseException as error:
            # Ctrl-C has reached it too. The load ends by its own time limit, or by ./lab stop.
            if not isinstance(error, KeyboardInterrupt):
                child.send_signal(signal.SIGINT)
            child.wait()
            raise
    if code != 0:
        raise LabError(
            f"`{' '.join(command)}` ended with code {code}; it needs a lab that is up and provisioned: ./lab up, "
            "./lab site, or LAB_INVENTORY=inventory/mine"
        )
    return newest_run(reports)


def time_planning(folder: Path) -> Row:
    """Reading a sweep file of the largest size, planning it, and writing the run folder."""
    path = folder / "large.yml"
    path.write_text(LARGE_SWEEP)
    hosts = json.dumps({"api": [SMALL_HOST], "load": []})
    seconds = [
        _seconds([sys.executable, "-c", PLAN_PROGRAM, str(path), hosts, str(folder / f"plan-{start}")])
        for start in range(STARTS)
    ]
    return _timed(f"plan_{PLANNED_CELLS}_cells", seconds, MAX_PLAN_SECONDS)


def time_report(run: Path, folder: Path) -> Row:
    """All files of the report on a run whose cells are those of ``run``, as often as needed."""
    large = multiply(run, REPORTED_CELLS, folder / "reports")
    command = [sys.executable, "-m", "swarmsweep", "report", str(large), "--reports-dir", str(large.parent)]
    return _timed(f"report_{REPORTED_CELLS}_cells", [_seconds(command) for _ in range(STARTS)], MAX_REPORT_SECONDS)


def multiply(run: Path, count: int, reports: Path) -> Path:
    """A run folder with so many cells: copies of those that ``run`` measured, each with an id and CPUs of its own."""
    plan = read_plan(run)
    cells = [as_json(cell) for cell in plan.cells if (run / "cells" / cell.id / "cell.json").exists()]
    if not cells:
        raise LabError(f"{run}: no cell is complete")
    rows = {cell["id"]: read_json(run / "cells" / cell["id"] / "cell.json") for cell in cells}
    large, copies = reports / plan.run_id, []
    for copy in range(count):
        cell = cells[copy % len(cells)]
        config = cell["config"] | {"cpus": round(cell["config"]["cpus"] + copy / 1000, 3)}
        own = {"id": f"{cell['id']}-{copy}", "config": config, "twin_of": None}
        copies.append(cell | own)
        write_json(large / "cells" / own["id"] / "cell.json", rows[cell["id"]] | own)
    steps = [{"position": 1, "cell_id": cell["id"], "attempt": 1, "load_seconds": 1} for cell in copies]
    write_json(large / "plan.json", as_json(plan) | {"cells": copies, "steps": steps, "anchor": None})
    return large


def conclude(run: Path, attempts: Sequence[Attempt], more: Sequence[Row]) -> tuple[dict[str, Any], str]:
    """Content of the file, and the text for the terminal."""
    phases = [phase_row(phase, [attempt.phase_seconds(phase) for attempt in attempts]) for phase in PHASES]
    if any(attempt.between_trials_seconds for attempt in attempts):
        phases.append(phase_row(BETWEEN_TRIALS, [attempt.between_trials_seconds for attempt in attempts]))
    cell = phase_row("seconds_per_cell", [attempt.other_seconds for attempt in attempts], MAX_SECONDS_PER_CELL)
    limits = [cell, *sampler_rows(attempts), *more]
    plan = read_plan(run)
    facts = {
        "doubts": warnings_about(run, plan, attempts),
        "run_id": plan.run_id,
        "mode": plan.load.get("mode", "fixed"),
        "cells": len(attempts),
        "hosts": plan.hosts,
        "machine": machine.facts(),
    }
    content = result.as_json([*phases, *limits], (), {}, facts)
    content["ratios"] = {cell.name: cell.value}
    tables = [phase_table(phases), result.limit_table(limits, "what it costs")]
    return content, "\n\n".join([*tables, *(f"Warning: {text}" for text in facts["doubts"])])


def phase_row(name: str, seconds: Sequence[float | None], at_most: float | None = None) -> Row:
    """The median over the attempts in which it is known."""
    known = [value for value in seconds if value is not None]
    if not known:
        return Row(name, None, "s", at_most, {"min": None, "max": None, "of": 0})
    over = spread(known)
    around = {"min": round(over.least, 3), "max": round(over.greatest, 3), "of": len(known)}
    return Row(name, round(over.median, 3), "s", at_most, around)


def sampler_rows(attempts: Sequence[Attempt]) -> list[Row]:
    """CPU of the sampler on each host."""
    hosts = sorted({host for attempt in attempts for host in attempt.sampler_percent})
    rows = []
    for host in hosts:
        percent = median(a.sampler_percent[host] for a in attempts if host in a.sampler_percent)
        rows.append(Row(f"sampler_{host}", round(percent, 2), "% of a core", MAX_SAMPLER_PERCENT))
    return rows or [Row("sampler", None, "% of a core", MAX_SAMPLER_PERCENT)]


def warnings_about(run: Path, plan: Plan, attempts: Sequence[Attempt]) -> list[str]:
    """Sentences on possible problems of the figures."""
    sentences = []
    paths = [attempt_dir(run, *step.key, "trial.json") for step in plan.steps]
    bad = sum(path.exists() and read_json(path).get("status") != "valid" for path in paths)
    if bad:
        sentences.append(f"{bad} of {len(paths)} attempts are not valid, so their times may be too long or too short")
    if not all(attempt.has_tasks for attempt in attempts):
        sentences.append("the times of tasks were not kept, so some phases are not known: another callback was in use")
    return sentences


def phase_table(rows: Sequence[Row]) -> str:
    """The table of the phases."""
    lines = [[r.name, number(r.value), f"{number(r.more['min'])} .. {number(r.more['max'])}", r.unit] for r in rows]
    return result.table(("phase of a cell", "median", "min .. max", "unit"), lines)


def _timed(name: str, seconds: Sequence[float], at_most: float) -> Row:
    return Row(name, round(median(seconds), 2), "s", at_most, {"starts": [round(value, 2) for value in seconds]})


def _seconds(command: Sequence[str]) -> float:
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(
            f"`{' '.join(command[:4])} ...` ended with code {done.returncode}: {done.stderr[-1000:].strip()}"
        )
    return time.monotonic() - began


def _run_folder(name: str) -> Path:
    for path in (Path(name), ROOT / "reports" / name):
        if (path / "plan.json").exists():
            return path
    raise InputError(f"{name}: no such run folder; allowed: a folder with a plan.json, or the name of one in reports/")
