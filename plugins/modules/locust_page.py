#!/usr/bin/python
"""Ansible module: run Locust with its page on one load host, for a load that a person makes by hand."""

from __future__ import annotations

import json
import shutil
import socket
import time
import urllib.request
from pathlib import Path

from ansible.module_utils.atomic_file import write_atomically
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hidden_text import hide_in_logs
from ansible.module_utils.load_units import CONNECT_SECONDS, PAGE, PAGE_SECRETS, Units, page_worker
from ansible.module_utils.locust_command import PAGE_MODE, environment, link_scenarios, scenario_files

DOCUMENTATION = r"""
module: locust_page
short_description: Start Locust's master with its page, and workers, on one load host
description:
  - Master and workers run as the units of C(locust_attempt) do, with the same user, limits and firewall. They end
    themselves at a time limit, also if the controller is lost. The page listens on the loopback address alone.
  - C(checked) reports the page that runs. It fails while another load of the lab runs on this host.
  - C(started) without I(joins) ends what was left, and starts the master, if I(master) is set, and the workers.
    With I(joins), it starts the workers of I(worker_indices) that do not run, as the others were started.
  - C(ended) ends what was started on this host, and removes I(secrets_directory).
  - C(ready) waits until I(workers) workers are connected to the master of this host.
options:
  state: {description: What to do., type: str, choices: [checked, started, ready, ended], required: true}
  slice: {description: "Name of the systemd slice of this lab's load, without its suffix.", type: str, required: true}
  directory: {description: Folder of the virtual environment and the locustfiles., type: path}
  output_directory: {description: Working folder of Locust; made for the unprivileged user., type: path}
  units_directory: {description: "Folder for what root writes: logs, commands, page.json.", type: path, required: true}
  user: {description: The unprivileged user that runs Locust., type: str, default: swarmsweep}
  host_name: {description: Name of this host., type: str}
  target: {description: URL that is loaded., type: str}
  locustfile: {description: File name of the scenario., type: str}
  master: {description: Whether the master runs here., type: bool, default: false}
  master_host: {description: Address where the workers find the master., type: str, default: 127.0.0.1}
  joins: {description: Whether workers join the page that runs., type: bool, default: false}
  worker_indices: {description: Numbers of the workers that run here., type: list, elements: int, default: []}
  workers: {description: Workers over all load hosts., type: int, default: 1}
  users: {description: Users that the page proposes., type: int, default: 1}
  spawn_rate: {description: Users started per second that the page proposes., type: float, default: 1}
  has_picker: {description: Whether the page lets a person choose classes of users., type: bool, default: true}
  env: {description: Environment of the units., type: dict, default: {}}
  secrets_directory: {description: Folder of the secrets of the load on this host. Empty without secrets., type: path}
  open_files: {description: Files that one process may open., type: int, default: 1048576}
  port: {description: Port of the page on the loopback address., type: int, default: 8010}
  time_limit_seconds: {description: Seconds after which the load ends., type: int, default: 7200}
author: [swarmsweep]
"""

EXAMPLES = r"""
- locust_page:
    state: ready
    slice: swarmsweep-lab
    units_directory: /opt/swarmsweep/trial-lab/units
    workers: 2
"""

RETURN = r"""
page:
  description: The page that runs, with C(locustfile), C(ends_at) (epoch seconds) and C(workers), the numbers of the
    workers of this host that run. Null if none of its units runs here.
  type: dict
  returned: always
"""

# What the page was started with. Workers that join later are started in the same way.
RECORD = "page.json"
POLL_SECONDS = 0.2
# The page responds from memory. A master that is busy with many workers is slower.
RESPONSE_SECONDS = 10
# Locust ends itself at the time limit. Where it hangs, systemd ends it so many seconds later, and then the secrets go.
GRACE_SECONDS = 30


