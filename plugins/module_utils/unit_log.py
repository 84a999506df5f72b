"""The last line of a log of Locust that says what went wrong."""

from __future__ import annotations

import os
from pathlib import Path

# How much of a log is read: the end of a traceback, of which the last line is shown.
TAIL_BYTES, LINE_CHARACTERS = 4096, 300
# How Locust marks the level of a line: "[2026-11-29 07:34:14,120] lab-load/ERROR/locust.main: ...".
ERROR_LEVELS = ("/ERROR/", "/CRITICAL/")


def last_line(path: Path | str, *, error: bool = False) -> str:
    """Return the last line with text of a log, at most ``LINE_CHARACTERS`` long. Without one, return "".

    With ``error``, only lines count that Locust logged as an error.
    """
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    texts = (line.strip() for line in reversed(lines))
    return next((text for text in texts if text and (not error or any(level in text for level in ERROR_LEVELS))), "")[
        :LINE_CHARACTERS
    ]
