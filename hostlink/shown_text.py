"""Foreign text as a terminal may show it: a log or a response must not move the cursor or change a colour."""

from __future__ import annotations

import re

# What a program writes for colours, and what else begins with an escape sign.
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")


def shown(text: str) -> str:
    """Return the text without escape sequences, and with each other control sign as \\xNN."""
    plain = _ESCAPES.sub("", text).expandtabs(8)
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in plain)
