"""Ansible action: bring a folder from a host to the controller, whole or not at all.

Arguments:

- src: folder on the host.
- dest: folder on the controller, made if missing. Files of the same name are replaced.
- stop_unit (optional): systemd units that write into src, by name or pattern. They are ended first.
- clock (optional): name of the host in dest/clock.json, which has the offset of the host's clock from the controller's.
- hidden (optional): secrets that no log may show, each in base64. They are hidden in the gathered files *.log.

The folder is sent as one archive over the existing connection, because one transfer for each file would cost a second
of every cell. The archive stays in src until the next collection replaces it.

clock.json: {"schema": 1, "hosts": {name: {"offset_seconds": host minus controller, "bound_seconds": the true offset
lies at most that far from it}}}. It needs no extra round trip: the host prints the time before and after it packs.

Only plain files and folders are gathered. A scenario may make others in its working folder, such as a link to its
newest log. They are left on the host, and named in the result and in dest/not-gathered.json: {"schema": 1, "hosts":
{name: {"count", "members": the first names, each with its kind}}}.
"""

from __future__ import annotations

import shlex
import tarfile
import tempfile
import time
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from swarmsweep.errors import LabError
from swarmsweep.files import read_json, write_json
from swarmsweep.lab import preflight
from swarmsweep.shared.hidden_text import forms_of_encoded, hide_in_file

ARCHIVE = ".gather.tar"
NOW = "date +%s.%N"
NOT_GATHERED = "not-gathered.json"
MAX_NAMED = 20  # a scenario may make any number
KINDS = (
    ("symbolic link", tarfile.TarInfo.issym),
    ("hard link", tarfile.TarInfo.islnk),
    ("pipe", tarfile.TarInfo.isfifo),
    ("device", tarfile.TarInfo.isdev),
)


def pack_command(src, stop_unit):
    """Return a shell command that prints the time, packs, and prints the time again."""
    stop = f"systemctl stop {shlex.quote(stop_unit)} 2> /dev/null; " if stop_unit else ""
    # The archive is not compressed: the connection is, and most files already are. It is readable by the user of the
    # connection, who may not be root. It lies inside the folder, where only root writes: in /tmp, any user could
    # prepare a link in its place.
    return (
        f"{NOW}; {stop}cd {shlex.quote(src)} && rm -f {ARCHIVE} && tar -cf {ARCHIVE} --exclude=./{ARCHIVE} . "
        f"&& chmod 0644 {ARCHIVE} && {NOW}"
    )


def clock_of(before, output, after):
    """Return {"offset_seconds", "bound_seconds"} of a host that printed both times, else None."""
    try:
        began, ended = (float(line) for line in output.split())
    except ValueError:
        return None
    # The time that the host took to pack is not part of the round trip.
    offset, bound = preflight.clock_offset(before, began, after - (ended - began))
    return {"offset_seconds": offset, "bound_seconds": bound}


def note_host(path, name, value):
    """Add one host to clock.json or not-gathered.json."""
    try:
        hosts = read_json(path)["hosts"]
    except (LabError, KeyError):
        hosts = {}
    write_json(path, {"schema": 1, "hosts": hosts | {name: value}})


def unpack(archive, dest):
    """Unpack plain files and folders below dest. Return {"count", "members"} of the other members, which are left out.

    (tarfile's own filter for this is newer than Debian 12's Python.)
    """
    count, members = 0, []
    with tarfile.open(archive) as content:
        for member in content:
            inside = Path(member.name)
            if inside.is_absolute() or ".." in inside.parts:
                raise tarfile.TarError(f"'{member.name}' is outside the requested folder")
            if member.isfile() or member.isdir():
                content.extract(member, dest, set_attrs=False)
                continue
            count += 1
            if len(members) < MAX_NAMED:
                kind = next((kind for kind, fits in KINDS if fits(member)), "no file")
                # A name may contain bytes that are not UTF-8.
                members.append(f"{inside} ({kind})".encode(errors="backslashreplace").decode())
    return {"count": count, "members": members}


def hide_in_logs(logs, secrets):
    """Hide secrets in these logs. If one cannot be rewritten, all are removed.

    Hosts hide them too. But a load host that was lost when its load ended has not done it, and it does not know the
    secrets of the API.
    """
    forms = forms_of_encoded(secrets)
    try:
        for log in logs:
            hide_in_file(log, forms)
    except OSError:
        for log in logs:
            log.unlink(missing_ok=True)
        raise


class ActionModule(ActionBase):
    """Packs on the host, fetches the archive and unpacks it."""

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
                left = unpack(archive.name, dest)
            hide_in_logs([path for path in dest.rglob("*.log") if path.is_file()], arguments.get("hidden") or [])
            clock = clock_of(before, packed["stdout"], after)
            if arguments.get("clock") and clock:
                note_host(dest / "clock.json", arguments["clock"], clock)
            if left["count"]:
                note_host(dest / NOT_GATHERED, arguments.get("clock", src), left)
        except (OSError, tarfile.TarError) as error:
            raise AnsibleActionFail(f"could not unpack {src} into {dest}: {error}") from None
        return result | {"changed": False, "not_gathered": left} | (clock or {})
