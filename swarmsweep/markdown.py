"""Text of unknown origin (logs, reasons, axes) made safe for one line of Markdown."""

import html
import re
from typing import Any

MISSING = "\N{EN DASH}"  # a figure that was not measured; never 0


def one_line(text: str) -> str:
    """Text on one line without control characters, as logs and reasons may hold."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).split())


def markdown(text: Any) -> str:
    """Text that Markdown shows as it is: no table column, no tag, no link comes of it."""
    escaped = html.escape(one_line(str(text)), quote=False)
    return re.sub(r"([\\`*_{}\[\]|~#])", r"\\\1", escaped)


def code(text: str) -> str:
    """Text as a code span: shown, and copied, without the escapes of `markdown`."""
    line = one_line(text)
    # CommonMark: a run of backticks of another length than the fence is text.
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"
