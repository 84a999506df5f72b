"""Ansible action: refuse to load anything but the lab's own API host. Runs on the controller before every load.

Arguments: name (host of the inventory), url_host (the host that a URL will name; default: the host's own address).
"""

from __future__ import annotations

import json
import subprocess

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.errors import LabError
from swarmsweep.lab import virtual_machines
from swarmsweep.lab.inventory_files import hosts_of, inventory_of


class ActionModule(ActionBase):
    """Returns the address that may be loaded, and as url_host its form in a URL."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        name, allowed = self._task.args["name"], list(task_vars["groups"].get("api", []))
        if name not in allowed:
            file = hosts_of(inventory_of(task_vars.get("ansible_inventory_sources")))
            raise AnsibleActionFail(
                f"'{name}' is not an API host of this inventory, so it gets no load. "
                f"Allowed: {', '.join(allowed) or f'none, as the group api of {file} is empty'}"
            )
        address = str(task_vars["hostvars"][name].get("ansible_host", name))
        try:
            virtual_machines.check_address(address, name)
        except LabError as error:
            raise AnsibleActionFail(str(error)) from None
        url_host = self._task.args.get("url_host", virtual_machines.url_host(address))
        if url_host != virtual_machines.url_host(address):
            raise AnsibleActionFail(
                f"'{url_host}' is not the address of '{name}', so it gets no load. Allowed: its ansible_host, "
                f"{virtual_machines.url_host(address)}"
            )
        if virtual_machines.is_virtual(address):
            route = subprocess.run(
                ["ip", "-json", "route", "get", address], capture_output=True, text=True, check=False
            )
            bridge = virtual_machines.bridge_of(address, json.loads(route.stdout or "[]"))
            if bridge is None:
                raise AnsibleActionFail(
                    f"{address} is in 198.18.0.0/15, but no bridge of this machine has that network: "
                    "the load would leave this machine. Fix: ./lab up",
                    result={"next_command": "./lab up"},
                )
        return result | {"changed": False, "address": address, "url_host": url_host}
