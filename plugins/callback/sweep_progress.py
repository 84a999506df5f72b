"""Ansible's usual output, but for the cells of a sweep: one line for each, and in a terminal a line that moves."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from pathlib import Path

from ansible import constants
from ansible.plugins.callback.default import CallbackModule as Default

from swarmsweep.files import write_atomically

DOCUMENTATION = """
name: sweep_progress
type: stdout
short_description: one line for each cell of a sweep
description:
  - Plays print as with the default callback, except tasks that have C(sweep_step) as a loop variable. Of these only
    what failed is shown, and one line when the cell has been judged. With C(-v) everything is shown.
  - Keeps how long each task of a cell took, in C(tasks.jsonl) of the attempt's folder.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

# The loop variable of playbooks/sweep.yml.
STEP = "sweep_step"
REFRESH_SECONDS = 1.0
COLORS = {"valid": constants.COLOR_OK, "failed": constants.COLOR_CHANGED, "infeasible": constants.COLOR_CHANGED}


@dataclass
class Cell:
    """The current step: what it is, since when, and what its tasks took."""

    step: dict
    started: float = field(default_factory=time.monotonic)
    phase: str = "start"
    tasks: list[dict] = field(default_factory=list)
    open: dict[str, tuple[str, float, float]] = field(default_factory=dict)

    @property
    def key(self) -> tuple:
        return self.step["cell_id"], self.step["attempt"], bool(self.step.get("again"))

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def begin(self, task) -> None:
        """A task begins; names as 'bench_cell : Load | Start Locust' name the phase."""
        name = task.get_name().strip()
        if match := re.match(r"(?:.* : )?(\w+) \| ", name):
            self.phase = match[1].lower()
        self.open[task._uuid] = (name, time.time(), time.monotonic())

    def end(self, task) -> None:
        """A task has a result."""
        if begun := self.open.pop(task._uuid, None):
            name, started, since = begun
            seconds = round(time.monotonic() - since, 4)
            self.tasks.append({"name": name, "started": round(started, 4), "seconds": seconds})


class StatusLine:
    """A line of the terminal that is written over and over, and gives way to everything else that is printed."""

    def __init__(self, display) -> None:
        self.text = None
        self.shown = False
        self.lock = threading.RLock()
        self.stopped = threading.Event()
        self.process = os.getpid()
        self.print = display.display
        # Warnings of tasks are printed by Ansible itself, from another thread.
        display.display = self.give_way
        atexit.register(self.stop)
        threading.Thread(target=self.run, daemon=True).start()

    def give_way(self, *arguments, **options):
        """Ansible's own way to print, on a clean line."""
        # Tasks run in forks of this process. The status line belongs to the parent; in a fork its lock may stay locked.
        if os.getpid() != self.process:
            return self.print(*arguments, **options)
        with self.lock:
            self.wipe()
            return self.print(*arguments, **options)

    def run(self) -> None:
        """Once a second, until the end."""
        while not self.stopped.wait(REFRESH_SECONDS):
            with self.lock:
                if self.text and not self.stopped.is_set():
                    # A wrapped line could not be written over.
                    line = self.text()[: shutil.get_terminal_size().columns - 1]
                    self.write(f"\r{line}\x1b[K")
                    self.shown = True

    def show(self, text) -> None:
        """``text()`` is what to show from now on; None for nothing."""
        with self.lock:
            self.wipe()
            self.text = text

    def stop(self) -> None:
        """Nothing is shown any more."""
        if os.getpid() == self.process:
            self.stopped.set()
            self.show(None)

    def wipe(self) -> None:
        if self.shown:
            self.write("\r\x1b[K")
            self.shown = False

    def write(self, text: str) -> None:
        # Not through sys.stdout: a fork that is made meanwhile would print what it still holds once more.
        with contextlib.suppress(OSError):
            os.write(sys.stdout.fileno(), text.encode())


