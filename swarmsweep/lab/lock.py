"""One command at a time that changes or measures a lab, in this clone: two at once would disturb each other.

This lock needs no host, so it is taken first. The one on the Swarm manager keeps other clones out (see `lock_holder`).
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from msgspec.structs import replace

from swarmsweep.errors import LabError
from swarmsweep.lab.lock_holder import Holder, judge, read_holder
from swarmsweep.lab.processes import started_at


def acquire(path: Path | str, mine: Holder) -> None:
    """Take the lock for a process. It is free again when that process has ended, for any reason.

    Raises:
        LabError: a living process holds it.
    """
    path = Path(path)
    # Keys and passwords of the lab are in the same folder.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+", encoding="utf-8", errors="replace") as file:
        # Held from reading to writing, so that only one of several processes that find a dead holder gets the lock. All
        # of them lock the same file, because it is never removed. The kernel releases the lock with the file, also when
        # this process dies.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        held = file.read()
        refuse_living(path, held, mine)
        before = judge(held.partition("\n")[2], 0, mine)
        if before.state == "mine" and before.holder is not None:
            mine = replace(mine, since=before.holder.since)
        file.truncate(0)
        file.write(f"{mine.process} {mine.started}\n{mine.text()}\n")


def refuse(path: Path | str, mine: Holder) -> None:
    """Raise when a living process other than ``mine`` holds the lock. Nothing is written."""
    refuse_living(Path(path), _read(path), mine)


def holder(path: Path | str, proc: Path = Path("/proc")) -> int | None:
    """The process that holds the lock, or None when none does."""
    return _living(_read(path), proc)


def running_sweep(locks: Path) -> Holder | None:
    """The sweep that began last, of those that hold a lock of this clone. ``locks``: the folder of its labs."""
    held = (_read(path) for path in locks.glob("*/sweep.lock"))
    holders = (read_holder(text.partition("\n")[2]) for text in held if _living(text) is not None)
    sweeps = [holder for holder in holders if holder is not None and _is_sweep(holder.command)]
    return max(sweeps, key=lambda sweep: sweep.since, default=None)


def _is_sweep(command: str) -> bool:
    # Not `-e sweep=sweeps/sweep.yml` of another command.
    return any("=" not in word and Path(word).name == "sweep.yml" for word in command.split())


def _read(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _living(held: str, proc: Path = Path("/proc")) -> int | None:
    number, _, start = held.partition("\n")[0].strip().partition(" ")
    return int(number) if number.isdigit() and started_at(int(number), proc) == start else None


def refuse_living(path: Path, held: str, mine: Holder) -> None:
    """Raise when the process named in the lock still runs and is not the caller."""
    number = _living(held)
    if number is None or number == mine.process:
        return
    # An earlier version wrote the process alone.
    finding = judge(held.partition("\n")[2], 0, mine)
    if finding.holder is not None:
        raise LabError(finding.sentence)
    raise LabError(
        f"{path}: a command that changes or measures this lab is already running (process {number}). "
        f"Wait for it, or end it with: kill {number} && ./lab stop"
    )
