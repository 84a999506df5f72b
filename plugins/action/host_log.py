"""Ansible action: print the log of one host while it is read, line by line.

Arguments:

- program: arguments of hostlink/log_program.py, which runs on the host.
- label: name of this host before each line, where several hosts are read; else empty.
- sources: show the source of each line (a replica, a process) even if there is only one so far.

Returns found: the number of logs that exist on the host.

The lines go to the file descriptor that LAB_OUTPUT_FD names, or else to the screen through Ansible. No log has them.
Ansible takes them in a queue. If Ctrl-C ends this process while it holds the lock of the queue, Ansible waits without
end, so `./lab logs` gives a descriptor.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

import hostlink.log_program
from hostlink.channel import Channel, ChannelError
from hostlink.shown_text import shown

# What removes a line of a terminal that is not complete.
CLEARED = "\r\x1b[K"
PROGRAM = Path(hostlink.log_program.__file__)


class ActionModule(ActionBase):
    """Starts the program, and prints what it sends."""

    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        words = ["python3", "-u", "-c", PROGRAM.read_text(encoding="utf-8"), *map(str, arguments["program"])]
        found, known, code, errors = 0, set(), 0, ""
        try:
            with Channel(self._connection, f"exec {shlex.join(words)}") as channel:
                for line in channel.lines():
                    message = self.message(line)
                    found += message.get("found", 0)
                    if "from" in message:
                        known.add(message["from"])
                    self.put(message, sources=arguments.get("sources") or found > 1 or len(known) > 1)
                code, _out, errors = channel.ended()
        except BrokenPipeError:
            # The reader of the lines (head, less) may end at any time.
            pass
        except ChannelError as error:
            raise AnsibleActionFail(str(error)) from None
        if code != 0:
            raise AnsibleActionFail(f"the log could not be read: {errors or f'exit code {code}'}")
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
            self.write(" ".join(filter(None, ["--", label, shown(message["note"])])))
        if "from" in message:
            source = " ".join(filter(None, [label, message["from"] if sources else ""]))
            text = shown(message["text"])
            self.write(f"{source} | {text}" if source else text)

    def write(self, line):
        """Write a line where the user reads it."""
        descriptor = int(os.environ.get("LAB_OUTPUT_FD", "0"))
        if descriptor > 2:
            # On a terminal, Ansible's line that moves may be there.
            start = CLEARED if os.isatty(descriptor) else ""
            os.write(descriptor, f"{start}{line}\n".encode(errors="replace"))
        else:
            Display().display(line, screen_only=True)
