"""The scenarios that a sweep loads, and the files that locustfiles/ may not contain, judged by their names alone."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from swarmsweep.errors import InputError
from swarmsweep.sweep.load import ARRIVALS, FIXED, StoredLoad, has_users, mode_of, varied_by
from swarmsweep.sweep.modes import MODES
from swarmsweep.sweep.scenario_env import sweep_env
from swarmsweep.sweep.scenario_folder import list_folder

# fmt: off
# The neighbours of locustfiles/ on a load host: the files of loadgen/entry/, and the packages that they import.
PROGRAMS = frozenset((
    "before_scenario", "by_hand", "check_scenario", "conductor", "loadgen", "open_loop", "recorder", "search",
))
# Modules of Locust and of the packages that it needs, as roles/locust_host/files/requirements.txt locks them.
PACKAGES = frozenset((
    "_brotli", "_cffi_backend", "_distutils_hack", "_pytest", "bidict", "blinker", "brotli", "certifi", "cffi",
    "charset_normalizer", "click", "configargparse", "engineio", "flask", "flask_cors", "flask_login", "gevent",
    "geventhttpclient", "greenlet", "h11", "hdrh", "httptools", "idna", "iniconfig", "itsdangerous", "jinja2",
    "locust", "markupsafe", "msgpack", "packaging", "pbr", "pkg_resources", "pluggy", "psutil", "py",
    "pycparser", "pygments", "pyhdrh", "pytest", "pytest_locust", "requests", "setuptools", "simple_websocket",
    "socketio", "typing_extensions", "urllib3", "websocket", "werkzeug", "wsproto", "zmq", "zope",
))
# fmt: on


def check_folder(folder: Path | str) -> None:
    """Refuse what may not be in the folder of the scenarios, used or not, because the whole folder is copied.

    Locust puts that folder first on its path, so a file there is found before a module of the same name.

    Raises:
        InputError: every entry that cannot be copied or that hides a module, and what to do. An absent folder has none.
    """
    problems = _name_faults(Path(folder))
    try:
        list_folder(folder)
    except InputError as error:
        problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))


def _name_faults(folder: Path) -> list[str]:
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return [text for entry in entries if not entry.name.startswith(".") and (text := _fault(entry))]


def _fault(entry: Path) -> str | None:
    where = f"locustfiles/{entry.name}"
    if entry.is_dir() and entry.suffix == ".py":
        return f"{where} is a folder; allowed: files. Rename the folder, so that it does not end in .py"
    # A folder without __init__.py is found after all modules. The load host's own packages are found after it.
    is_module = entry.suffix == ".py" or (entry / "__init__.py").is_file()
    is_hiding = is_module or (entry.is_dir() and entry.name in PROGRAMS)
    owners = (
        (sys.stdlib_module_names, "a module of Python's standard library"),
        (PACKAGES, "a module that Locust needs"),
        (PROGRAMS, "a program of the load host"),
    )
    if is_hiding and (owner := next((owner for names, owner in owners if entry.stem in names), None)):
        fix = f"Rename it, for example: mv {where} locustfiles/my_{entry.name}"
        return f"{where} has the name of {owner}, which Locust could then not import. {fix}"
    return None


class Scenario(Struct, frozen=True, kw_only=True):
    """A scenario to load once for a check. ``env`` has the variables with which the load would start Locust."""

    locustfile: str
    mode: str
    env: dict[str, str]


def scenarios_of(loads: Iterable[StoredLoad]) -> list[Scenario]:
    """The scenarios of these loads, each once; the loads are as in plan.json."""
    scenarios: dict[Any, Scenario] = {}
    for load in loads:
        mode = mode_of(load)
        env = MODES[mode].scenario_env(load) | sweep_env(load)
        # The scenario of a search with users is as one for a fixed number of users.
        kind = mode
        if has_users(load):
            kind = ARRIVALS if mode != FIXED and varied_by(load) == ARRIVALS else FIXED
        scenario = Scenario(locustfile=load["locustfile"], mode=kind, env=env)
        # Other seconds of warm-up do not change a scenario; another think time or setting of the user may.
        own = [(name, value) for name, value in env.items() if not name.startswith("SWEEP_")]
        scenarios.setdefault((scenario.locustfile, kind, *own), scenario)
    return list(scenarios.values())
