"""Make text of unknown origin (logs, reasons, axes) safe for one line of Markdown."""

import html
import re
from typing import Any

# Marks that change the order of characters on display, so that a text looks like another one.
_BIDIRECTIONAL = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What begins a list at the start of a line.
_LIST_MARK = re.compile(r"^([0-9]{0,9})([-+.)])(?=[\s+-]|$)")

MISSING = "\N{EN DASH}"  # a figure that was not measured; never 0


def one_line(text: str) -> str:
    """Text on one line, without the control characters and bidirectional marks that logs and reasons may contain."""
    spaced = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", _BIDIRECTIONAL.sub("", text))
    return " ".join(spaced.split())


def markdown(text: Any) -> str:
    """Text that Markdown shows unchanged, without a table column, a tag, or a link to a web page.

    GitHub turns bare URLs and names that begin with www into links, so their colon or dot is written as an entity. A
    mail address becomes a link even then. It also shows what is between two dollar signs as a formula.
    """
    escaped = html.escape(one_line(str(text)), quote=False)
    escaped = re.sub(r"([\\`*_{}\[\]|~#])", r"\\\1", escaped)
    # Between letters, an underscore is text. So a command in a reason can be copied from the file, too.
    escaped = escaped.replace(r"LAB\_INVENTORY=", "LAB_INVENTORY=")
    escaped = _LIST_MARK.sub(r"\1\\\2", escaped).replace("$", "&#36;")
    return re.sub(r"(www)\.", r"\1&#46;", escaped.replace("://", "&#58;//"), flags=re.IGNORECASE)


def code(text: str) -> str:
    """Text as a code span: shown and copied without the escapes of `markdown`."""
    line = one_line(text)
    # In CommonMark, a run of backticks that differs in length from the fence is text.
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"
