"""Ansible action: bring a folder from a host to the controller, whole or not at all.

Arguments: src (folder on the host), dest (folder on the controller, made when missing; files of the same name are
replaced). One archive over the connection there is: a transfer per file would cost a second of every cell.
"""

from __future__ import annotations

import shlex
import tarfile
import tempfile
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


def unpack(archive, dest):
    """Plain files and folders below dest. (tarfile's own filter for this is younger than Debian 12's Python.)"""
    with tarfile.open(archive) as content:
        for member in content:
            inside = Path(member.name)
            if inside.is_absolute() or ".." in inside.parts or not (member.isfile() or member.isdir()):
                raise tarfile.TarError(f"'{member.name}' is neither a file nor a folder below the one asked for")
            content.extract(member, dest, set_attrs=False)


class ActionModule(ActionBase):
    """Packs on the host, fetches, unpacks."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        src, dest = self._task.args["src"].rstrip("/"), Path(self._task.args["dest"])
        # Beside the folder, where only root writes: in /tmp anybody could lay a trap under a name known before.
        remote = f"{src}.tar.gz"
        quoted = shlex.quote(remote)
        # Readable by the user of the connection, who may not be the one that became root.
        packed = self._low_level_execute_command(
            f"cd {shlex.quote(src)} && rm -f {quoted} && tar -czf {quoted} . && chmod 0644 {quoted}"
        )
        if packed["rc"] != 0:
            self._low_level_execute_command(f"rm -f {quoted}")
            raise AnsibleActionFail(f"could not pack {src}: {packed['stderr'].strip() or packed['stdout'].strip()}")
        try:
            dest.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=dest, prefix=".gather-", suffix=".tar.gz") as archive:
                self._connection.fetch_file(remote, archive.name)
                unpack(archive.name, dest)
        except (OSError, tarfile.TarError) as error:
            raise AnsibleActionFail(f"could not unpack {src} into {dest}: {error}") from error
        finally:
            self._low_level_execute_command(f"rm -f {quoted}")
        return result | {"changed": False}
