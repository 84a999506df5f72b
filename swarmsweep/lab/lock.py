"""One sweep or retraining at a time in one lab: two at once would disturb each other's measurement."""

from __future__ import annotations

import fcntl
from pathlib import Path

from swarmsweep.errors import LabError


def started_at(pid: int, proc: Path = Path("/proc")) -> str | None:
    """Start of a process in clock ticks since boot, or None when there is no such process.

    Number and start together identify a process, because numbers are reused (proc(5), field 22 of stat).
    """
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def acquire(path: Path | str, pid: int, proc: Path = Path("/proc")) -> None:
    """Take the lock for a process. It is free again when that process has ended, for any reason.

    Raises:
        LabError: a living process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = f"{pid} {started_at(pid, proc)}\n"
    with path.open("a+", encoding="utf-8", errors="replace") as file:
        # Held from reading to writing, so that only one of several processes that find a dead holder gets the lock. All
        # of them lock the same file, because it is never removed. The kernel releases the lock with the file, also when
        # this process dies.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        refuse_living(path, file.read(), mine, proc)
        file.truncate(0)
        file.write(mine)


def holder(path: Path | str, proc: Path = Path("/proc")) -> int | None:
    """The process that holds the lock, or None when none does."""
    try:
        return _living(Path(path).read_text(encoding="utf-8", errors="replace"), proc)
    except FileNotFoundError:
        return None


def _living(held: str, proc: Path) -> int | None:
    number, _, start = held.strip().partition(" ")
    return int(number) if number.isdigit() and started_at(int(number), proc) == start else None


def refuse_living(path: Path, held: str, mine: str, proc: Path) -> None:
    """Raise when the process named in the lock still runs and is not the caller."""
    number = _living(held, proc)
    if held != mine and number is not None:
        raise LabError(
            f"{path}: a sweep or a retraining of this lab is already running (process {number}). "
            f"Wait for it, or end it with: kill {number} && ./lab stop"
        )
