#!/usr/bin/python
"""Ansible module: load each scenario once on a load host, as Locust will, before anything is deployed."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.locust_command import confinement, environment, link_scenarios, scenario_files
from ansible.module_utils.machine_memory import total_memory_bytes

DOCUMENTATION = r"""
module: locust_scenarios
short_description: Load scenarios once on a load host, and report why they cannot run
description:
  - check_scenario.py of the role locust_host loads each scenario. It has the user, the virtual environment, the
    files, the working directory and the environment variables of the load. It runs as a transient systemd unit with
    the restrictions of the load and a time limit. It sends no request.
  - The firewall of I(user) must be in place. C(locust_attempt) with C(state=checked) starts it.
  - A scenario that cannot run is a result, not a failure of the module. The module fails when it cannot check a
    scenario.
  - Nothing is done in check mode.
options:
  scenarios:
    description: >-
      What to load. Each is a dictionary of C(locustfile), C(mode) (C(fixed), C(capacity) or C(arrivals)) and C(env).
    type: list
    elements: dict
    required: true
  slice: {description: "Name of the systemd slice of this lab's load, without its suffix.", type: str, required: true}
  directory: {description: Folder of the virtual environment and the locustfiles., type: path, required: true}
  user: {description: The unprivileged user that runs Locust., type: str, default: swarmsweep}
  host_name: {description: Name of this host., type: str, required: true}
  secrets_directory: {description: Folder of the secrets of the load on this host. Empty without secrets., type: path}
  open_files: {description: Files that one process may open., type: int, default: 1048576}
  time_limit_seconds:
    description:
      - Seconds within which one scenario must be loaded. The slowest of the shipped ones takes 0.1 s on a free core.
        A host that is a hundred times slower is still fast enough. A scenario that waits for input or loops uses all
        of this time.
    type: int
    default: 30
author: [swarmsweep]
"""

EXAMPLES = r"""
- locust_scenarios:
    scenarios: [{locustfile: predict.py, mode: fixed, env: {}}]
    slice: swarmsweep-lab
    directory: /opt/swarmsweep/locust
    host_name: lab-load
"""

RETURN = r"""
reports:
  description: For each scenario, its C(locustfile) and the report of check_scenario.py. C(problem) is null if the
    scenario can run.
  type: list
  elements: dict
  returned: always
"""

# Seconds beyond the scenario's own time: for Locust's start, which check_scenario.py gives 60 s, and for the unit.
MORE_SECONDS = 90


def load_scenario(module, scenario):
    """Return the report on one scenario."""
    given = module.params
    home = Path(given["directory"])
    files = scenario_files(home, scenario["mode"], scenario["locustfile"])
    path = home / "locustfiles" / scenario["locustfile"]
    if not path.is_file():
        module.fail_json(
            msg=f"{path} is not on this host. To copy locustfiles/ to the load hosts, run: ./lab site",
            next_command="./lab site",
        )
    output = Path(tempfile.mkdtemp(prefix="check-", dir=home))
    unit = f"{given['slice']}-scenario-{time.time_ns()}"
    limit = given["time_limit_seconds"]
    options = {
        "User": given["user"],
        "WorkingDirectory": output,
        "LimitNOFILE": given["open_files"],
        # The program itself survives an OOM kill of the scenario, and reports it.
        "OOMPolicy": "continue",
        "RuntimeMaxSec": limit + MORE_SECONDS,
        "Slice": f"{given['slice']}.slice",
        # The memory limit is that of the load, so that a scenario that the load could hold is not refused here.
        **confinement(output, total_memory_bytes()),
    }
    variables = environment(output, given["host_name"], scenario["env"], given["secrets_directory"])
    try:
        link_scenarios(home, output)
        shutil.chown(output, given["user"])
        done = subprocess.run(
            ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={unit}"]
            + [f"--property={key}={value}" for key, value in options.items()]
            + [f"--setenv={key}={value}" for key, value in variables.items()]
            + [home / "venv/bin/python", home / "check_scenario.py", scenario["mode"], str(limit), path, *files],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit + 2 * MORE_SECONDS,
            check=False,
        )  # fmt: skip
        return {"locustfile": scenario["locustfile"], **json.loads(done.stdout)}
    except subprocess.TimeoutExpired:
        module.run_command(["systemctl", "kill", "--signal=KILL", f"{unit}.service"])
        module.fail_json(
            msg=f"systemd did not end {unit} in time. To see why, run on this host: systemctl status {unit}"
        )
    except ValueError:
        problem = done.stderr.strip() or f"exit code {done.returncode}"
        module.fail_json(msg=f"{path} could not be run: {problem}. If a program is missing there, run: ./lab site")
    finally:
        shutil.rmtree(output, ignore_errors=True)


def main():
    module = AnsibleModule(
        argument_spec={
            "scenarios": {"type": "list", "elements": "dict", "required": True},
            "slice": {"type": "str", "required": True},
            "directory": {"type": "path", "required": True},
            "user": {"type": "str", "default": "swarmsweep"},
            "host_name": {"type": "str", "required": True},
            # The path of the folder is not secret. Its files are.
            "secrets_directory": {"type": "path", "no_log": False},
            "open_files": {"type": "int", "default": 1048576},
            "time_limit_seconds": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, reports=[])
    try:
        reports = [load_scenario(module, scenario) for scenario in module.params["scenarios"]]
    except (OSError, LookupError) as error:
        module.fail_json(msg=f"the scenarios could not be loaded: {error}. Run: ./lab site", next_command="./lab site")
    module.exit_json(changed=False, reports=reports)


if __name__ == "__main__":
    main()
