"""Ansible action: print the log of one host while it is read, line by line.

Arguments:

- program: arguments of hostlink/log_program.py, which runs on the host.
- label: name of this host before each line, where several hosts are read; else empty.
- sources: show the source of each line (a replica, a process) even if there is only one so far.
- secrets: the setting lab_api_secrets, and reports: the folders with runs. Their secrets are not shown.

Returns found: the number of logs that exist on the host. The lines are printed (see hostlink/screen.py), and no log has
them.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

import hostlink.log_program
from hostlink.channel import Channel, ChannelError
from hostlink.screen import shown, shown_lines, write_line
from swarmsweep.results.log_secrets import secrets_of_logs
from swarmsweep.shared.hidden_text import hide

PROGRAM = Path(hostlink.log_program.__file__)
# The folder of ./lab, from which relative paths of the inventory begin.
ROOT = Path(__file__).parents[2]


class ActionModule(ActionBase):
    """Starts the program, and prints what it sends."""

    TRANSFERS_FILES = False
    # What is hidden in each line.
    hidden: list[str]

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        words = ["python3", "-u", "-c", PROGRAM.read_text(encoding="utf-8"), *map(str, arguments["program"])]
        self.hidden, problems = secrets_of_logs(
            arguments.get("secrets"), ROOT, [Path(str(folder)) for folder in arguments.get("reports") or [] if folder]
        )
        found, known, code, errors = 0, set(), 0, ""
        for problem in problems:
            write_line(f"-- {shown(problem)}")
        try:
            with Channel(self._connection, f"exec {shlex.join(words)}") as channel:
                for line in channel.lines():
                    message = self.message(line)
                    found += int(message.get("found", 0))
                    if "from" in message:
                        known.add(str(message["from"]))
                    self.put(message, sources=arguments.get("sources") or found > 1 or len(known) > 1)
                code, errors = channel.ended()
        except BrokenPipeError:
            # The reader of the lines (head, less) may end at any time.
            pass
        except ChannelError as error:
            raise AnsibleActionFail(str(error)) from None
        if code != 0:
            said = shown_lines(hide(errors, self.hidden)) or f"exit code {code}"
            raise AnsibleActionFail(f"the log could not be read: {said}")
        return result | {"changed": False, "found": found}

    def message(self, line):
        """Return what a line of the program says. Other text, as of a shell's start-up file, is not shown."""
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict):
                return message
        return {}

    def put(self, message, *, sources):
        """Print a line of a log, or a note."""
        label = self._task.args.get("label") or ""
        if "note" in message:
            write_line(" ".join(filter(None, ["--", label, shown(str(message["note"]))])))
        if "from" in message:
            source = " ".join(filter(None, [label, shown(str(message["from"])) if sources else ""]))
            text = shown(hide(str(message.get("text", "")), self.hidden))
            write_line(f"{source} | {text}" if source else text)
