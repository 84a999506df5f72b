"""Who holds the lock of a lab: one command that changes or measures it, from whichever clone or controller.

The Swarm manager has the lock, a file that names its holder. The file's time of change is the last renewal. The
lock ends with its holder: at once where the process can be seen, else when the lease is over. The clone has a lock of
its own with the same content (see `lock`), which needs no host.
"""

from __future__ import annotations

import getpass
import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from swarmsweep.errors import LabError
from swarmsweep.lab.lab_command import commands_like, further_inventories
from swarmsweep.lab.mask_secrets import restorable, storable
from swarmsweep.lab.processes import started_at, this_place
from swarmsweep.lab.repeated_arguments import note_on_hidden
from swarmsweep.record_file import Amount, Count
from swarmsweep.units import format_seconds

# Seconds without a renewal after which the lock of another controller counts as left behind. A sweep renews its lock
# with each attempt, other commands at their beginning alone. `./lab site` takes minutes, with slow downloads an hour.
LEASE_SECONDS = 3600.0
# Seconds that an attempt takes beside its load and the wait for the API: uploads, gathering, a busy host.
ATTEMPT_MARGIN_SECONDS = 1800.0
UNLOCK = "./lab stop --unlock"


class Holder(Struct, frozen=True, kw_only=True):
    """The process that holds a lock.

    ``since`` is in epoch seconds. ``place`` is the kernel and the process namespace in which the number of the process
    is valid, and ``started`` its start in clock ticks. ``where`` is user, computer and folder, for a person.
    """

    command: str
    run: str | None
    since: Amount
    lease_seconds: Amount
    place: str
    process: Count
    started: str
    where: str

    def is_same(self, other: Holder) -> bool:
        """Whether it is the same process, whatever it does now."""
        return (self.place, self.process, self.started) == (other.place, other.process, other.started)

    def text(self) -> str:
        """One line for the file, without characters that a shell or a locale could change."""
        return json.dumps(msgspec.to_builtins(self), sort_keys=True)

    def words(self) -> str:
        """What it does, since when, and where."""
        run = f"run {Path(self.run).name}, " if self.run else ""
        moment = f"{datetime.fromtimestamp(self.since, UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"`{self.command}` ({run}since {moment}, process {self.process} of {self.where})"


@dataclass(frozen=True)
class Finding:
    """``state``: free, mine, held or stale. ``sentence``: for held the refusal, for stale what is replaced.

    ``holder``: None where the lock is free or cannot be read.
    """

    state: str
    sentence: str = ""
    holder: Holder | None = None


def holder_of(process: int, argv: Sequence[str], folder: Path, now: float, run: str | None = None) -> Holder:
    """The holder for a process of this machine, with its command line and the folder of its clone.

    Raises:
        LabError: there is no such process.
    """
    started = started_at(process)
    if started is None:
        raise LabError(f"process {process} has ended, so it cannot lock the lab")
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return Holder(
        command=storable(argv),
        run=run,
        since=round(now),
        lease_seconds=LEASE_SECONDS,
        place=this_place(),
        process=process,
        started=started,
        where=f"{user}@{os.uname().nodename}:{folder}",
    )


def read_holder(text: str) -> Holder | None:
    """Who holds a lock with this content. None: it cannot be read."""
    try:
        holder = msgspec.json.decode(text, type=Holder)
        # Every sentence has these words. A time may be beyond the calendar.
        holder.words()
    except (msgspec.DecodeError, ValueError, OverflowError, OSError):
        return None
    return holder


def judge(text: str, age_seconds: float, mine: Holder) -> Finding:
    """What the content of a lock means for ``mine``, the process that asks.

    Args:
        text: of the file; empty when no process holds the lock.
        age_seconds: since its last renewal, by the clock of the host.
        mine: a process of this machine.
    """
    if not text.strip():
        return Finding("free")
    holder = read_holder(text)
    if holder is None:
        # Another version may have written it, and may still run.
        if age_seconds >= LEASE_SECONDS:
            return Finding("stale", "A lock that cannot be read was left behind, so it was replaced.")
        return Finding("held", _unreadable(age_seconds))
    if holder.is_same(mine):
        return Finding("mine", holder=holder)
    is_near = holder.place == mine.place
    left_behind = f"A lock was left behind, so it was replaced: {holder.words()}."
    if is_near and started_at(holder.process) != holder.started:
        return Finding("stale", f"{left_behind} That process has ended.", holder)
    if not is_near and age_seconds >= holder.lease_seconds:
        silence = format_seconds(age_seconds)
        return Finding("stale", f"{left_behind} The lock was last renewed {silence} ago.", holder)
    return Finding("held", _refusal(holder, age_seconds, is_near=is_near), holder)


def _unreadable(age_seconds: float) -> str:
    return (
        "Another command may use this lab: its lock cannot be read. Another version of swarmsweep wrote it, or it is "
        f"damaged. Nothing was changed. It ends in {format_seconds(LEASE_SECONDS - age_seconds)}.\n"
        f"If no command uses the lab, free it with: {UNLOCK}"
    )


def _refusal(holder: Holder, age_seconds: float, *, is_near: bool) -> str:
    place, stop = ("", "./lab stop") if is_near else (" there", _stop_there(holder))
    sentences = [
        f"Another command uses this lab: {holder.words()}. Nothing was changed.",
        f"Wait for it, or end it{place} with: kill {holder.process} && {stop}",
    ]
    if not is_near:
        sentences += [
            f"The lock was last renewed {format_seconds(max(age_seconds, 0))} ago.",
            f"If it is not renewed, the lock ends in {format_seconds(holder.lease_seconds - age_seconds)}.",
            f"If the command no longer runs there, free the lab with: {UNLOCK}",
        ]
    return "\n".join(sentences)


def _stop_there(holder: Holder) -> str:
    """The command that ends a load from the other controller, which has the inventory of its command.

    The default one is named too, because the callback adds the inventory of this command where a command has none.
    """
    inventories = commands_like(shlex.split(restorable(holder.command))).inventories
    command = f"LAB_INVENTORY={shlex.quote(inventories[0])} ./lab stop{further_inventories(inventories)}"
    return command + note_on_hidden(command)


def loss(finding: Finding) -> str:
    """Why a command that held the lock must stop, from what the lock says now."""
    if finding.holder is not None:
        cause = f"{finding.holder.words()} took its lock"
    else:
        cause = "its lock was freed" if finding.state == "free" else "another command took its lock"
    return (
        f"This command no longer has the lab: {cause}. It stopped before it changed anything else. A lock that is "
        "not renewed before its lease ends can be taken, for example while the controller is suspended. "
        f"`{UNLOCK}` frees a lock at once."
    )


def lease_of(load_seconds: Sequence[float], ready_timeout_seconds: float) -> float:
    """Seconds without a renewal that a sweep with these loads may need."""
    return max(LEASE_SECONDS, max(load_seconds, default=0.0) + ready_timeout_seconds + ATTEMPT_MARGIN_SECONDS)
