"""How many processes of a container serve a TCP port, by the sockets that they hold.

A process serves the port if it holds a connection to it, or a socket that listens on it. Two kinds hold such a socket
without serving, and are left out:

- a supervisor, which has no connection, and whose descendants hold sockets of the port (uvicorn --workers, gunicorn);
- a helper, which has no connection, and which a process with connections has forked (a pool of a serving process).

Processes without such a socket (a shell, an init, a resource tracker) do not count. In a node cluster, a worker counts
while it has a connection, because its primary alone holds the socket that listens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sampler.cgroups import ContainerCgroup
from sampler.kernel_files import read_text

# States of /proc/net/tcp (include/net/tcp_states.h): established, and closed by the other side.
CONNECTED = ("01", "08")
LISTENING = "0A"


def pids_of(cgroup: ContainerCgroup) -> list[int]:
    """The processes of a container, as this process sees them; empty when it has gone."""
    for directory in (cgroup.unified, cgroup.memory, cgroup.cpuacct, cgroup.cpu):
        pids = (read_text(directory / "cgroup.procs") or "").split() if directory is not None else []
        if pids:
            # 0 is a process of a namespace that cannot be seen from here.
            return [int(pid) for pid in pids if pid != "0"]
    return []


def count_servers(pids: Iterable[int], proc: Path, port: int) -> int | None:
    """The number of these processes that serve `port`; None where no socket of it is found.

    All of them must be in one network namespace, as those of a container are.
    """
    known = list(pids)
    listening, connected = sockets_of(known, proc, port)
    held = {pid: set(socket_inodes(proc / str(pid) / "fd")) for pid in known}
    clients = {pid for pid, inodes in held.items() if inodes & connected}
    waiting = {pid for pid, inodes in held.items() if inodes & listening} - clients
    parents = {pid: parent_of(proc, pid) for pid in known}
    supervisors = {above for pid in clients | waiting for above in ancestors(pid, parents)}
    helpers = {pid for pid in waiting if clients.intersection(ancestors(pid, parents))}
    return len(clients | (waiting - supervisors - helpers)) or None


def sockets_of(pids: Iterable[int], proc: Path, port: int) -> tuple[set[str], set[str]]:
    """Inodes of the sockets that listen on `port`, and of connections to it, in the namespace of these processes."""
    listening, connected = set(), set()
    for pid in pids:
        tables = [read_text(proc / str(pid) / "net" / name) for name in ("tcp", "tcp6")]
        if tables == [None, None]:
            # This process has ended; another one shows the same tables.
            continue
        for line in "".join(table or "" for table in tables).splitlines():
            fields = line.split()
            if len(fields) < 10 or fields[1].rpartition(":")[2] != f"{port:04X}":
                continue
            if fields[3] == LISTENING:
                listening.add(fields[9])
            elif fields[3] in CONNECTED:
                connected.add(fields[9])
        break
    return listening, connected


def socket_inodes(directory: Path) -> Iterator[str]:
    """Inodes of the sockets among the open files of a process; none when it has ended."""
    try:
        links = list(directory.iterdir())
    except OSError:
        return
    for link in links:
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


def parent_of(proc: Path, pid: int) -> int | None:
    """The parent of a process; None when it has ended."""
    # The name of the program, in parentheses, may hold anything.
    fields = (read_text(proc / str(pid) / "stat") or "").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else None


def ancestors(pid: int, parents: Mapping[int, int | None]) -> Iterator[int]:
    """The ancestors of a process among the keys of `parents`, from its parent upwards."""
    seen = {pid}
    above = parents.get(pid)
    while above in parents and above not in seen:
        seen.add(above)
        yield above
        above = parents[above]
