"""Ansible action: refuse to load anything but the lab's own API host. Runs on the controller before every load.

Arguments: name (host of the inventory), allowed (hosts of the group api).
"""

from __future__ import annotations

import json
import subprocess

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep import machines


class ActionModule(ActionBase):
    """Returns the address that may be loaded."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        name, allowed = self._task.args["name"], list(self._task.args["allowed"])
        if name not in allowed:
            raise AnsibleActionFail(
                f"'{name}' is not an API host of this inventory, so it is not loaded. Allowed: {', '.join(allowed)}"
            )
        address = str(task_vars["hostvars"][name].get("ansible_host", name))
        if machines.is_virtual(address):
            found = subprocess.run(
                ["ip", "-json", "route", "get", address], capture_output=True, text=True, check=False
            )
            bridge = machines.bridge_of(address, json.loads(found.stdout or "[]"))
            if bridge is None:
                raise AnsibleActionFail(
                    f"{address} is in 198.18.0.0/15, but that network is on no bridge of this machine: "
                    "the load would leave it. Mend it: ./lab up"
                )
        return result | {"changed": False, "address": address}
