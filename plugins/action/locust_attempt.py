"""Ansible action: runs the module locust_attempt, and copies the live figures of the load while it waits for its end.

With the argument live_file, the newest live.json of Locust's master is kept in this file of the controller, over the
open connection. It holds numbers and known words alone, whatever a scenario wrote (see swarmsweep.report.live_load).
While no figures come, a file beside it says since when and why. Both are removed when the load has ended.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from ansible.plugins.action import ActionBase

from hostlink.live_reader import LiveReader
from swarmsweep.shared.request_record import LIVE_FILE

# Seconds beyond the time limit of the load, in which the module reports its end.
END_SECONDS = 60


class ActionModule(ActionBase):
    """The module does the work. What is copied beside it decides nothing."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        with self.following():
            result |= self._execute_module(task_vars=task_vars)
        self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def following(self):
        """Return a context in which the figures are copied, where they are wanted."""
        arguments = self._task.args
        wanted = arguments.get("live_file")
        if arguments.get("state") != "finished" or not wanted or self._task.check_mode:
            return contextlib.nullcontext()
        source = f"{arguments['output_directory']}/{LIVE_FILE}"
        seconds = float(arguments.get("time_limit_seconds", 0)) + END_SECONDS
        return self.copying(source, seconds, Path(str(wanted)))

    @contextlib.contextmanager
    def copying(self, source, seconds, target):
        """Copy the figures until the block ends."""
        # Not at the top: most calls of the module have no load to follow.
        from swarmsweep.report.live_load import LiveFiles

        files = LiveFiles(target)
        try:
            with LiveReader(self._connection, source, seconds, files.keep, files.lost):
                yield
        finally:
            files.remove()
