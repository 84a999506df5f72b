"""The steps of an Ansible action: each is a method ``do_<name>``, and the task names it with ``do``."""

from __future__ import annotations

import json
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.errors import LabError


class StepsAction(ActionBase):
    """Runs the step with the other arguments of the task, and turns a LabError into a message without a traceback."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the step returns. A step that changes something says so."""
        result = super().run(tmp, task_vars)
        arguments = self.arguments()
        step = getattr(self, "do_" + arguments.pop("do"))
        try:
            return result | {"changed": False} | step(**arguments)
        except LabError as error:
            # Ansible would append the causes, which the text already contains.
            raise AnsibleActionFail(str(error), result={"next_command": error.next_command}) from None

    def arguments(self) -> dict[str, Any]:
        """Those of the task. Ansible's lazy containers and tagged strings become plain ones."""
        plain: dict[str, Any] = json.loads(json.dumps(dict(self._task.args)))
        return plain
