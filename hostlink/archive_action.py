"""An Ansible action that sends files to a host as one archive: see swarmsweep.lab.sent_files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.lab.sent_files import failure_text, pack

ARCHIVE = "files.tar"


class ArchiveAction(ActionBase):
    """Runs commands on the host, and sends an archive to it."""

    TRANSFERS_FILES = True

    def execute(self, command: str, problem: str) -> str:
        """Return what a shell command printed. ``problem`` begins the message if it fails."""
        done = self._low_level_execute_command(command)
        if done["rc"] != 0:
            raise AnsibleActionFail(f"{problem}: {failure_text(done['stdout'], done['stderr'])}")
        printed: str = done["stdout"]
        return printed

    def send(self, files: Mapping[str, Path], unpack: Callable[[str], str], problem: str) -> None:
        """Send these files, by their path on the host. ``unpack`` returns the command for the path of the archive."""
        remote = self._make_tmp_path()
        try:
            with tempfile.TemporaryDirectory() as folder:
                archive = Path(folder, ARCHIVE)
                pack(files, archive)
                there = self._connection._shell.join_path(remote, ARCHIVE)
                self._transfer_file(str(archive), there)
            self.execute(unpack(there), problem)
        finally:
            self._remove_tmp_path(remote)
