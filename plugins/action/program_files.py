"""Ansible action: make the programs in some folders of a host equal to those of the controller.

Arguments:

- dest: folder on the host.
- files: list of [path on the controller, folder below dest with a slash at its end, or ""].
- folders: folders below dest that have only these programs, and "" for dest itself. Another ``*.py`` in them is
  removed, as it could be imported and could hide a module of the same name. Other files stay.

One command compares all checksums. Where a program differs, all are sent as one archive.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hostlink.archive_action import ArchiveAction
from swarmsweep.lab import sent_files


class ActionModule(ArchiveAction):
    """Compares, and copies what differs."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        dest, folders = self._task.args["dest"].rstrip("/"), self._task.args["folders"]
        files = {f"{folder}{Path(path).name}": Path(path) for path, folder in self._task.args["files"]}
        printed = self.execute(sent_files.list_programs(dest, folders), f"could not list {dest}")
        lines = sent_files.listed_lines(printed)
        stale = sent_files.stale_programs(lines, files, folders)
        result |= {"files": len(files), "removed": stale}
        if not stale and lines >= sent_files.listing(files):
            return result | {"changed": False}
        if not self._task.check_mode:
            unpack = partial(sent_files.put_programs, dest=dest, stale=stale)
            self.send(files, unpack, f"could not copy {len(files)} programs to {dest}")
        return result | {"changed": True}
