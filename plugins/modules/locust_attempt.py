#!/usr/bin/python
"""Ansible module: run Locust's master and workers on one load host, as systemd units that end by themselves."""

from __future__ import annotations

import json
import os
import select
import shutil
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hidden_text import hide_in_logs
from ansible.module_utils.load_units import CONNECT_SECONDS, Units
from ansible.module_utils.locust_command import (
    MEMORY_PERCENT,
    environment,
    link_scenarios,
    scenario_files,
    unlink_scenarios,
)
from ansible.module_utils.machine_memory import total_memory_bytes
from ansible.module_utils.request_record import MASTER, ended_file, worker_process

DOCUMENTATION = r"""
module: locust_attempt
short_description: Start Locust for an attempt on one load host, let it load, or stop it
description:
  - Master and workers run as transient systemd units with a time limit. If the controller or its connection is lost,
    the load continues, and ends at this limit at the latest.
  - Root writes only into I(units_directory), where no other user can write. Locust writes its files into
    I(output_directory), which belongs to its user. Root does not write there, because a link could lead it to any
    file of the host.
  - C(started) puts the firewall of I(user) in place before it starts Locust.
  - C(checked) does the same. It also fails unless I(target) responds to I(user) with this lab's identifier.
    Each lab has its own. It also fails while a load by hand runs (see C(locust_page)). C(finished) looks for the
    identifier too, on the host with the master, before the load begins.
  - C(started) first stops the units that an interrupted sweep left. Then it starts master and workers, which wait. So
    Locust starts while the API is deployed. C(finished) lets the load begin, waits until no unit runs, and reports
    how each unit ended. C(stopped) ends all units at once. Both hide the secrets of I(secrets_directory) in the logs.
options:
  state: {description: What to do., type: str, choices: [started, checked, finished, stopped], required: true}
  mode:
    description:
      - C(fixed) loads with users in a closed loop for a fixed time. recorder.py records the requests. C(capacity)
        searches for the highest rate with open-loop probes, which conductor.py orders. Its scenario has an
        OpenLoopUser, and there must be as many I(users) as I(workers).
    type: str
    choices: [fixed, capacity]
    default: fixed
  prepare:
    description: Shell command that C(started) runs before it starts Locust. This saves a separate task.
    type: str
    default: ""
  slice: {description: "Name of the systemd slice of this lab's load, without its suffix.", type: str, required: true}
  directory: {description: Folder of the virtual environment and the locustfiles., type: path}
  output_directory: {description: Folder for the attempt's files; made for the unprivileged user., type: path}
  units_directory:
    description: "Folder for what root writes: logs, commands, how the units ended, the order to start."
    type: path
  user: {description: The unprivileged user that runs Locust., type: str, default: swarmsweep}
  host_name: {description: Name of this host in file names., type: str}
  target: {description: URL that is loaded., type: str}
  locustfile: {description: File name of the scenario., type: str}
  master: {description: Whether the master runs here., type: bool, default: false}
  master_host: {description: Address where the workers find the master., type: str, default: 127.0.0.1}
  worker_indices: {description: Numbers of the workers that run here., type: list, elements: int, default: []}
  workers: {description: Workers over all load hosts., type: int, default: 1}
  users: {description: Simulated users over all workers., type: int, default: 1}
  spawn_rate: {description: Users started per second., type: float, default: 1}
  env: {description: "Environment of the units: the recorder's and the scenario's settings.", type: dict, default: {}}
  secrets_directory: {description: Folder of the secrets of the load on this host. Empty without secrets., type: path}
  open_files: {description: Files that one process may open., type: int, default: 1048576}
  live_file:
    description:
      - File of the controller that gets the newest figures of the load while C(finished) waits. Set it for the host
        with the master. The action of this name copies them; the module does not use it.
    type: str
  time_limit_seconds:
    description: Seconds after which systemd ends every unit. It is also the deadline of C(finished).
    type: int
    default: 600
author: [swarmsweep]
"""

EXAMPLES = r"""
- locust_attempt:
    state: finished
    slice: swarmsweep-lab
    directory: /opt/swarmsweep/locust
    units_directory: /opt/swarmsweep/trial-lab/units
    output_directory: /opt/swarmsweep/trial-lab/locust
    host_name: lab-load
    target: http://198.18.0.11:8080
    time_limit_seconds: 120
"""

RETURN = r"""
units: {description: Units of this host., type: list, elements: str, returned: always}
ended_badly:
  description:
    - Units that failed, with the result that systemd reports. A unit that recorded everything and then ended with an
      exit status of its scenario has not failed. The file units-HOST.json has its status as C(exit_statuses).
  type: dict
  returned: when finished
"""

