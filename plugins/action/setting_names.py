"""Ansible action: refuse names of settings that nothing reads. Runs on the controller.

The logic is in swarmsweep.lab.setting_names. It takes no arguments.
The names come from all variables of all hosts, also from those of -e.
"""

from __future__ import annotations

from pathlib import Path

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.lab.setting_names import unknown_problems, unknown_settings

ROOT = Path(__file__).parents[2]


class ActionModule(ActionBase):
    """Fails with every such name in one message."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        hostvars = task_vars["hostvars"]
        # A template has the names that it reads only as long as it is not evaluated.
        variables = [hostvars.raw_get(name) for name in ("localhost", *hostvars)]
        sources = task_vars.get("ansible_inventory_sources")
        unknown = unknown_settings(variables, sources, ROOT)
        if unknown:
            extra = context.CLIARGS.get("extra_vars") or ()
            raise AnsibleActionFail("\n".join(unknown_problems(unknown, sources, extra, ROOT)))
        return result | {"changed": False}
