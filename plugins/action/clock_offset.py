"""Ansible action: how far a host's clock is from the controller's. No arguments; nothing is changed.

Returns offset_seconds (host minus controller) and bound_seconds: the true offset lies at most that far from it.
"""

from __future__ import annotations

import time

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.lab import preflight

# The first may have to make the connection; the fastest answer bounds the offset best.
TRIES = 3


class ActionModule(ActionBase):
    """Asks for the time, and halves the round trip."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        answers = [self.ask() for _ in range(TRIES)]
        offset, bound = min(answers, key=lambda answer: answer[1])
        return result | {"changed": False, "offset_seconds": offset, "bound_seconds": bound}

    def ask(self):
        """(offset, bound) in seconds of one question."""
        before = time.time()
        answer = self._low_level_execute_command("date +%s.%N")
        after = time.time()
        try:
            return preflight.clock_offset(before, float(answer["stdout"]), after)
        except ValueError:
            text = answer["stderr"].strip() or answer["stdout"].strip() or "nothing"
            raise AnsibleActionFail(f"'date +%s.%N' printed no time, but: {text}") from None