# Seconds between looks at units whose processes have ended, or cannot be waited for.
POLL_SECONDS = 0.1
# Longest wait for the end of the processes without a look at the units, in seconds.
LOOK_SECONDS = 10
# File in the folder of the units. When it exists, the master begins (see common/workers.py of loadgen).
START_FILE = "start"
# Seconds for workers to end after their master. Before it ends, the master waits for their results.
ORPHAN_SECONDS = 15


class LoadUnits(Units):
    """The units of an attempt."""

    def start(self):
        given = self.given
        self.stop()
        # From here on, a scenario runs: when it is imported, and before its first user.
        self.ensure_firewall()
        if given["prepare"]:
            code, out, err = self.module.run_command(given["prepare"], use_unsafe_shell=True)
            if code != 0:
                said = err.strip() or out.strip() or f"exit code {code}"
                self.module.fail_json(msg=f"this host could not be prepared for the load: {said}")
        output, units = Path(given["output_directory"]), Path(given["units_directory"])
        # An interrupted attempt is repeated from the start.
        for folder in (output, units):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, mode=0o755)
        home = Path(given["directory"])
        self.require_scenario(given["locustfile"])
        link_scenarios(home, output)
        shutil.chown(output, given["user"])
        files = scenario_files(home, given["mode"], given["locustfile"])
        conductor = [home / "conductor.py"] if given["mode"] == "capacity" else []
        locust = [str(home / "venv/bin/locust"), "--host", given["target"], "--loglevel", "INFO"]
        env = environment(output, given["host_name"], given["env"], given["secrets_directory"])
        if given["master"]:
            bind = self.master_address()
            self.run_unit(
                MASTER,
                "master.log",
                [*locust, "-f", ",".join(map(str, [*files, *conductor])), "--headless",
                 "--master", "--master-bind-host", bind,
                 "--expect-workers", str(given["workers"]), "--expect-workers-max-wait", str(CONNECT_SECONDS),
                 "--users", str(given["users"]), "--spawn-rate", str(given["spawn_rate"]),
                 "--csv", str(output / "stats"), "--csv-full-history", "--exit-code-on-error", "0"],
                env | {"SWEEP_START_FILE": str(units / START_FILE)},
            )  # fmt: skip
        for index in given["worker_indices"]:
            self.run_unit(
                worker_process(index),
                f"worker-{index}.log",
                [*locust, "-f", ",".join(map(str, files)), "--worker", "--master-host", given["master_host"]],
                env | {"SWEEP_WORKER_INDEX": str(index)},
            )
        return list(self.units())

    def finish(self):
        """Start the load and wait until no unit runs. Return systemd's result by unit for those that failed."""
        folder = Path(self.given["units_directory"]) if self.given["units_directory"] else None
        if folder is not None and not folder.is_dir():
            self.module.fail_json(msg="this host could not be reached when the load was started, so no load ran on it")
        has_master = any(map(self.is_master, self.units()))
        # Not after the load has started, as after a lost connection. A proxy that is busy or dead then is a result of
        # the attempt, not a failure of the bench. Hosts with workers alone come later; state checked has checked them.
        if folder is not None and has_master and not (folder / START_FILE).exists():
            self.check()
            (folder / START_FILE).touch()
        deadline = time.monotonic() + self.given["time_limit_seconds"] + 15
        failed = {}
        while running := self.running():
            if time.monotonic() > deadline:
                self.stop()
                self.hide_secrets()
                limit = self.given["time_limit_seconds"]
                self.module.fail_json(msg=f"the load was stopped, because it exceeded its time limit of {limit:g} s")
            orphaned = has_master and not any(map(self.is_master, running))
            if orphaned and not self.ended_within(ORPHAN_SECONDS):
                # The master died, or its workers hang. Nothing else ends them.
                failed = self.failures()
                self.stop()
                break
            self.wait_for_processes(running)
            time.sleep(POLL_SECONDS)
        # Before a line of a log becomes a part of a reason.
        self.hide_secrets()
        bad = {unit: result + self.last_line(unit) for unit, result in (failed | self.failures()).items()}
        statuses = self.own_statuses()
        if bad or statuses:
            self.systemctl("reset-failed", *bad, *statuses)
        if folder is not None:
            (folder / f"units-{self.given['host_name']}.json").write_text(
                json.dumps({"schema": 1, "ended_badly": bad, "exit_statuses": statuses}) + "\n", encoding="utf-8"
            )
        if self.given["output_directory"]:
            # Links are not gathered, and these would be named beside those that the scenario has left.
            unlink_scenarios(Path(self.given["directory"]), Path(self.given["output_directory"]))
        return bad

    def hide_secrets(self):
        """Hide the secrets of the load in the logs: a scenario, or a program that it started, may have printed them."""
        folder, secrets = self.given["units_directory"], self.given.get("secrets_directory")
        if folder and secrets:
            hide_in_logs(Path(folder).glob("*.log"), Path(secrets))

    def is_master(self, unit):
        return self.process(unit) == MASTER

    def ended_within(self, seconds):
        """Return whether no unit runs after at most this many seconds."""
        deadline = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def failures(self):
        """Return systemd's result of all failed units, by unit."""
        return {
            unit: self.result(properties)
            for unit, properties in self.failed_units().items()
            if not self.is_own_status(unit, properties)
        }

    def own_statuses(self):
        """Return the exit status of units that ended in order, by unit: the status is their scenario's."""
        return {
            unit: properties["ExecMainStatus"]
            for unit, properties in self.failed_units().items()
            if self.is_own_status(unit, properties)
        }

    def failed_units(self):
        """Return systemd's properties of all failed units, by unit."""
        return {unit: self.properties(unit) for unit, state in self.units().items() if state == "failed"}

    def is_own_status(self, unit, properties):
        """Return whether a unit recorded everything before it ended, and only its exit status is not 0.

        A signal, a lack of memory and the time limit have other results. The mark is in a folder of Locust's user, so
        it is not opened.
        """
        if properties.get("Result") != "exit-code" or "ExecMainStatus" not in properties:
            return False
        mark = Path(self.given["output_directory"] or "", ended_file(self.given["host_name"], self.process(unit)))
        return bool(self.given["output_directory"]) and mark.is_file() and not mark.is_symlink()

    def wait_for_processes(self, units):
        """Wait until the first process of each unit has ended, or for LOOK_SECONDS.

        The kernel reports the end. Repeated requests to systemd would take CPU from the load, and see the end later.
        """
        _code, out, _err = self.systemctl("show", "--property=MainPID", *units)
        deadline = time.monotonic() + LOOK_SECONDS
        for pid in (int(line.partition("=")[2] or 0) for line in out.splitlines() if line.startswith("MainPID=")):
            try:
                # 0 means that there is no process, and the kernel refuses it.
                process = os.pidfd_open(pid)
            except OSError:
                continue
            try:
                poll = select.poll()
                poll.register(process, select.POLLIN)
                poll.poll(max(0, deadline - time.monotonic()) * 1000)
            finally:
                os.close(process)

    def properties(self, unit):
        _code, out, _err = self.systemctl("show", "--property=Result,ExecMainStatus", unit)
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def result(self, pairs):
        word = f"{pairs.get('Result', 'unknown')} (exit status {pairs.get('ExecMainStatus', '?')})"
        if pairs.get("Result") == "oom-kill":
            limit = total_memory_bytes() * MEMORY_PERCENT // 100 >> 20
            word += f": it needed more memory than its {limit} MiB, {MEMORY_PERCENT} % of the host's"
        return word


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "checked", "finished", "stopped"], "required": True},
            "slice": {"type": "str", "required": True},
            "mode": {"type": "str", "choices": ["fixed", "capacity"], "default": "fixed"},
            "prepare": {"type": "str", "default": ""},
            "directory": {"type": "path"},
            "output_directory": {"type": "path"},
            "units_directory": {"type": "path"},
            "user": {"type": "str", "default": "swarmsweep"},
            "host_name": {"type": "str"},
            "target": {"type": "str"},
            "locustfile": {"type": "str"},
            "master": {"type": "bool", "default": False},
            "master_host": {"type": "str", "default": "127.0.0.1"},
            "worker_indices": {"type": "list", "elements": "int", "default": []},
            "workers": {"type": "int", "default": 1},
            "users": {"type": "int", "default": 1},
            "spawn_rate": {"type": "float", "default": 1},
            "env": {"type": "dict", "default": {}},
            # The path of the folder is not secret. Its files are.
            "secrets_directory": {"type": "path", "no_log": False},
            "open_files": {"type": "int", "default": 1048576},
            "live_file": {"type": "str"},
            "time_limit_seconds": {"type": "int", "default": 600},
        },
        required_if=[
            (
                "state",
                "started",
                ["directory", "output_directory", "units_directory", "host_name", "target", "locustfile"],
            ),
            ("state", "checked", ["directory", "target"]),
            ("state", "finished", ["directory", "units_directory", "host_name", "target"]),
        ],
        supports_check_mode=True,
    )
    load = LoadUnits(module)
    if module.check_mode:
        module.exit_json(changed=module.params["state"] in ("started", "stopped"), units=list(load.units()))
    if module.params["state"] == "started":
        module.exit_json(changed=True, units=load.start())
    if module.params["state"] == "checked":
        load.check()
        load.refuse_page()
        module.exit_json(changed=False, units=[])
    if module.params["state"] == "stopped":
        units = load.stop()
        # After a deployment that failed, the logs of a host that also has the API are gathered.
        load.hide_secrets()
        module.exit_json(changed=bool(units), units=units)
    module.exit_json(changed=False, units=list(load.units()), ended_badly=load.finish())


if __name__ == "__main__":
    main()
