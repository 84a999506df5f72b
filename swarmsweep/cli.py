"""Check a sweep file, print its plan, build a report again. No command touches a host."""

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmsweep import __version__
from swarmsweep.errors import InputError, LabError
from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY
from swarmsweep.units import counted, parse_memory

# Each command imports only its own modules: `plan` takes 0.5 s (pydantic, msgspec), `report` 0.8 s (numpy, Jinja),
# `--help` 0.03 s.
if TYPE_CHECKING:
    from swarmsweep.plan.lab_facts import ApiHosts

ROOT = Path(__file__).parents[1]
_FILE_HELP = "sweep file (default: %(default)s)"
_EPILOG = (
    "Exit codes: 0 success; 1 a stored file is damaged or cannot be written; 2 invalid input (an argument or a file); "
    "130 Ctrl-C."
)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code. A user error ends as one text on stderr, without a traceback."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.command(arguments)
        sys.stdout.flush()
    except LabError as error:
        print(_named(f"error: {error}", arguments), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        # Without this, Python would report an error when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # The reader (head, less) may close the pipe at any time.
        if not isinstance(error, BrokenPipeError):
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="swarmsweep", description=__doc__, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"swarmsweep {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="check sweep files and print every mistake", epilog=_EPILOG)
    check.add_argument("files", nargs="+", metavar="FILE", help="sweep file, for example sweeps/quick.yml")
    check.set_defaults(command=_check)

    schema = commands.add_parser(
        "schema", help="print the JSON schema of a sweep file, as docs/sweep.schema.json holds it", epilog=_EPILOG
    )
    schema.set_defaults(command=_schema)

    plan = commands.add_parser(
        "plan",
        prog="./lab plan",
        help="print the cells of a sweep, what cannot fit, and when it will end",
        epilog=_EPILOG,
    )
    plan.add_argument("file", nargs="?", default="sweeps/default.yml", metavar="FILE", help=_FILE_HELP)
    plan.add_argument("--seed", metavar="N", help="show the order of the attempts for this seed (0 to 2**63-1)")
    plan.add_argument(
        "--only",
        action="append",
        metavar="PATTERN",
        help="plan only the cells whose ids match, for example 'r2-*'; may be repeated",
    )
    plan.add_argument(
        "--max-minutes", metavar="N", help="show how many deployments can end within N minutes, for example 30"
    )
    plan.add_argument("--api-cpus", type=_positive, metavar="N", help="plan for this number of CPUs on each API host")
    plan.add_argument(
        "--api-memory", metavar="SIZE", help="plan for this much memory for replicas on each API host, for example 8G"
    )
    plan.add_argument(
        "-i",
        "--inventory",
        action="append",
        default=[],
        metavar="PATH",
        help=f"inventory with the hosts; may be repeated, and the last one wins (default: {DEFAULT_INVENTORY})",
    )
    plan.add_argument(
        "--reports-dir",
        default="reports",
        metavar="DIR",
        help="folder of earlier runs, which recorded the hosts (default: %(default)s)",
    )
    plan.set_defaults(command=_plan)

    report = commands.add_parser("report", prog="./lab report", help="rebuild the report of a run", epilog=_EPILOG)
    report.add_argument("run_dir", nargs="?", metavar="RUN_DIR", help="run folder or run id (default: the newest)")
    report.add_argument(
        "--reports-dir", default="reports", metavar="DIR", help="folder of the runs (default: %(default)s)"
    )
    report.add_argument("--remeasure", action="store_true", help="also recompute the figures from the raw files")
    report.set_defaults(command=_report)

    watch = commands.add_parser(
        "watch",
        prog="./lab watch",
        help="show a run until it ends",
        description="Shows a sweep while it runs: cells, phase, load, best so far, time left. It only reads. "
        "Ctrl-C ends the view, and the sweep continues.",
        epilog=_EPILOG,
    )
    watch.add_argument(
        "run", nargs="?", metavar="RUN", help="run folder or run id (default: the sweep that runs, or the newest run)"
    )
    watch.add_argument("--json", action="store_true", help="print each version of progress.json on one line")
    watch.add_argument(
        "--reports-dir", default="reports", metavar="DIR", help="folder of the runs (default: %(default)s)"
    )
    watch.set_defaults(command=_watch)

    new = commands.add_parser(
        "new",
        prog="./lab new",
        help="write a first scenario and sweep file, from an OpenAPI document or a curl line",
        description="Writes locustfiles/NAME.py and sweeps/NAME.yml, and prints the lines for the inventory.",
        epilog=f"No file is overwritten, and no secret is written. {_EPILOG}",
        usage="./lab new [--name NAME] [--operation OPERATION] URL|FILE\n       ./lab new [--name NAME] curl WORD...",
    )
    new.add_argument("--name", metavar="NAME", help="name of both files (default: that of the API)")
    new.add_argument("--operation", metavar="OPERATION", help='the only operation to send, as "POST /predict"')
    # ./lab reads the document, because this package opens no socket.
    new.add_argument("--document", metavar="FILE", help=argparse.SUPPRESS)
    new.add_argument("source", metavar="URL|FILE|curl", help="an OpenAPI document, or the word curl")
    new.add_argument("words", nargs=argparse.REMAINDER, metavar="WORD", help="the words of a curl line")
    new.set_defaults(command=_new)
    return parser


def _named(text: str, arguments: argparse.Namespace) -> str:
    """A text whose commands of ./lab name the inventory: that of the option, else the one of ./lab."""
    from swarmsweep.lab.lab_command import inventory_prefix, with_prefix

    inventories = getattr(arguments, "inventory", None) or [os.environ.get("LAB_INVENTORY") or DEFAULT_INVENTORY]
    return with_prefix(text, inventory_prefix(inventories))


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: a number above 0, as 0.5 or 4")
    return value


def _check(arguments: argparse.Namespace) -> None:
    from swarmsweep.sweep.sweep_file import load_sweep

    refused = []
    for file in arguments.files:
        try:
            sweep = load_sweep(file)
        except InputError as error:
            refused.append(str(error))
            continue
        print(f"{sweep.file}: valid: {counted(len(sweep.cells), 'cell')} x {counted(sweep.repeat, 'attempt')}")
    if refused:
        raise InputError("\n".join(refused))


def _schema(_: argparse.Namespace) -> None:
    from swarmsweep.sweep.json_schema import schema_text

    print(schema_text(), end="")


def _plan(arguments: argparse.Namespace) -> None:
    from swarmsweep.lab.inventory_files import inventories_with_files, inventory_of
    from swarmsweep.lab.lab_names import missing_problems
    from swarmsweep.lab.setting_names import problems_in_files
    from swarmsweep.plan.baseline import baseline_of
    from swarmsweep.plan.inventory_settings import plain_settings
    from swarmsweep.plan.lab_facts import known_api_hosts, known_other_seconds
    from swarmsweep.plan.part import parse_part, refuse_too_short
    from swarmsweep.plan.plan import make_plan, parse_seed
    from swarmsweep.plan.plan_text import plan_text
    from swarmsweep.plan.workers_setting import DEFAULT, refuse_idle_axis, variable_of
    from swarmsweep.sweep.matrix import axes_of
    from swarmsweep.sweep.sweep_file import load_sweep

    sweep = load_sweep(arguments.file)
    if problems := missing_problems(arguments.inventory) or problems_in_files(arguments.inventory, ROOT):
        raise InputError("\n".join(problems))
    inventories = inventories_with_files(arguments.inventory)
    variable = variable_of(*inventories)
    if variable is not None:
        refuse_idle_axis(variable, map(axes_of, sweep.cells), sweep.file)
    baseline = None
    if sweep.takes_baseline:
        settings, workers = plain_settings(*inventories), sweep.cells[0].workers
        # Without the setting, the variable of the lab's own API is used, as in a sweep.
        place = inventory_of(arguments.inventory)
        baseline = baseline_of(settings, DEFAULT if variable is None else variable, workers, place)
    hosts = _with_options(known_api_hosts(inventories, arguments.reports_dir), arguments)
    other = known_other_seconds(arguments.reports_dir, sweep.load.mode)
    seed, source = sweep.seed, None if sweep.seed is None else "from the sweep file"
    if arguments.seed is not None:
        seed, source = parse_seed(arguments.seed), "from --seed"
    facts = {"api": list(hosts.facts), "load": []}
    plan = make_plan(sweep, facts, seed=seed, other_seconds=other.seconds, baseline=baseline)
    part = parse_part(arguments.only, arguments.max_minutes, [cell.id for cell in plan.cells])
    refuse_too_short(plan, [step for step in plan.steps if part.selects(step.cell_id)], part)
    is_unknown = sweep.takes_baseline and baseline is None
    now = datetime.now().astimezone()
    text = plan_text(plan, hosts, other, source, now, part, baseline_is_unknown=is_unknown)
    print(_named(text, arguments), end="")


def _with_options(hosts: "ApiHosts", arguments: argparse.Namespace) -> "ApiHosts":
    """The API hosts, with the values of the options in place of their own."""
    from swarmsweep.plan.lab_facts import ApiHosts

    given: dict[str, Any] = {} if arguments.api_cpus is None else {"cpus": arguments.api_cpus}
    if arguments.api_memory is not None:
        # The option is what replicas may use, so nothing is reserved.
        given |= {"memory_bytes": parse_memory(arguments.api_memory), "reserve_memory_bytes": 0}
    if not given:
        return hosts
    rest = "" if len(given) == 3 or not hosts.facts else f"; the rest {hosts.source}"
    facts = hosts.facts or ({"name": "api", "cpus": None, "memory_bytes": None},)
    # What Docker counts on a host would win over the options.
    kept = [{key: value for key, value in host.items() if not key.startswith("swarm_")} for host in facts]
    return ApiHosts(tuple(host | given for host in kept), f"by your options{rest}")


def _report(arguments: argparse.Namespace) -> None:
    from swarmsweep.plan.run_folder import incomplete_cells, newest_run
    from swarmsweep.report.report import report_lines, write_report

    run_dir = Path(arguments.run_dir) if arguments.run_dir else newest_run(arguments.reports_dir)
    if not run_dir.is_dir() and (Path(arguments.reports_dir) / run_dir).is_dir():
        run_dir = Path(arguments.reports_dir) / run_dir
    if arguments.run_dir and not run_dir.is_dir():
        raise InputError(f"{run_dir}: no such run folder. To report on the newest run: ./lab report")
    if arguments.remeasure:
        from swarmsweep.results.measure import measure_run

        print(f"attempts that were recomputed from their raw files: {measure_run(run_dir)}")
    elif incomplete_cells(run_dir):
        # A sweep was ended after the attempts of a cell, and before its row.
        from swarmsweep.results.measure import complete_cells

        complete_cells(run_dir)
    print("\n".join(report_lines(write_report(run_dir, arguments.reports_dir))))


def _watch(arguments: argparse.Namespace) -> None:
    from swarmsweep.report.watch import watch

    watch(arguments.run, Path(arguments.reports_dir), as_json=arguments.json)


def _new(arguments: argparse.Namespace) -> None:
    from swarmsweep.starter import curl, openapi
    from swarmsweep.starter.document import read_document
    from swarmsweep.starter.files import write_files

    if arguments.source == "curl":
        if arguments.operation is not None:
            raise InputError("--operation is for a document; allowed with curl: --name")
        api = curl.api_of(arguments.words)
    else:
        if arguments.words:
            raise InputError(
                f"'{arguments.words[0]}' comes after the document; allowed: one document, options before it"
            )
        data = Path(arguments.document or arguments.source).read_bytes()
        document = read_document(data, arguments.source)
        api = openapi.api_of(document, arguments.source, arguments.operation)
    print(_named("\n".join(write_files(api, Path.cwd(), arguments.name)), arguments))
