"""The scenarios that a sweep loads, and the files that locustfiles/ may not contain, judged by their names alone."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from swarmsweep.errors import InputError
from swarmsweep.sweep.load import StoredLoad, mode_of
from swarmsweep.sweep.modes import MODES

# fmt: off
# The neighbours of locustfiles/ on a load host: the files of loadgen/entry/, and the packages that they import.
PROGRAMS = frozenset(("check_scenario", "conductor", "loadgen", "open_loop", "recorder", "search"))
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
    """Refuse files that may not be in the folder of the scenarios, used or not, because the whole folder is copied.

    Locust puts that folder first on its path, so a file there is found before a module of the same name.

    Raises:
        InputError: every entry that is not a file or that hides a module, and what to do. An absent folder has none.
    """
    entries = sorted(Path(folder).glob("*.py"))
    if problems := [text for entry in entries if (text := _fault(entry))]:
        raise InputError("\n".join(problems))


def _fault(entry: Path) -> str | None:
    where = f"locustfiles/{entry.name}"
    if not entry.is_file():
        if entry.is_dir():
            return f"{where} is a folder; allowed: files. Rename the folder, so that it does not end in .py"
        target = "a link to a missing file" if entry.is_symlink() else "no regular file"
        return f"{where} is {target}; allowed: files. Put the scenario there, or remove it"
    owners = (
        (sys.stdlib_module_names, "a module of Python's standard library"),
        (PACKAGES, "a module that Locust needs"),
        (PROGRAMS, "a program of the load host"),
    )
    if owner := next((owner for names, owner in owners if entry.stem in names), None):
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
        scenario = Scenario(locustfile=load["locustfile"], mode=mode, env=MODES[mode].scenario_env(load))
        # Other seconds of warm-up do not change a scenario; another think time may.
        waits = [(name, value) for name, value in scenario.env.items() if name.startswith("LOCUST_")]
        scenarios.setdefault((scenario.locustfile, mode, *waits), scenario)
    return list(scenarios.values())
