"""One sweep at a time in one lab: two would measure each other."""

from __future__ import annotations

import os
from pathlib import Path

from swarmsweep.errors import LabError


def started_at(pid: int, proc: Path = Path("/proc")) -> str | None:
    """Start of a process in clock ticks since boot, or None when there is no such process.

    With the number it names a process for good: numbers are given out again (proc(5), field 22 of stat).
    """
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def take(path: Path | str, pid: int, proc: Path = Path("/proc")) -> None:
    """Take the lock for a process. It is free again when that process has ended, however it ended.

    Raises:
        LabError: a living process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = f"{pid} {started_at(pid, proc)}\n"
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(mine, encoding="utf-8")
    try:
        for _ in range(2):
            try:
                # A hard link fails when the name is taken, and then shows the whole content at once.
                os.link(draft, path)
                return
            except FileExistsError:
                refuse_living(path, mine, proc)
                path.unlink(missing_ok=True)
        raise LabError(f"{path}: another sweep took the lock this very moment; start again when it has ended")
    finally:
        draft.unlink(missing_ok=True)


def refuse_living(path: Path, mine: str, proc: Path) -> None:
    """Raise when the process that the lock file names still runs and is not the one that asks."""
    held = path.read_text(encoding="utf-8")
    number, _, start = held.strip().partition(" ")
    if held != mine and number.isdigit() and started_at(int(number), proc) == start:
        raise LabError(
            f"{path}: a sweep of this lab is running already (process {number}). "
            f"Wait for it, or end it: kill {number}; ./lab stop"
        )
