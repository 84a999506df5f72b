"""Prints one line for each phase and each cell, a line that moves, and a failure in a few lines."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import textwrap
import threading
import time
from datetime import datetime
from importlib import import_module
from multiprocessing import active_children
from pathlib import Path

from ansible import constants, context
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as Default

from swarmsweep.errors import LabError
from swarmsweep.lab.inventory_files import named_inventory
from swarmsweep.lab.lab_command import inventory_prefix, with_prefix
from swarmsweep.lab.repeated_arguments import note_on_hidden, repeated_arguments
from swarmsweep.markdown import one_line
from swarmsweep.report.cell_text import CurrentCell
from swarmsweep.report.failure_text import (
    failure_text,
    message_lines,
    next_command_of,
    next_step,
    repeat_command,
    shown_path,
    verb_of,
)
from swarmsweep.report.phase_text import Phase, last_line, phase_in, short_task
from swarmsweep.report.terminal import LogFile, Screen
from swarmsweep.report.warning_text import Warnings

DOCUMENTATION = """
name: lab_progress
type: stdout
short_description: one line for each phase, and for each cell of a sweep
description:
  - A phase is a play, or the tasks with one value of the variable C(phase), or in a role C(__ROLE_phase). Successive
    tasks with the same value are one phase. It is printed when it is over.
  - When a task fails, host, message and the next command are shown. All that the default callback prints goes to
    a log. With C(-v) it is shown instead.
  - Tasks with C(sweep_step) as a loop variable belong to a cell of a sweep. The cell gets one line when it has
    been judged. The seconds of its tasks are kept in C(tasks.jsonl) of the attempt's folder.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
options:
  log_directory:
    description: Folder of the logs.
    type: path
    default: .lab/log
    ini: [{section: callback_lab_progress, key: log_directory}]
    env: [{name: LAB_LOG_DIRECTORY}]
"""

# The loop variable of playbooks/sweep.yml.
STEP = "sweep_step"
COLORS = {"valid": constants.COLOR_OK, "failed": constants.COLOR_CHANGED, "infeasible": constants.COLOR_CHANGED}
# How a result or an error begins in the default callback. Other text, as the content of a file, stays as it is.
RESULTS = ("ok: ", "fatal: ", "failed: ", "[ERROR]: ")
# Actions that only check values, set facts or print a message.
WORDS = ("debug", "assert", "fail", "set_fact", "validate_argument_spec")


class Output:
    """Replaces the display's way to print. Everything goes to the log, and what a user reads also to the screen."""

    def __init__(self, display) -> None:
        self.quiet = not display.verbosity
        self.log = LogFile()
        self.warnings = Warnings()
        self.hidden = threading.local()
        # What comes before ./lab in commands, see `CallbackModule`.
        self.prefix = ""
        self.real = display
        self.untouched = display.display
        self.screen = Screen(self.untouched, moves=self.quiet and sys.stdout.isatty())
        # Ansible itself prints warnings of tasks, from another thread.
        display.display = self.display

    def display(self, msg, *arguments, screen_only=False, log_only=False, **options) -> None:
        """Replace Display.display."""
        if not self.screen.is_mine:
            self.untouched(msg, *arguments, screen_only=screen_only, log_only=log_only, **options)
            return
        if not screen_only:
            self.log.write(msg)
        # The quiet callback does so in its own lines.
        text = with_prefix(msg, self.prefix) if not self.quiet and msg.startswith(RESULTS) else msg
        if self.quiet and msg.startswith(("[WARNING]: ", "[DEPRECATION WARNING]: ")):
            text = self.warnings.shown(msg)
        if text is None or log_only or getattr(self.hidden, "now", False):
            self.untouched(msg, *arguments, log_only=True, **options)
        else:
            self.screen.print(text, *arguments, screen_only=screen_only, **options)


class LogDisplay:
    """The display of the default callback while its output goes to the log alone."""

    verbosity = 0

    def __init__(self, display, output: Output) -> None:
        self._display = display
        self._output = output

    def __getattr__(self, name):
        return getattr(self._display, name)

    def display(self, msg, *arguments, log_only=False, **options) -> None:
        """Do the same as Display.display, without the screen."""
        if not options.get("screen_only"):
            self._display.display(msg, *arguments, log_only=True, **options)

    def banner(self, msg, *arguments, **options) -> None:
        """Do the same as Display.banner, without stars."""
        self.display(msg)

    def _error(self, error, stderr) -> None:
        # The display formats the exception. Its text is also in the task's message.
        self._output.hidden.now = True
        try:
            self._display._error(error, stderr=stderr)
        finally:
            self._output.hidden.now = False


