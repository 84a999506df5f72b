"""How many processes of a container serve a TCP port, by the sockets that they hold.

A process serves the port if it holds a connection to it, or a socket that listens on it. A process that was
seen with a connection of its own serves until it ends. Three kinds hold such a socket without
serving, and are left out:

- a supervisor, which has no connection, and whose descendants hold sockets of the port (uvicorn --workers, gunicorn);
- a helper, which has no connection, and which a serving process has forked (a pool of a serving process);
- a helper that has inherited connections: those that a descendant of a serving process holds when it is first seen,
  together with the socket that listens.

A process with a listening socket also serves if a process of the same parent does.

Processes without such a socket (a shell, an init, a resource tracker) do not count. In a node cluster, a worker counts
from its first connection, because its primary alone holds the socket that listens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sampler.cgroups import ContainerCgroup
from sampler.kernel_files import read_text

# States of /proc/net/tcp (include/net/tcp_states.h). A connection that the other side has closed is no evidence: if a
# serving process has forked another one meanwhile, that one keeps it without end.
ESTABLISHED, LISTENING = "01", "0A"
# So much of a table of connections is read: about 3400 lines, or 20 ms. The kernel lists sockets that listen first. A
# server that closes its connections leaves tens of thousands of lines for a minute. To read them all would take so much
# CPU time that a short window had no count. Until the table is that long, a few counts have shown what serves.
TABLE_BYTES = 512 * 1024
# One line: its number, the own address with the port, the other one, the state, four fields, and the inode.
LINE = r"^ *\d+: [0-9A-F]+:%(port)s [0-9A-F:]+ (%(states)s) (?:\S+ +){5}(\d+) "
SOCKET = "socket:["
# A process that has ended and was not waited for, in /proc/<pid>/stat.
ENDED = (b"Z", b"X")


class Counted(NamedTuple):
    """The processes of a container.

    `servers` serve the port; None where no socket of it is found, or where a process cannot be read. `settled` is the
    number of processes that were there at the count before, too; None at the first count. Programs that a request
    starts end sooner, so they are not among them.
    """

    servers: int | None
    settled: int | None


class Process(NamedTuple):
    """A process. Its id may be reused, but not together with its start."""

    pid: int
    start_ticks: int
    parent: int


class ServerCount:
    """Counts the processes of one container that serve `port`, several times."""

    def __init__(self, proc: Path, port: int) -> None:
        self.proc, self.port = proc, port
        # The processes of the last count, each with the sockets that it may have inherited from a serving process.
        self.inherited: dict[Process, set[str]] = {}
        # Those of them that have got a connection of their own.
        self.served: set[Process] = set()

    def count(self, pids: Iterable[int]) -> Counted:
        """Count these processes. All must be in one network namespace, as those of a container are."""
        found = (read_process(self.proc, pid) for pid in pids)
        processes = [process for process in found if process is not None]
        parents = {process.pid: process.parent for process in processes}
        above = {pid: tuple(ancestors(pid, parents)) for pid in parents}
        # A process comes after its ancestors, also if both began in one tick.
        processes.sort(key=lambda process: (process.start_ticks, len(above[process.pid])))
        settled = sum(process in self.inherited for process in processes) if self.inherited else None
        # A connection may last shorter than the table is read, so what is held is read before and after.
        before = self.held(processes)
        listening, connected = sockets_of(self.proc, [process.pid for process in processes], self.port)
        after = self.held(processes)
        sockets = {pid: inodes | after[pid] for pid, inodes in before.items() if pid in after}
        active = self.active(processes, above, sockets, listening, connected)
        if len(sockets) < len(processes):
            return Counted(None, settled)
        waiting = {pid for pid, inodes in sockets.items() if inodes & listening}
        # The workers of one supervisor are alike, and short connections to some of them may never be seen.
        families = {parents[pid] for pid in active & waiting} & parents.keys()
        active |= {pid for pid in waiting if parents[pid] in families}
        waiting -= active
        supervisors = {pid for below in active | waiting for pid in above[below]}
        helpers = {pid for pid in waiting if active.intersection(above[pid])}
        return Counted(len(active | (waiting - supervisors - helpers)) or None, settled)

    def held(self, processes: Iterable[Process]) -> dict[int, set[str]]:
        """The sockets of each process that can be read."""
        held = {process.pid: held_sockets(self.proc / str(process.pid) / "fd") for process in processes}
        return {pid: inodes for pid, inodes in held.items() if inodes is not None}

    def active(
        self,
        processes: Sequence[Process],
        above: Mapping[int, Sequence[int]],
        sockets: Mapping[int, set[str]],
        listening: set[str],
        connected: set[str],
    ) -> set[int]:
        """Processes with a connection of their own, now or earlier. The oldest of `processes` comes first."""
        known, self.inherited = self.inherited, {}
        self.served.intersection_update(processes)
        active: set[int] = set()
        serving = {process.pid for process in self.served}
        for process in processes:
            held = sockets.get(process.pid, set())
            inherited = known.get(process)
            if inherited is None:
                # A fork has the listening socket too. A worker of a node cluster gets connections alone.
                forked = held & listening and serving.intersection(above[process.pid])
                inherited = held if forked else set()
            self.inherited[process] = inherited
            if (held & connected) - inherited:
                active.add(process.pid)
                serving.add(process.pid)
                self.served.add(process)
        supervisors = {pid for below in active for pid in above[below]}
        for process in reversed(processes):
            # The primary of a node cluster accepts connections too, but it passes them on.
            if process in self.served and process.pid not in supervisors:
                active.add(process.pid)
                supervisors.update(above[process.pid])
        return active


def pids_of(cgroup: ContainerCgroup) -> list[int]:
    """The processes of a container, as this process sees them; empty when it has gone."""
    for directory in (cgroup.unified, cgroup.memory, cgroup.cpuacct, cgroup.cpu):
        pids = (read_text(directory / "cgroup.procs") or "").split() if directory is not None else []
        if pids:
            # 0 is a process of a namespace that cannot be seen from here.
            return [int(pid) for pid in pids if pid != "0"]
    return []


def sockets_of(proc: Path, pids: Iterable[int], port: int) -> tuple[set[str], set[str]]:
    """Inodes of the sockets that listen on `port`, and of connections to it, in the namespace of these processes."""
    line = re.compile(LINE % {"port": f"{port:04X}", "states": f"{ESTABLISHED}|{LISTENING}"}, re.MULTILINE)
    listening, connected = set(), set()
    for pid in pids:
        tables = [read_start(proc / str(pid) / "net" / name) for name in ("tcp", "tcp6")]
        if tables == [None, None]:
            # This process has ended; another one shows the same tables.
            continue
        for table in tables:
            for state, inode in line.findall(table or ""):
                (listening if state == LISTENING else connected).add(inode)
        break
    return listening, connected


def read_start(path: Path) -> str | None:
    """The first TABLE_BYTES of a kernel file; None when it cannot be read."""
    parts, length = [], 0
    try:
        with path.open("rb", buffering=0) as file:
            # The kernel returns a page at a time.
            while length < TABLE_BYTES and (part := file.read(TABLE_BYTES - length)):
                parts.append(part)
                length += len(part)
    except OSError:
        return None
    return b"".join(parts).decode("ascii", "replace")


def held_sockets(directory: Path) -> set[str] | None:
    """Inodes of the sockets among the open files of a process: none when it has ended, None when it is not readable."""
    try:
        links = list(directory.iterdir())
    except PermissionError:
        return None
    except OSError:
        return set()
    sockets = set()
    for link in links:
        with suppress(OSError):
            target = str(link.readlink())
            if target.startswith(SOCKET):
                sockets.add(target[len(SOCKET) : -1])
    return sockets


def read_process(proc: Path, pid: int) -> Process | None:
    """A process; None when it has ended."""
    try:
        stat = (proc / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name of the program, in parentheses, may hold anything, also bytes that are no text.
    fields = stat.rpartition(b")")[2].split()
    if len(fields) < 20 or fields[0] in ENDED:
        return None
    return Process(pid, int(fields[19]), int(fields[1]))


def ancestors(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    """The ancestors of a process among the keys of `parents`, from its parent upwards."""
    seen = {pid}
    above = parents.get(pid)
    while above in parents and above not in seen:
        seen.add(above)
        yield above
        above = parents[above]