class CallbackModule(Default):
    """The default callback, silent about tasks of a cell that went well."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "sweep_progress"

    def __init__(self):
        super().__init__()
        self.cell = None
        self.progress = None
        terminal = sys.stdout.isatty() and not self._display.verbosity
        self.status = StatusLine(self._display) if terminal else None

    @property
    def silent(self) -> bool:
        return self.cell is not None and not self._display.verbosity

    # --- Where a cell begins and ends ---------------------------------------------------------------------------------

    def follow(self, task) -> None:
        """A task begins: of this cell, of the next one, or of no cell."""
        step = task.get_vars().get(STEP)
        cell = Cell(step) if isinstance(step, dict) and "cell_id" in step else None
        if cell is None or self.cell is None or cell.key != self.cell.key:
            self.leave()
            self.cell = cell
            if self.status and cell:
                self.status.show(self.now)
        if self.cell:
            self.cell.begin(task)

    def leave(self) -> None:
        """The cell is over: keep what its tasks took, where it left a folder."""
        if self.status:
            self.status.show(None)
        cell, self.cell = self.cell, None
        if cell and cell.tasks and Path(cell.step["folder"]).is_dir():
            lines = "".join(f"{json.dumps(task)}\n" for task in cell.tasks)
            write_atomically(Path(cell.step["folder"], "tasks.jsonl"), lines)

    def now(self) -> str:
        """The status line."""
        cell = self.cell
        if cell is None:
            return ""
        whole = self.progress.expected_seconds(cell.step) if self.progress else cell.step["load_seconds"]
        return f"measuring {cell.step['cell_id']}: {cell.phase}, {cell.seconds:.0f} s of about {whole:.0f} s"

    def take_in(self, result) -> None:
        """What the action of the sweep says: the steps of a pass, and that a cell has been judged."""
        if result.task.action != "sweep":
            return
        if self.cell is None and "steps" in result.result:
            # Here: it takes some 0.5 s, and most plays have no sweep.
            from swarmsweep.report.progress import Progress

            self.progress = Progress(result.result["run"], result.result["steps"], self.progress)
            # Each task runs in a fork of this process: numpy and pandas, which take a second, are in all of them then
            # and not imported anew to judge each cell.
            import_module("swarmsweep.results.measure")
            import_module("pandas")
        elif self.cell and "sentence" in result.result:
            self.say(result.result["status"], result.result["sentence"])

    def say(self, status: str, sentence: str) -> None:
        """The one line of a cell."""
        # Here for the same reason as in `take_in`.
        from swarmsweep.report.progress import time_left

        if self.status:
            self.status.show(None)
        step = self.cell.step
        again = "again " if step.get("again") else ""
        line = f"{again}{step['position']}/{step['of']} {step['cell_id']}: "
        if self.progress is None:
            line += sentence
        else:
            line += self.progress.end(step, self.cell.seconds) or sentence
            if left := self.progress.left_seconds():
                line += f"; {time_left(left, datetime.now())}"
        self._display.display(line, color=COLORS.get(status, constants.COLOR_WARN))
        sys.stdout.flush()

    # --- Events of Ansible --------------------------------------------------------------------------------------------

    def v2_playbook_on_play_start(self, play):
        self.leave()
        super().v2_playbook_on_play_start(play)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.follow(task)
        if self.silent:
            # What the default callback needs to name the task, should it fail.
            self._task_type_cache[task._uuid] = "TASK"
            self._last_task_name = task.get_name().strip()
        else:
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_include(self, included_file):
        if self._display.verbosity or STEP not in included_file._vars | included_file._task.get_vars():
            super().v2_playbook_on_include(included_file)

    def v2_runner_on_ok(self, result):
        self.end(result)
        if self.silent:
            self._handle_warnings_and_exception(result)
        else:
            super().v2_runner_on_ok(result)
        self.take_in(result)

    def v2_runner_item_on_ok(self, result):
        if self.silent:
            self._handle_warnings_and_exception(result)
        else:
            super().v2_runner_item_on_ok(result)

    def v2_runner_on_skipped(self, result):
        self.end(result)
        if not self.silent:
            super().v2_runner_on_skipped(result)

    def v2_runner_item_on_skipped(self, result):
        if not self.silent:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.end(result)
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result):
        self.end(result)
        super().v2_runner_on_unreachable(result)

    def v2_playbook_on_stats(self, stats):
        self.leave()
        if self.status:
            self.status.stop()
        super().v2_playbook_on_stats(stats)

    def end(self, result) -> None:
        if self.cell:
            self.cell.end(result.task)
