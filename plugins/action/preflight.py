"""Ansible action: judge what the hosts said of themselves. Runs on the controller; see swarmsweep.preflight."""

from __future__ import annotations

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep import preflight


class ActionModule(ActionBase):
    """Fails with every problem of every host in one message."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        hostvars = task_vars["hostvars"]
        sides = {side: list(self._task.args[side]) for side in ("api", "load")}
        answers = {
            name: {
                "address": str(hostvars[name].get("ansible_host", name)),
                "reach": dict(hostvars[name].get("__preflight_reach", {})),
                "capacity": dict(hostvars[name].get("__preflight_capacity", {})),
            }
            for side in sides.values()
            for name in side
        }
        problems = preflight.find_problems(answers, sides)
        if problems:
            raise AnsibleActionFail("preflight found:\n" + "\n".join(f"- {problem}" for problem in problems))
        return result | {"changed": False}