def is_rescued(task) -> bool:
    """Return whether a block around a task has a rescue, whose tasks explain the failure."""
    child, block = task, task._parent
    while block is not None:
        later = [*(getattr(block, "rescue", None) or ()), *(getattr(block, "always", None) or ())]
        if getattr(block, "rescue", None) and child._uuid not in {other._uuid for other in later}:
            return True
        child, block = block, block._parent
    return False


def short_action(result) -> str:
    """Return the module of a result, without its collection."""
    return result.task.action.rpartition(".")[2]


def end_workers() -> None:
    """End the processes of tasks that are left when Ansible ends. Python would wait for them without a limit.

    Ctrl-C ends them by a signal. It has no effect if it comes just before a worker waits for the output of a host.
    """
    for worker in active_children():
        worker.terminate()


class CallbackModule(Default):
    """The default callback, which prints to the log, with the lines for the user."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "lab_progress"

    def __init__(self):
        super().__init__()
        self.output = Output(self._display)
        self.screen = self.output.screen
        self.quiet = self.output.quiet
        atexit.register(end_workers)
        if self.quiet:
            self._display = LogDisplay(self._display, self.output)
            atexit.register(self.interrupted)
        self.started = time.monotonic()
        self.playbook = ""
        self.play = None
        self.phase: Phase | None = None
        # Names of the phases that have a line.
        self.phases: set[str] = set()
        self.cell: CurrentCell | None = None
        self.progress = None
        # progress.json of the run, which a thread writes.
        self.progress_file = None
        self.progress_over = threading.Event()
        self.ticker: threading.Thread | None = None
        # Message of the first failure, address of an unreachable host, the next command that the error has, and hosts.
        self.failure: tuple[list[str], str | None, str | None] | None = None
        self.failed: list[str] = []
        self.shown: set[tuple] = set()
        # What comes before ./lab in the commands that are printed. A role or a module does not know the inventory.
        self.prefix = inventory_prefix(self.inventories())
        self.output.prefix = self.prefix

    def inventories(self) -> list[str]:
        """Return the inventories as a user would type them here."""
        return [named_inventory(name) for name in context.CLIARGS["inventory"] or ()]

    def say(self, text: str, color: str | None = None) -> None:
        """Print a line that stays, and log it."""
        self.output.log.write(text)
        self.screen.print(text, color=color)

    # --- Where a phase begins and ends --------------------------------------------------------------------------------

    def enter(self, task) -> None:
        """Note that a task begins, and start its phase if it is a new one."""
        role = getattr(task, "_role", None)
        name = phase_in(task.get_vars()) or phase_in(role.vars if role else {}) or phase_in(self.play.vars)
        # Ansible's strings know where they come from. The writer of progress.json takes plain ones alone.
        name = str(name or self.play.get_name().strip())
        if self.phase is None or self.phase.name != name:
            self.end_phase()
            self.phase = Phase(name, time.monotonic(), continued=name in self.phases)
        self.phase.task = short_task(task.get_name().strip())
        if self.quiet and not self.cell:
            self.screen.show(self.now)

    def end_phase(self, **how) -> None:
        """End the phase, and print it if it had anything to do."""
        phase, self.phase = self.phase, None
        if self.quiet:
            self.screen.show(None)
            if phase and (how or phase.has_line(time.monotonic())):
                self.phases.add(phase.name)
                color = constants.COLOR_ERROR if phase.failed else constants.COLOR_OK
                self.say(phase.line(time.monotonic(), check=context.CLIARGS["check"], **how), color)

    def interrupted(self) -> None:
        """End the phase when the process ends. It may have been interrupted in the middle."""
        if self.screen.is_mine:
            self.end_phase(interrupted=True)

    def count(self, result, *, changed: bool = False) -> None:
        """Count the result of a task."""
        if self.cell:
            self.cell.end(result.task._uuid)
        if self.phase and not isinstance(result.task, TaskInclude) and short_action(result) not in WORDS:
            self.phase.count(result.host.get_name(), changed=changed)

    # --- Where a cell begins and ends ---------------------------------------------------------------------------------

    def follow(self, task) -> None:
        """Note that a task begins. It may belong to this cell, to the next one, or to none."""
        step = task.get_vars().get(STEP)
        cell = CurrentCell(json.loads(json.dumps(step))) if isinstance(step, dict) and "cell_id" in step else None
        if cell is None or self.cell is None or cell.key != self.cell.key:
            self.leave()
            self.cell = cell
            if self.quiet and cell:
                self.screen.show(self.now)
        if self.cell:
            self.cell.begin(task._uuid, task.get_name())

    def leave(self) -> None:
        """End the cell, and store the times of its tasks."""
        self.screen.show(None)
        cell, self.cell = self.cell, None
        if cell:
            cell.keep_times()

    def now(self) -> str:
        """Return the line that moves."""
        # Another thread reads it, while this one may end a cell.
        cell, phase = self.cell, self.phase
        if cell is None:
            return phase.at_work(time.monotonic()) if phase else ""
        return cell.at_work(self.progress)

    def take_in(self, result) -> None:
        """Read the results of the sweep's action: the steps of a pass, and the status of a judged cell."""
        if result.task.action != "sweep":
            return
        # A pass without attempts, as of retries where nothing was invalid, leaves the figures of the one before it.
        if self.cell is None and "steps" in result.result and (result.result["steps"] or self.progress is None):
            # The import is here because it takes about 0.5 s, and most plays have no sweep.
            from swarmsweep.report.progress import Progress

            planned = result.result
            self.progress = Progress(planned["run"], planned["steps"], self.progress, planned.get("deadline_seconds"))
            self.begin_progress()
            # Each task runs in a fork of this process. numpy and pandas take a second to import. Imported here, they
            # need not be imported again to judge each cell.
            import_module("swarmsweep.results.measure")
            import_module("pandas")
        elif self.cell and "sentence" in result.result:
            judged = result.result
            # A check has one cell, and judges no load.
            one_user = judged.get("one_user")
            line = self.cell.line(judged["sentence"], None if one_user else self.progress, datetime.now())
            line = with_prefix(line, self.prefix)
            if self.progress_file:
                self.progress_file.last = one_line(line)
            status = "valid" if one_user and judged["status"] != "failed" else judged["status"]
            self.say(line, COLORS.get(status, constants.COLOR_WARN))

    # --- progress.json ------------------------------------------------------------------------------------------------

    def begin_progress(self) -> None:
        """Write progress.json from now on, once a second."""
        if self.progress_file:
            return
        from swarmsweep.report.progress_file import ProgressFile

        self.progress_file = ProgressFile(time.time() - (time.monotonic() - self.started))
        # The first time in this thread: what it imports must not be imported while a task forks.
        self.write_progress("running")
        atexit.register(self.end_progress, "interrupted")
        self.ticker = threading.Thread(target=self.tick, daemon=True)
        self.ticker.start()

    def tick(self) -> None:
        """Write it until the end."""
        while not self.progress_over.wait(self.progress_file.seconds_to_next(time.time())):
            self.write_progress("running")

    def write_progress(self, state: str) -> None:
        """Write it now. A sweep goes on where this fails, for example on a full disk."""
        cell, phase = self.cell, self.phase
        # RuntimeError: the other thread added a row meanwhile. The next second writes it.
        with contextlib.suppress(LabError, RuntimeError):
            self.progress_file.write(
                self.progress,
                time.time(),
                step=cell.step if cell else None,
                cell_phase=cell.phase if cell else "",
                cell_seconds=cell.seconds if cell else 0.0,
                phase=phase.name if phase else None,
                state=state,
            )

    def end_progress(self, state: str) -> None:
        """Write how the sweep ended. Only the first call has an effect, and none in the fork of a task."""
        if not self.screen.is_mine or not self.progress_file or self.progress_over.is_set():
            return
        self.progress_over.set()
        if self.ticker is not None:
            self.ticker.join()
        self.write_progress(state)

    # --- Failures, and messages of the playbook -----------------------------------------------------------------------

    def fail(self, result, unreachable: bool = False) -> None:
        """Show a failure: host, task and message. The next command comes last."""
        host = result.host.get_name()
        if self.phase:
            self.phase.failed = True
            self.phase.count(host)
        self.end_phase()
        lines = message_lines(result.result)
        name = result.task.get_name().strip()
        if self.failure is None:
            address = str(result.host.get_vars().get("ansible_host", host)) if unreachable else None
            self.failure = (lines, address, next_command_of(result.result))
        if host not in self.failed:
            self.failed.append(host)
        text = failure_text(self.host_label(result), name, lines, self.shown, unreachable=unreachable)
        self.screen.print(with_prefix(text, self.prefix), color=constants.COLOR_ERROR)

    def say_words(self, result) -> None:
        """Print the message of a debug task, and nothing else."""
        self.end_phase()
        lines = []
        for item in result.result.get("results") or [result.result]:
            message = item.get("msg")
            words = [str(message)] if isinstance(message, (str, int, float)) else message
            if not isinstance(words, (list, tuple)) or not all(isinstance(line, str) for line in words):
                self._clean_results(item, result.task.action)
                words = textwrap.dedent(self._dump_results(item)).strip("\n").splitlines()
            lines += words
        if lines:
            self.screen.print(with_prefix("\n".join(f"  {line}" for line in lines), self.prefix))

    def close(self, stats) -> None:
        """Print the last lines: what was done in total, and after a failure where to find more."""
        self.end_phase()
        counts = [stats.summarize(host) for host in stats.processed]
        tasks = sum(count["ok"] + count["failures"] + count["unreachable"] for count in counts)
        line = last_line(
            time.monotonic() - self.started,
            tasks=tasks,
            changed=sum(count["changed"] for count in counts),
            check=context.CLIARGS["check"],
            failed=self.failed,
            warnings=self.output.warnings.hidden,
        )
        self.say(line, constants.COLOR_ERROR if self.failed else constants.COLOR_OK)
        if self.failure is None:
            return
        if self.output.log.path:
            self.say(f"log:  {shown_path(self.output.log.path)}")
        extra = self.play.get_variable_manager().extra_vars
        repeat = repeat_command(self.playbook, self.inventories(), extra, os.environ.get("LAB_VERB"))
        arguments = repeated_arguments(sys.argv, verb_of(repeat))
        message, address, command = self.failure
        step = with_prefix(next_step(message, repeat, address, command, arguments), self.prefix)
        self.say(f"next: {step}{note_on_hidden(step)}")

    # --- What Ansible reports -----------------------------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook):
        path = Path(playbook._file_name)
        self.playbook = shown_path(path)
        self.output.log.open(Path(self.get_option("log_directory")), os.environ.get("LAB_VERB") or path.stem)
        super().v2_playbook_on_start(playbook)

    def v2_playbook_on_play_start(self, play):
        self.leave()
        self.play = play
        super().v2_playbook_on_play_start(play)

    def v2_playbook_on_task_start(self, task, is_conditional):
        self.follow(task)
        self.enter(task)
        super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task):
        self.enter(task)
        super().v2_playbook_on_handler_task_start(task)

    def v2_runner_on_ok(self, result):
        changed = bool(result.result.get("changed"))
        self.count(result, changed=changed)
        if self.quiet and not self.cell:
            if short_action(result) == "debug":
                self.say_words(result)
            elif changed and context.CLIARGS["check"]:
                self.screen.print(f"  would change {self.host_label(result)}: {result.task.get_name().strip()}")
        super().v2_runner_on_ok(result)
        self.take_in(result)

    def v2_runner_on_skipped(self, result):
        if self.cell:
            self.cell.end(result.task._uuid)
        super().v2_runner_on_skipped(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.count(result)
        if self.quiet and not ignore_errors and not is_rescued(result.task):
            self.fail(result)
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result):
        self.count(result)
        if self.quiet and not result.task.ignore_unreachable:
            self.fail(result, unreachable=True)
        super().v2_runner_on_unreachable(result)

    def v2_on_file_diff(self, result):
        # Only `--diff` produces a difference.
        before, self._display = self._display, self.output.real
        try:
            super().v2_on_file_diff(result)
        finally:
            self._display = before

    def v2_playbook_on_stats(self, stats):
        self.leave()
        super().v2_playbook_on_stats(stats)
        self.end_progress("failed" if self.failed or stats.failures or stats.dark else "ended")
        if self.quiet:
            self.close(stats)
        self.screen.stop()
