"""Command line: check a sweep file, print its plan, build a report again. No command touches a host."""

import argparse
import os
import sys
from pathlib import Path

from swarmsweep import __version__
from swarmsweep.errors import InputError, LabError

_EPILOG = "Exit codes: 0 done, 1 stored files are damaged or cannot be written, 2 what you gave is refused, 130 Ctrl-C."


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; errors of the user end as one text on stderr, never a traceback."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.command(arguments)
        sys.stdout.flush()
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep Python from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="swarmsweep", description=__doc__, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"swarmsweep {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="refuse or accept sweep files", epilog=_EPILOG)
    check.add_argument("files", nargs="+", metavar="FILE", help="sweep file, as sweeps/quick.yml")
    check.set_defaults(command=_check)

    plan = commands.add_parser("plan", help="print the cells of a sweep and how long it takes", epilog=_EPILOG)
    plan.add_argument("file", metavar="FILE", help="sweep file, as sweeps/quick.yml")
    plan.add_argument("--api-cpus", type=_positive, metavar="N", help="CPUs of the API host: shows what cannot fit")
    plan.add_argument("--api-memory", metavar="SIZE", help="memory of the API host that replicas may use, as 8G")
    plan.add_argument("--seed", type=int, metavar="N", help="print the trials in the order that this seed gives")
    plan.set_defaults(command=_plan)

    report = commands.add_parser("report", help="build the report of a run again", epilog=_EPILOG)
    report.add_argument("run_dir", nargs="?", metavar="RUN_DIR", help="run folder or run id (default: the newest)")
    report.add_argument(
        "--reports-dir", default="reports", metavar="DIR", help="where the runs are (default: %(default)s)"
    )
    report.add_argument("--remeasure", action="store_true", help="compute the figures again from the raw files, too")
    report.set_defaults(command=_report)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def _check(arguments: argparse.Namespace) -> None:
    from swarmsweep.sweepfile import load_sweep

    refused = []
    for file in arguments.files:
        try:
            sweep = load_sweep(file)
        except InputError as error:
            refused.append(str(error))
            continue
        print(f"{sweep.file}: good: {len(sweep.cells)} cells x {sweep.repeat} trial(s)")
    if refused:
        raise InputError("\n".join(refused))


def _plan(arguments: argparse.Namespace) -> None:
    from swarmsweep.plan import make_plan
    from swarmsweep.sweepfile import load_sweep
    from swarmsweep.units import parse_memory

    sweep = load_sweep(arguments.file)
    host = {
        "name": "lab-api",
        "cpus": arguments.api_cpus,
        "memory_bytes": parse_memory(arguments.api_memory) if arguments.api_memory else None,
    }
    seed = arguments.seed if arguments.seed is not None else sweep.seed
    plan = make_plan(sweep, {"api": [host], "load": []}, seed=seed)
    width = max(len(cell["id"]) for cell in plan["cells"])
    loads = _load_column(plan["cells"])
    for number, cell in enumerate(plan["cells"], start=1):
        note = f"infeasible: {cell['infeasible_reason']}" if cell["infeasible_reason"] else "; ".join(cell["doubts"])
        print(f"{number:4}  {cell['id']:{width}}  {loads[number - 1]}{note}".rstrip())
    if seed is not None:
        print(f"order of the trials (seed {seed}):")
        for step in plan["steps"]:
            print(f"{step['position']:4}  {step['cell_id']:{width}}  attempt {step['attempt']}")
    else:
        print("The trials run in random order; the run publishes its seed. To see an order: --seed N")
    print(_duration(plan))


def _load_column(cells: list[dict]) -> list[str]:
    """Users and seconds of each cell's load where they differ between cells, else nothing."""
    from swarmsweep.load import Load
    from swarmsweep.units import format_seconds

    loads = [Load(**cell["load"]) for cell in cells]
    if len({(load.users, load.seconds) for load in loads}) < 2:
        return [""] * len(cells)
    texts = [f"{load.users} users, {format_seconds(load.seconds)} of load" for load in loads]
    return [f"{text:{max(map(len, texts))}}  " for text in texts]


def _duration(plan: dict) -> str:
    from swarmsweep.units import format_seconds

    estimate, count = plan["estimate_seconds"], len(plan["steps"])
    other, total = estimate["other_per_step"], format_seconds(estimate["total"])
    if len({step["load_seconds"] for step in plan["steps"]}) <= 1:
        return f"{count} trials x ({format_seconds(estimate['load_per_step'])} of load + about {other} s) = {total}"
    load = format_seconds(sum(step["load_seconds"] for step in plan["steps"]))
    return f"{count} trials: {load} of load + {count} x about {other} s = {total}"


def _report(arguments: argparse.Namespace) -> None:
    from swarmsweep.report import newest_run, write_report

    run_dir = Path(arguments.run_dir) if arguments.run_dir else newest_run(arguments.reports_dir)
    if not run_dir.is_dir() and (Path(arguments.reports_dir) / run_dir).is_dir():
        run_dir = Path(arguments.reports_dir) / run_dir
    if arguments.run_dir and not run_dir.is_dir():
        raise InputError(f"{run_dir}: no such run folder; the newest is taken by: python -m swarmsweep report")
    if arguments.remeasure:
        from swarmsweep.measure import measure_run

        print(f"{measure_run(run_dir)} attempts measured again from their raw files")
    print(write_report(run_dir, arguments.reports_dir))
