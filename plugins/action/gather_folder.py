"""Ansible action: bring a folder from a host to the controller, whole or not at all.

Arguments: src (folder on the host), dest (folder on the controller, made when missing; files of the same name are
replaced), stop_unit (optional: systemd units that write into src, by name or pattern, ended first), clock (optional:
the name under which dest/clock.json tells how far the host's clock is from the controller's). One archive over the
connection there is: a transfer per file would cost a second of every cell. The archive stays in src; whoever fills
that again makes it anew.

clock.json: {"schema": 1, "hosts": {name: {"offset_seconds": host minus controller, "bound_seconds": the true offset
lies at most that far from it}}}. It costs no question of its own: the host says when it began and ended to pack.
"""

from __future__ import annotations

import shlex
import tarfile
import tempfile
import time
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep import preflight
from swarmsweep.errors import LabError
from swarmsweep.files import read_json, write_json

ARCHIVE = ".gather.tar"
NOW = "date +%s.%N"


def pack_command(src, stop_unit):
    """For a shell: the time, the archive, the time."""
    stop = f"systemctl stop {shlex.quote(stop_unit)} 2> /dev/null; " if stop_unit else ""
    # Not compressed: the connection is, and most of it is already. Readable by the user of the connection, who may not
    # be the one that became root. Inside the folder, where only root writes: in /tmp anybody could lay a trap.
    return (
        f"{NOW}; {stop}cd {shlex.quote(src)} && rm -f {ARCHIVE} && tar -cf {ARCHIVE} --exclude=./{ARCHIVE} . "
        f"&& chmod 0644 {ARCHIVE} && {NOW}"
    )


def clock_of(before, said, after):
    """{"offset_seconds", "bound_seconds"} of a host that said when it began and ended; None when it did not."""
    try:
        began, ended = (float(line) for line in said.split())
    except ValueError:
        return None
    # What the host took in between is no part of the way there and back.
    offset, bound = preflight.clock_offset(before, began, after - (ended - began))
    return {"offset_seconds": offset, "bound_seconds": bound}


def note_clock(path, name, clock):
    """Add one host to clock.json."""
    try:
        hosts = read_json(path)["hosts"]
    except (LabError, KeyError):
        hosts = {}
    write_json(path, {"schema": 1, "hosts": hosts | {name: clock}})


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
        arguments = self._task.args
        src, dest = arguments["src"].rstrip("/"), Path(arguments["dest"])
        before = time.time()
        packed = self._low_level_execute_command(pack_command(src, arguments.get("stop_unit")))
        after = time.time()
        if packed["rc"] != 0:
            raise AnsibleActionFail(f"could not pack {src}: {packed['stderr'].strip() or packed['stdout'].strip()}")
        try:
            dest.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=dest, prefix=".gather-", suffix=".tar") as archive:
                self._connection.fetch_file(f"{src}/{ARCHIVE}", archive.name)
                unpack(archive.name, dest)
            clock = clock_of(before, packed["stdout"], after)
            if arguments.get("clock") and clock:
                note_clock(dest / "clock.json", arguments["clock"], clock)
        except (OSError, tarfile.TarError) as error:
            raise AnsibleActionFail(f"could not unpack {src} into {dest}: {error}") from error
        return result | {"changed": False} | (clock or {})