class PageUnits(Units):
    """The units of a load by hand."""

    def page(self):
        """Return the page that runs, or None. Fail while another load runs."""
        running = [self.process(unit) for unit in self.running()]
        others = [name for name in running if name.partition("-")[0] != PAGE]
        if others:
            self.module.fail_json(
                msg=f"a load of a sweep runs on this host ({', '.join(sorted(others))}). "
                "Wait for its end, or end it with: ./lab stop",
                next_command="./lab stop",
            )
        workers = [int(name.rpartition("-")[2]) for name in running if name.startswith(page_worker(""))]
        record = self.record()
        if record is None or not (PAGE in running or workers):
            return None
        return record | {"workers": sorted(workers), "has_master": PAGE in running}

    def record(self):
        """Return what the last page of this host was started with, or None."""
        try:
            return json.loads(Path(self.given["units_directory"], RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def start(self):
        """Start a page, or its workers where its master runs on another host."""
        begun = False
        try:
            self.begin()
            begun = True
        finally:
            # They were copied before, and nothing else would remove them.
            if not begun:
                self.remove_secrets()

    def end(self):
        """End all units of this host, and remove the secrets. Return whether there was something to end."""
        try:
            return bool(self.stop())
        finally:
            self.remove_secrets()

    def remove_secrets(self):
        if self.given["secrets_directory"]:
            shutil.rmtree(self.given["secrets_directory"], ignore_errors=True)

    def begin(self):
        """End what was left, and start the units of this host."""
        given = self.given
        self.stop()
        self.ensure_firewall()
        output, units, home = (Path(given[f"{name}directory"]) for name in ("output_", "units_", ""))
        for folder in (output, units):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, mode=0o755)
        self.require_scenario(given["locustfile"])
        # What can be refused is refused before a unit runs.
        address = self.master_address() if given["master"] else None
        link_scenarios(home, output)
        shutil.chown(output, given["user"])
        kept = ("target", "locustfile", "master_host", "env", "secrets_directory", "port")
        record = {"schema": 1, "ends_at": round(time.time()) + given["time_limit_seconds"]}
        record |= {name: given[name] for name in kept}
        write_atomically(units / RECORD, f"{json.dumps(record)}\n".encode())
        if given["secrets_directory"]:
            self.remove_secrets_later(record)
        if given["master"]:
            self.start_master(record, address)
        for index in given["worker_indices"]:
            self.start_worker(index, record)

    def start_master(self, record, address):
        given = self.given
        self.refuse_port(record["port"])
        picker = ["--class-picker"] if given["has_picker"] else []
        self.run_unit(
            PAGE,
            f"{PAGE}.log",
            [*self.locust(record), "--master", "--master-bind-host", address,
             "--web-host", "127.0.0.1", "--web-port", str(record["port"]), "--enable-rebalancing", *picker,
             "--users", str(given["users"]), "--spawn-rate", str(given["spawn_rate"])],
            self.env(record) | {"SWEEP_PAGE_SECONDS": str(given["time_limit_seconds"])},
            RuntimeMaxSec=given["time_limit_seconds"] + GRACE_SECONDS,
        )  # fmt: skip

    def start_worker(self, index, record):
        name = page_worker(index)
        # Its master ends it. This is for a worker that hangs.
        seconds = max(0, record["ends_at"] - round(time.time())) + GRACE_SECONDS
        command = [*self.locust(record), "--worker", "--master-host", record["master_host"]]
        env = self.env(record) | {"SWEEP_WORKER_INDEX": str(index)}
        self.run_unit(name, f"{name}.log", command, env, RuntimeMaxSec=seconds)

    def join(self):
        """Start the workers that do not run, as the others were started."""
        page, record = self.page(), self.record()
        # A host may have no worker yet.
        if record is None or record["ends_at"] <= time.time():
            self.module.fail_json(
                msg="Locust's page has no process on this host. Its processes ended, or the host joined the lab later. "
                "Run: ./lab stop, then ./lab ui",
                next_command="./lab stop",
            )
        self.ensure_firewall()
        present = [] if page is None else page["workers"]
        missing = [index for index in self.given["worker_indices"] if index not in present]
        for index in missing:
            self.start_worker(index, record)
        return missing

    def abandon(self):
        """End what was started. What ran before goes on."""
        if not self.given["joins"]:
            self.stop()

    def locust(self, record):
        home = Path(self.given["directory"])
        files = scenario_files(home, PAGE_MODE, record["locustfile"])
        return [
            str(home / "venv/bin/locust"), "--host", record["target"], "--loglevel", "INFO",
            "--exit-code-on-error", "0", "-f", ",".join(map(str, files)),
        ]  # fmt: skip

    def env(self, record):
        output = Path(self.given["output_directory"])
        return environment(output, self.given["host_name"], record["env"], record["secrets_directory"])

    def remove_secrets_later(self, record):
        """Start a unit that removes the secrets after the time limit. ./lab stop removes them at once."""
        seconds = self.given["time_limit_seconds"] + GRACE_SECONDS
        self.run_unit(
            PAGE_SECRETS,
            f"{PAGE_SECRETS}.log",
            ["/bin/sh", "-c", 'sleep "$1"; rm -rf -- "$2"', "sh", str(seconds), record["secrets_directory"]],
            {},
            User="root",
            # The folder of the secrets is in /run.
            ReadWritePaths=str(Path(record["secrets_directory"]).parent),
            RuntimeMaxSec=seconds + GRACE_SECONDS,
        )

    def refuse_port(self, port):
        """Refuse a port that another program uses."""
        with socket.socket() as probe:
            # As Locust's page binds: a connection that has just ended does not block the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                self.abandon()
                self.module.fail_json(
                    msg=f"Locust's page needs port {port} of 127.0.0.1 on this host: {error.strerror}. "
                    f"To see what uses it, run there: ss -ltnp 'sport = :{port}'"
                )

    def wait(self):
        """Wait until the workers are connected. Fail with the last line of the log if the master ends."""
        given = self.given
        # No proxy of the host's environment is asked.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        url = f"http://127.0.0.1:{given['port']}/worker-count"
        deadline = time.monotonic() + CONNECT_SECONDS
        connected, problem = 0, "no response"
        while True:
            try:
                with opener.open(url, timeout=RESPONSE_SECONDS) as response:
                    connected, problem = int(json.load(response)["worker_count"]), ""
            except (OSError, ValueError, KeyError) as error:
                problem = str(error)
            if connected >= given["workers"]:
                return
            if time.monotonic() > deadline or PAGE not in map(self.process, self.running()):
                break
            time.sleep(POLL_SECONDS)
        self.fail_unready(connected, problem)

    def fail_unready(self, connected, problem):
        """Fail with what is known of a page that is not ready."""
        states = self.units()
        # A worker that joined again writes the log of the one before it.
        again = {self.process(unit) for unit, state in states.items() if state != "failed"}
        failed = sorted(unit for unit, state in states.items() if state == "failed" and self.process(unit) not in again)
        self.hide_secrets(map(self.process, failed))
        lines = "; ".join(f"{self.process(unit)}{self.last_line(unit)}" for unit in failed)
        text = f"Locust's page does not respond: {problem}" if problem else (
            f"{connected} of {self.given['workers']} workers connected to Locust's master within {CONNECT_SECONDS} s"
        )  # fmt: skip
        self.module.fail_json(
            msg=f"{text}.{f' Ended: {lines}.' if lines else ''} To see more, run: ./lab logs locust",
            next_command="./lab logs locust",
        )

    def hide_secrets(self, names):
        """Hide the secrets of the load in the logs of processes that have ended: a scenario may have printed one."""
        secrets = (self.record() or {}).get("secrets_directory")
        if secrets:
            hide_in_logs([Path(self.given["units_directory"], f"{name}.log") for name in names], Path(secrets))


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["checked", "started", "ready", "ended"], "required": True},
            "slice": {"type": "str", "required": True},
            "directory": {"type": "path"},
            "output_directory": {"type": "path"},
            "units_directory": {"type": "path", "required": True},
            "user": {"type": "str", "default": "swarmsweep"},
            "host_name": {"type": "str"},
            "target": {"type": "str"},
            "locustfile": {"type": "str"},
            "master": {"type": "bool", "default": False},
            "master_host": {"type": "str", "default": "127.0.0.1"},
            "joins": {"type": "bool", "default": False},
            "worker_indices": {"type": "list", "elements": "int", "default": []},
            "workers": {"type": "int", "default": 1},
            "users": {"type": "int", "default": 1},
            "spawn_rate": {"type": "float", "default": 1},
            "has_picker": {"type": "bool", "default": True},
            "env": {"type": "dict", "default": {}},
            # The path of the folder is not secret. Its files are.
            "secrets_directory": {"type": "path", "no_log": False},
            "open_files": {"type": "int", "default": 1048576},
            "port": {"type": "int", "default": 8010},
            "time_limit_seconds": {"type": "int", "default": 7200},
        },
        required_if=[
            ("state", "started", ["directory", "output_directory", "host_name", "target", "locustfile"]),
        ],
        supports_check_mode=True,
    )
    units, state = PageUnits(module), module.params["state"]
    if state == "ready" and not module.check_mode:
        units.wait()
    changed = state == "started"
    if changed and not module.check_mode:
        if module.params["joins"]:
            changed = bool(units.join())
        else:
            units.start()
    if state == "ended" and not module.check_mode:
        changed = units.end()
    module.exit_json(changed=changed, page=units.page())


if __name__ == "__main__":
    main()
