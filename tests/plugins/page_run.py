"""Locust with its page in real processes, as the module locust_page starts it, against a server of this machine."""

from __future__ import annotations

import getpass
import importlib.util
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.dependencies.processes import free_port
from bench.lib import load_host
from tests.loadgen.locust_run import LOCUST, ROOT

WAIT_SECONDS = 60


class PageError(Exception):
    """The module failed."""


class Module:
    """The part of AnsibleModule that the module uses."""

    check_mode = False

    def __init__(self, **params: Any) -> None:
        self.params = params

    def fail_json(self, msg: str, **_rest: Any) -> None:
        raise PageError(msg)


def load_module() -> Any:
    """The module locust_page."""
    spec = importlib.util.spec_from_file_location("locust_page", ROOT / "plugins/modules/locust_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wait_until(condition: Callable[[], Any]) -> Any:
    """Wait for a true value, and return it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)
    return found


class Page:
    """A page that runs, and requests to it."""

    def __init__(self, units: Any, processes: dict[str, subprocess.Popen]) -> None:
        self.units, self.processes = units, processes
        self.port = units.given["port"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, data: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Status and text of a response. With ``data``, the request is a POST."""
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def swarm(self, users: int, host: str | None, **headers: str) -> dict[str, Any]:
        """Order a number of users, as the form does."""
        form = {"user_count": str(users), "spawn_rate": "100"} | ({} if host is None else {"host": host})
        return json.loads(self.ask("/swarm", urllib.parse.urlencode(form).encode(), **headers)[1])

    def stats(self) -> dict[str, Any]:
        return json.loads(self.ask("/stats/requests")[1])

    def users_by_worker(self) -> list[int]:
        """Users of each worker, the fewest first."""
        return sorted(worker["user_count"] for worker in self.stats()["workers"])

    def add_workers(self, workers: int) -> list[int]:
        """Let workers join, and wait until they are connected. Return the numbers of those that were started."""
        self.units.given |= {"joins": True, "worker_indices": list(range(workers)), "workers": workers}
        started = self.units.join()
        self.units.wait()
        return started


@contextmanager
def serve_page(folder: Path, scenario: str, target: str, workers: int, **changed: Any) -> Iterator[Page]:
    """Start Locust with a scenario's text as a load host has it. ``changed`` are parameters of the module."""
    home, module = folder / "locust", load_module()
    load_host.make(home)
    (home / "locustfiles").mkdir()
    (home / "locustfiles/visitor.py").write_text(scenario)
    (home / "venv/bin").mkdir(parents=True)
    (home / "venv/bin/locust").symlink_to(LOCUST)
    # The parallel tests of one machine cannot share Locust's usual port.
    master_port = str(free_port())
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    base |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    base |= {"LOCUST_MASTER_BIND_PORT": master_port, "LOCUST_MASTER_NODE_PORT": master_port}
    processes: dict[str, subprocess.Popen] = {}

    class Started(module.PageUnits):
        """Processes instead of the units of systemd. This machine has no user and no firewall of a load."""

        def units(self) -> dict[str, str]:
            states = {name: "failed" if process.poll() else "active" for name, process in processes.items()}
            alive = {name: state for name, state in states.items() if processes[name].poll() != 0}
            return {f"{self.prefix}-{name}-1.service": state for name, state in alive.items()}

        def stop(self) -> list[str]:
            for process in processes.values():
                process.kill()
                process.wait()
            return list(processes)

        def run_unit(self, name: str, log: str, command: list[str], env: dict[str, str], **_changed: Any) -> None:
            with Path(self.given["units_directory"], log).open("ab") as file:
                processes[name] = subprocess.Popen(
                    command, env=base | env, cwd=self.given["output_directory"], stdin=subprocess.DEVNULL,
                    stdout=file, stderr=subprocess.STDOUT,
                )  # fmt: skip

        def ensure_firewall(self) -> None:
            pass

    given = {
        "slice": "swarmsweep-lab", "directory": str(home), "output_directory": str(folder / "out"),
        "units_directory": str(folder / "units"), "user": getpass.getuser(), "host_name": "lab-load",
        "target": target, "locustfile": "visitor.py", "master": True, "master_host": "127.0.0.1", "joins": False,
        "worker_indices": list(range(workers)), "workers": workers, "users": 4, "spawn_rate": 100.0,
        "has_picker": True, "env": {}, "secrets_directory": None, "open_files": 1024, "port": free_port(),
        "time_limit_seconds": 600,
    }  # fmt: skip
    units = Started(Module(**given | changed))
    try:
        units.start()
        units.wait()
        yield Page(units, processes)
    finally:
        units.stop()
        for log in sorted((folder / "units").glob("*.log")):
            print(f"--- {log.name}\n{log.read_text()}", file=sys.stderr)
