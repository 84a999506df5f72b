"""Ansible action: make the folder of the scenarios on a load host equal to the one on the controller.

Arguments:

- src: folder on the controller. Hidden entries and Python's caches are left out.
- dest: folder on the host. What is not in src is removed, as it could be imported.

One command compares all checksums. A folder that differs is sent whole, as one archive, and replaces the old one at
once.
"""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.errors import LabError
from swarmsweep.lab.sent_files import FOLDER_MODE, failure_text, listed_lines, listing, pack
from swarmsweep.sweep.scenario_folder import list_folder
from swarmsweep.units import format_bytes


def list_command(dest):
    """Return a shell command that prints the kind, mode and checksum of everything in the folder."""
    return (
        f"echo; cd {shlex.quote(dest)} 2> /dev/null || exit 0; find . -mindepth 1 -printf '%y %m %P\\n' && "
        "find . -type f -printf '%P\\0' | xargs -0 -r sha256sum"
    )


def replace_command(archive, dest):
    """Return a shell command that unpacks the archive beside the folder, and then puts it in the folder's place."""
    new, old = shlex.quote(f"{dest}.new"), shlex.quote(f"{dest}.old")
    dest = shlex.quote(dest)
    steps = (
        f"rm -rf {new} {old}",
        f"mkdir -p {new}",
        f"tar -xpf {shlex.quote(archive)} --no-same-owner -C {new}",
        f"chmod {FOLDER_MODE:o} {new}",
        f"if [ -e {dest} ]; then mv {dest} {old}; fi",
        f"mv {new} {dest}",
        f"rm -rf {old}",
    )
    return " && ".join(steps)


class ActionModule(ActionBase):
    """Compares, and copies what differs."""

    TRANSFERS_FILES = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        src, dest = self._task.args["src"], self._task.args["dest"].rstrip("/")
        try:
            found = list_folder(src)
            files = {file.name: file.path for file in found}
            size = format_bytes(sum(file.size_bytes for file in found))
            result |= {"files": len(files), "size": size}
            present = self._execute(list_command(dest), f"could not list {dest}")
            if listed_lines(present) == listing(files):
                return result | {"changed": False}
            if not self._task.check_mode:
                self._replace(files, dest)
        except (LabError, OSError) as error:
            raise AnsibleActionFail(f"the scenarios of {src} were not copied: {error}") from None
        return result | {"changed": True}

    def _replace(self, files, dest):
        remote = self._make_tmp_path()
        try:
            with tempfile.TemporaryDirectory() as folder:
                archive = Path(folder, "scenarios.tar")
                pack(files, archive)
                there = self._connection._shell.join_path(remote, "scenarios.tar")
                self._transfer_file(str(archive), there)
            self._execute(replace_command(there, dest), f"could not copy {len(files)} scenarios and files to {dest}")
        finally:
            self._remove_tmp_path(remote)

    def _execute(self, command, problem):
        done = self._low_level_execute_command(command)
        if done["rc"] != 0:
            raise AnsibleActionFail(f"{problem}: {failure_text(done['stdout'], done['stderr'])}")
        return done["stdout"]
