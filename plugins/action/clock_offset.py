"""Ansible action: measure how far a host's clock is from the controller's. It has no arguments and changes nothing.

Returns offset_seconds (host minus controller) and bound_seconds. The true offset is at most that far from it.
"""

from __future__ import annotations

import time

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.lab import preflight

# The first attempt may have to make the connection. The fastest response bounds the offset best.
TRIES = 3


class ActionModule(ActionBase):
    """Requests the host's time, and halves the round trip."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        offsets = [self.measure() for _ in range(TRIES)]
        offset, bound = min(offsets, key=lambda measured: measured[1])
        return result | {"changed": False, "offset_seconds": offset, "bound_seconds": bound}

    def measure(self):
        """Return (offset, bound) in seconds of one round trip."""
        before = time.time()
        response = self._low_level_execute_command("date +%s.%N")
        after = time.time()
        try:
            return preflight.clock_offset(before, float(response["stdout"]), after)
        except ValueError:
            text = response["stderr"].strip() or response["stdout"].strip() or "nothing"
            raise AnsibleActionFail(f"'date +%s.%N' printed no time, but: {text}") from None
