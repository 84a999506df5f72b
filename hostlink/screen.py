"""Prints lines while an action runs, and makes foreign text safe for a terminal."""

from __future__ import annotations

import os
import re

# What a program writes for colours, and what else begins with an escape sign.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
# What removes an incomplete line from a terminal.
CLEARED = "\r\x1b[K"


def shown(text: str) -> str:
    """Return the text without escape sequences, and with each other control sign as \\xNN.

    A log or a response must not move the cursor, or change a colour.
    """
    plain = _ESCAPES.sub("", text).expandtabs(8)
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in plain)


def shown_lines(text: str) -> str:
    """Return `shown` of each line."""
    return "\n".join(map(shown, text.splitlines()))


def write_line(line: str) -> None:
    """Print a line at once.

    It goes to the file descriptor that LAB_OUTPUT_FD names, or else to the screen through Ansible. Ansible takes lines
    in a queue. If Ctrl-C ends this process while it holds the lock of that queue, Ansible waits without end.
    """
    descriptor = int(os.environ.get("LAB_OUTPUT_FD", "0"))
    if descriptor > 2:
        # On a terminal, Ansible's line that moves may be there.
        start = CLEARED if os.isatty(descriptor) else ""
        os.write(descriptor, f"{start}{line}\n".encode(errors="replace"))
        return
    from ansible.utils.display import Display

    Display().display(line, screen_only=True)
