"""Why a scenario cannot run, as text: the report of check_scenario.py on the load host, and how to correct it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from swarmsweep.errors import InputError
from swarmsweep.sweep.scenario_packages import REQUIREMENTS
from swarmsweep.sweep.scenarios import PROGRAMS

# As plugins/module_utils/locust_command.py limits a unit.
MEMORY = "A process of the load may use 80 % of its host's memory: read less data into memory"
COPIED = "All of locustfiles/ is copied to the load hosts, except hidden files"

Report = Mapping[str, Any]


def refuse_scenarios(loaded: Mapping[str, list[Report]], folder: Path | str) -> None:
    """Refuse a sweep whose scenarios cannot run.

    ``loaded`` has, for each load host, the reports on its scenarios, each with ``locustfile``. ``folder`` has the
    scenarios on this machine. It may contain a module or file that a load host lacks.

    Raises:
        InputError: a sentence for each problem, with its hosts.
    """
    hosts: dict[str, list[str]] = {}
    for host, reports in loaded.items():
        for report in reports:
            if report["problem"] is not None:
                hosts.setdefault(sentence(report, Path(folder)), []).append(host)
    if not hosts:
        return
    # The name of a host helps only if other hosts do not have the problem.
    lines = [
        text if len(set(names)) == len(loaded) else f"{text} (on {', '.join(dict.fromkeys(names))})"
        for text, names in hosts.items()
    ]
    raise InputError("\n".join(["Nothing was deployed, because Locust cannot run a scenario:", *lines]))


def sentence(report: Report, folder: Path) -> str:
    """One problem: place, cause and fix."""
    place = f"locustfiles/{report.get('file') or report['locustfile']}"
    if report.get("line"):
        place += f":{report['line']}"
    return f"{place}: {_WORDS[report['problem']](report, folder)}"


def _error(report: Report, folder: Path) -> str:
    text = f"{report['text']}. "
    if report["type"] == "ModuleNotFoundError" and "missing" in report:
        return text + _missing_module(report["missing"], report["locustfile"], folder)
    if "missing" in report:
        return text + _missing_file(report["missing"], folder)
    if "environ" in report:
        name = report["environ"]
        return text + (
            f"Locust does not get your environment variables. Set it in the sweep file below load:, as env: {{{name}: "
            f"...}}, or as secrets: {{{name}: FILE}} if it is secret"
        )
    if report["type"] == "MemoryError":
        return text + MEMORY
    return text + "Correct it, then run the same command again"


def _missing_file(name: str, folder: Path) -> str:
    """The fix for a file that the scenario does not find; ``folder`` is locustfiles/ on this machine."""
    last = Path(name).name
    places = sorted(path for path in folder.rglob("*") if path.name == last and path.is_file())
    if not places:
        return f"{COPIED}: put the file there, and open it by its path from there"
    below = places[0].relative_to(folder).as_posix()
    if any(part.startswith(".") for part in Path(below).parts):
        return f"{COPIED}: rename locustfiles/{below}, so that no part of its path begins with a dot"
    return f"The file is locustfiles/{below}: open {below!r}"


def _missing_module(module: str, locustfile: str, folder: Path) -> str:
    name = module.partition(".")[0]
    if (folder / name).is_dir():
        return f"{COPIED}: put locustfiles/{module.replace('.', '/')}.py there, or correct the import"
    if name in PROGRAMS:
        stem = locustfile.removesuffix(".py")
        return (
            f"{name}.py is loaded only with files whose name ends in _open.py. Name the file {stem}_open.py, and set "
            "mode: capacity in the sweep file"
        )
    return (
        f"The load hosts have Locust's packages and those of {REQUIREMENTS}: write the package with '{name}' into this "
        "file, then run the same command again"
    )


def _last_words(report: Report) -> str:
    return f", after it wrote: {report['words']}" if report.get("words") else ""


def _exit(report: Report, _: Path) -> str:
    return (
        f"It ended Python with exit code {report['code']} while it was loaded{_last_words(report)}. "
        "Remove the call of sys.exit or os._exit, or move it into a task"
    )


def _signal(report: Report, _: Path) -> str:
    if report["name"] == "SIGKILL":
        return f"It was killed (SIGKILL) while it was loaded. {MEMORY}"
    return (
        f"{report['name']} ended Python while it loaded the scenario{_last_words(report)}. "
        f"Try it on your machine with: locust --list -f locustfiles/{report['locustfile']}"
    )


def _time(report: Report, _: Path) -> str:
    return (
        f"It was not loaded within {report['seconds']:g} s: it waits or loops during its import. "
        "Move that into a task or into on_start"
    )


def _start(report: Report, _: Path) -> str:
    return (
        f"Locust itself did not start within {report['seconds']:g} s, before the scenario was loaded: the load host is "
        "busy. See what runs there with ./lab status, then run the same command again"
    )


def _locust(report: Report, _: Path) -> str:
    return f"Locust refuses it: {report['text']}. Rename or remove one of those that have the same name"


def _options(report: Report, _: Path) -> str:
    return (
        f"Its command line options conflict with Locust's: {report['text']}. "
        "Rename the option, or give it a default, where the scenario adds it to the parser"
    )


def _shape(report: Report, _: Path) -> str:
    return (
        f"{report['name']} is a LoadTestShape, and users come from the sweep file. Remove the class, and set users and "
        "spawn_rate below load:"
    )


def _abstract(report: Report, _: Path) -> str:
    return f"All its user classes are abstract ({', '.join(report['names'])}). Remove 'abstract = True' from one"


def _no_user(_report: Report, _: Path) -> str:
    return "It holds no user class. Add one that is derived from HttpUser or FastHttpUser and has a method with @task"


def _not_open_loop(report: Report, _: Path) -> str:
    names = ", ".join(report["names"])
    return (
        f"Mode capacity needs exactly one user class, derived from OpenLoopUser; it holds {names}. "
        "See locustfiles/predict_open.py, or give the file a name that does not end in _open.py"
    )


def _fixed_count(report: Report, _: Path) -> str:
    return (
        f"{', '.join(report['names'])} sets fixed_count, a number of users, which has no meaning for the rate of "
        "load.by: arrivals. Set weight instead, or use load.by: users"
    )


def _no_task(report: Report, _: Path) -> str:
    return f"{report['name']} has no task. Add a method with @task"


def _no_class(report: Report, _: Path) -> str:
    return (
        f"It holds no user class {', '.join(report['names'])}, which load.user_classes of the sweep file names; "
        f"allowed: {', '.join(report['available'])}"
    )


def _no_tag(report: Report, _: Path) -> str:
    return (
        f"None of its tasks has the tag {', '.join(report['names'])}, which load.tags or load.exclude_tags of the "
        f"sweep file names; allowed: {', '.join(report['available']) or 'no tag, as no task has one'}"
    )


def _none_left(report: Report, _: Path) -> str:
    return (
        f"{report['name']} has no task left with load.tags and load.exclude_tags of the sweep file. Tag one of its "
        "tasks, or name the other user classes in load.user_classes"
    )


_WORDS: dict[str, Callable[[Report, Path], str]] = {
    "error": _error,
    "exit": _exit,
    "signal": _signal,
    "time": _time,
    "start": _start,
    "locust": _locust,
    "options": _options,
    "shape": _shape,
    "abstract": _abstract,
    "no_user": _no_user,
    "not_open_loop": _not_open_loop,
    "fixed_count": _fixed_count,
    "no_task": _no_task,
    "no_class": _no_class,
    "no_tag": _no_tag,
    "none_left": _none_left,
}
