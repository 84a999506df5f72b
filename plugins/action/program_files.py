"""Ansible action: make the programs in some folders of a host equal to those of the controller.

Arguments:

- dest: folder on the host.
- files: list of [path on the controller, folder below dest with a slash at its end, or ""].
- folders: folders below dest that have only these programs, and "" for dest itself. Another ``*.py`` in them is
  removed, as it could be imported and could hide a module of the same name. Other files stay.

One command compares all checksums. Where a program differs, all are sent as one archive.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.lab import sent_files


class ActionModule(ActionBase):
    """Compares, and copies what differs."""

    TRANSFERS_FILES = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        dest, folders = self._task.args["dest"].rstrip("/"), self._task.args["folders"]
        files = {f"{folder}{Path(path).name}": Path(path) for path, folder in self._task.args["files"]}
        printed = self._execute(sent_files.list_programs(dest, folders), f"could not list {dest}")
        lines = sent_files.listed_lines(printed)
        stale = sent_files.stale_programs(lines, files, folders)
        result |= {"files": len(files), "removed": stale}
        if not stale and lines >= sent_files.listing(files):
            return result | {"changed": False}
        if not self._task.check_mode:
            self._put(files, dest, stale)
        return result | {"changed": True}

    def _put(self, files, dest, stale):
        remote = self._make_tmp_path()
        try:
            with tempfile.TemporaryDirectory() as folder:
                archive = Path(folder, "programs.tar")
                sent_files.pack(files, archive)
                there = self._connection._shell.join_path(remote, "programs.tar")
                self._transfer_file(str(archive), there)
            self._execute(
                sent_files.put_programs(there, dest, stale), f"could not copy {len(files)} programs to {dest}"
            )
        finally:
            self._remove_tmp_path(remote)

    def _execute(self, command, problem):
        done = self._low_level_execute_command(command)
        if done["rc"] != 0:
            raise AnsibleActionFail(f"{problem}: {sent_files.failure_text(done['stdout'], done['stderr'])}")
        return done["stdout"]
