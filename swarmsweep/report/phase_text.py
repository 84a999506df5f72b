"""The output of a playbook: a line for each phase, a status line while a phase takes long, and the last line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from swarmsweep.units import format_seconds

# Without a terminal: seconds without a line before the first sign of life. Each further one waits twice as long. Ten
# minutes are thus two lines.
HEARTBEAT_SECONDS = 120.0
# A phase that goes on after another one, for less than this and without a change, has no second line.
CONTINUED_SECONDS = 10.0
# Variable of a play, task or include with the phase of its tasks. In a role, its name begins with the role's name.
_PHASE = re.compile(r"(__\w+_)?phase")
# The number of hosts that a line names; for more hosts, it gives their number.
NAMED_HOSTS = 3


def on_hosts(hosts: Sequence[str]) -> str:
    """['a', 'b'] -> ' on a, b'. The controller is not named: most of its phases run on it alone."""
    others = sorted(host for host in hosts if host != "localhost")
    if not others:
        return ""
    return f" on {', '.join(others)}" if len(others) <= NAMED_HOSTS else f" on {len(others)} hosts"


@dataclass
class Phase:
    """A part of a playbook that has a name: what it did, and since when.

    Args:
        name: a verb phrase.
        since: seconds of a monotonic clock.
        continued: it had a line before.
    """

    name: str
    since: float
    continued: bool = False
    hosts: tuple[str, ...] = ()
    tasks: int = 0
    changed: int = 0
    failed: bool = False
    task: str = ""

    def count(self, host: str, *, changed: bool = False) -> None:
        """A task has a result on a host."""
        self.tasks += 1
        self.changed += changed
        if host not in self.hosts:
            self.hosts = (*self.hosts, host)

    def has_line(self, now: float) -> bool:
        """Whether it did anything that a line should show."""
        short = self.continued and not self.changed and now - self.since < CONTINUED_SECONDS
        return self.failed or (self.tasks > 0 and not short)

    def line(self, now: float, *, interrupted: bool = False, check: bool = False) -> str:
        """The line that stays: '  Install Docker on lab-api ... 41 s, 3 changed'."""
        seconds = format_seconds(now - self.since)
        begun = f"  {self.name}{on_hosts(self.hosts)} ..."
        if interrupted or self.failed:
            return f"{begun} {'interrupted' if interrupted else 'failed'} after {seconds}"
        return f"{begun} {seconds}{', ' + changes(self.changed, check) if self.changed else ''}"

    def at_work(self, now: float) -> str:
        """The line that moves, or repeats: '  Install Docker ... 12 s: Read the package lists'."""
        task = "" if self.task == self.name or not self.task else f": {self.task}"
        return f"  {self.name} ... {format_seconds(now - self.since)}{task}"


def changes(number: int, check: bool) -> str:
    """'3 changed'; with ``--check`` '3 would change'."""
    return f"{number} {'would change' if check else 'changed'}"


def phase_in(variables: Mapping[str, object]) -> str | None:
    """The name of a phase among variables. A role's phase has priority over the playbook's."""
    names = {name: value for name, value in variables.items() if _PHASE.fullmatch(name) and isinstance(value, str)}
    return names[max(names, key=len)] if names else None


def short_task(name: str) -> str:
    """'docker_engine : Base | Pull it' -> 'Pull it': without the role and the file, which the phase already names."""
    return name.rpartition(" : ")[2].rpartition(" | ")[2]


def last_line(
    seconds: float, *, tasks: int, changed: int, check: bool = False, failed: Sequence[str] = (), warnings: int = 0
) -> str:
    """The whole playbook: 'done in 3 min 2 s: 76 tasks, 12 changed'.

    Args:
        seconds: that it took.
        tasks: those that ran, counted once for each host.
        changed: those of them that changed something.
        check: nothing was changed, as with ``--check``.
        failed: hosts on which a task failed, or that could not be reached.
        warnings: those that were not shown.
    """
    verb = f"failed{on_hosts(failed)} after" if failed else "done in"
    parts = [f"{tasks} {'task' if tasks == 1 else 'tasks'}", changes(changed, check)]
    if warnings:
        parts.append(f"{warnings} more {'warning' if warnings == 1 else 'warnings'} in the log")
    return f"{verb} {format_seconds(seconds)}: {', '.join(parts)}"


def heartbeat_due(quiet_seconds: float, beats: int) -> bool:
    """Whether a sign of life is due, after this many seconds without a line and ``beats`` earlier signs."""
    return quiet_seconds >= HEARTBEAT_SECONDS * (2.0 ** (beats + 1) - 1)
