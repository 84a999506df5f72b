"""The output on the current cell of a sweep: the line that moves, the one line at its end, and the times of its tasks.

It is imported in every playbook, so it imports nothing that takes long.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmsweep.files import write_atomically
from swarmsweep.units import format_seconds

if TYPE_CHECKING:
    from swarmsweep.report.progress import Progress

# The name of a task as Ansible has it: its role, the file of the role, and what it does.
_NAMED = re.compile(r"(?:(?P<role>.*) : )?(?P<file>\w+) \| ")
# The phases are the files of the role bench_cell. What another role does for one of them is a part of it.
_PHASE_OF_ROLE = {"api_stack": "deploy"}


@dataclass
class CurrentCell:
    """The step that runs now: its cell, its start, and the times of its tasks.

    Args:
        step: a step of the plan, as the playbook has it.
        started: seconds of a monotonic clock.
    """

    step: Mapping[str, Any]
    started: float = field(default_factory=time.monotonic)
    phase: str = "start"
    tasks: list[dict[str, Any]] = field(default_factory=list)
    open: dict[str, tuple[str, float, float]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int, bool]:
        return self.step["cell_id"], self.step["attempt"], bool(self.step.get("again"))

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def begin(self, task: str, name: str) -> None:
        """Note that a task begins. A name such as 'bench_cell : Load | Start Locust' contains the phase."""
        name = name.strip()
        if match := _NAMED.match(name):
            self.phase = _PHASE_OF_ROLE.get(match["role"] or "", match["file"].lower())
        self.open[task] = (name, time.time(), time.monotonic())

    def end(self, task: str) -> None:
        """Note that a task has a result. On a second host, or without a start, this changes nothing."""
        if begun := self.open.pop(task, None):
            name, started, since = begun
            seconds = round(time.monotonic() - since, 4)
            self.tasks.append({"name": name, "started": round(started, 4), "seconds": seconds})

    def keep_times(self) -> None:
        """Write the times of the tasks to tasks.jsonl of the attempt's folder, if it left one."""
        folder = Path(self.step["folder"])
        if self.tasks and folder.is_dir():
            write_atomically(folder / "tasks.jsonl", "".join(f"{json.dumps(task)}\n" for task in self.tasks))

    def at_work(self, progress: Progress | None) -> str:
        """The line that moves: 'measuring r1-c0.5: load, 12 s of about 30 s'."""
        whole = progress.expected_seconds(dict(self.step)) if progress else self.step["load_seconds"]
        return f"measuring {self.step['cell_id']}: {self.phase}, {self.seconds:.0f} s of about {whole:.0f} s"

    def line(self, sentence: str, progress: Progress | None, now: datetime) -> str:
        """The one line of a judged cell: '2/8 r1-c0.5: valid, 412 requests/s, ...; 3 min left, until 18:40'.

        Args:
            sentence: the outcome, for a cell on which ``progress`` knows nothing.
            progress: the pass over the steps. It records that this step has ended.
            now: local time.
        """
        again = "again " if self.step.get("again") else ""
        begun = f"{again}{self.step['position']}/{self.step['of']} {self.step['cell_id']}: "
        if progress is None:
            return begun + sentence
        outcome = progress.end(dict(self.step), self.seconds) or sentence
        left = progress.left_seconds()
        return begun + outcome + (f"; {time_left(left, now)}" if left else "")


def time_left(seconds: float, now: datetime) -> str:
    """As '12 min 30 s left, until 18:40'; with the day of the week when that is not today."""
    end = now + timedelta(seconds=seconds)
    return f"{format_seconds(seconds)} left, until {end:{'%H:%M' if end.date() == now.date() else '%a %H:%M'}}"
