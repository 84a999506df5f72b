"""Processes of this machine, each known by its number and its start together, because numbers are reused."""

from __future__ import annotations

from pathlib import Path

from swarmsweep.errors import LabError


def started_at(pid: int, proc: Path = Path("/proc")) -> str | None:
    """Start of a process in clock ticks since boot, or None when there is no such process, or it has ended.

    It is field 22 of its file stat, and its state is field 3 (proc(5)).
    """
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    # A process that has ended is listed until its parent waits for it. In a container without init, that may be never.
    return None if fields[0] in ("Z", "X") else fields[19]


def this_place(proc: Path = Path("/proc")) -> str:
    """Where numbers of processes are those of this process: this boot of the kernel, and this process namespace."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(proc / 'self/ns/pid').readlink()}"
    except OSError as error:
        raise LabError(
            f"{error.filename}: cannot be read: {error.strerror}. ./lab needs Linux on this machine"
        ) from None
