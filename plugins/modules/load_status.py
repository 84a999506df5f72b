#!/usr/bin/python
"""Ansible module: show which units of a load a host has, in what state, since when, and their last error."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.unit_log import last_line

DOCUMENTATION = r"""
module: load_status
short_description: Show the units of a load on one host
description:
  - Reads the state of Locust's units and of the sampler. It changes nothing, and does the same in check mode.
options:
  slice: {description: "Name of the systemd slice of this lab's load, without its suffix.", type: str, required: true}
  units_directory: {description: "Folder of the logs of Locust's units.", type: path, required: true}
author: [swarmsweep]
"""

EXAMPLES = r"""
- load_status:
    slice: swarmsweep-lab
    units_directory: /opt/swarmsweep/trial-lab/units
"""

RETURN = r"""
lines:
  description: One line for each unit. It has the unit, its state, since when, and the last error in its log.
  type: list
  elements: str
  returned: always
  sample: ["swarmsweep-lab-locust-master-17: running since Sun 2026-11-29 07:34:14 UTC"]
"""

PROPERTIES = ("Id", "ActiveState", "SubState", "StateChangeTimestamp", "Result", "ExecMainStatus")


def units_in(text: str) -> list[dict[str, str]]:
    """Return the units in the output of ``systemctl show``. A blank line separates them."""
    blocks = (block.splitlines() for block in text.split("\n\n"))
    return [dict(line.split("=", 1) for line in block if "=" in line) for block in blocks if block]


def unit_line(unit: dict[str, str], prefix: str, directory: Path) -> str:
    """Return the line of a unit. The properties are strings of systemd."""
    name = unit["Id"].removesuffix(".service")
    failed = unit["ActiveState"] == "failed"
    state = f"failed ({unit['Result']}, exit status {unit['ExecMainStatus']})" if failed else unit["SubState"]
    line = f"{name}: {state} since {unit['StateChangeTimestamp'] or 'an unknown time'}"
    # The last part of a unit's name is a number that makes it unique. Its log is named by what comes before.
    log = name.removeprefix(f"{prefix}-locust-").rpartition("-")[0]
    # A traceback has no level. Its last line is the last one of a unit that failed.
    error = last_line(directory / f"{log}.log", error=not failed)
    return f"{line}; last error: {error}" if error else line


def main():
    module = AnsibleModule(
        argument_spec={
            "slice": {"type": "str", "required": True},
            "units_directory": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    prefix = module.params["slice"]
    code, out, err = module.run_command(
        ["systemctl", "show", f"--property={','.join(PROPERTIES)}", f"{prefix}-*.service"]
    )
    if code != 0:
        module.fail_json(
            msg=f"systemctl did not show the units {prefix}-*: {err.strip() or out.strip() or f'exit code {code}'}. "
            "To see why, run on this host: systemctl status"
        )
    directory = Path(module.params["units_directory"])
    module.exit_json(changed=False, lines=[unit_line(unit, prefix, directory) for unit in units_in(out)])


if __name__ == "__main__":
    main()
