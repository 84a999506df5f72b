"""Values that several settings have: a whole number, a command, and environment variables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from datetime import date
from typing import Any

from swarmsweep.errors import LabError
from swarmsweep.units import format_bytes, quoted

_VARIABLE = re.compile(r"[^=\0-\x20\x7f]{1,255}")
# More digits would take time to convert.
_WHOLE = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
# Linux accepts no longer variable, with its name (MAX_ARG_STRLEN).
MAX_VARIABLE_BYTES = 128 * 1024


class Refused(Exception):  # noqa: N818 (it is raised and caught here alone, and is no error of the program)
    """The text says what is allowed."""


def is_whole(value: Any, allowed: range) -> bool:
    """Whether a setting is one of these whole numbers above 0. It may be text, because a value from -e is.

    A zero in front is refused: iptables and YAML read such a text as a number of base 8.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return False
    return bool(_WHOLE.fullmatch(str(value))) and int(value) in allowed


def read_command(value: Any) -> list[str]:
    """The words of a command, from a list of words or one text for a shell; empty for the command of the image."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise Refused("a list of words, or one text whose quotes are closed, as for a shell") from error
    elif isinstance(value, list) and all(_is_word(word) for word in value):
        words = [str(word) for word in value]
    else:
        raise Refused("a list of words, or one text as for a shell; put true, false, null and dates in quotes")
    if any("\0" in word for word in words):
        raise Refused("words without a null character")
    return words


def variables(values: Mapping[Any, Any]) -> dict[str, str]:
    """Environment variables as texts.

    Raises:
        LabError: the name of the variable that Docker or Linux refuses. No message has a value, which may be a secret.
    """
    found = {}
    for name, written in values.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise LabError(f"{quoted(name)} is not a name of a variable; allowed: text without spaces and =")
        if isinstance(written, date):
            raise LabError(f"{name} is a date or a time, which YAML writes in its own way; put it in quotes")
        if not isinstance(written, (str, int, float)):
            raise LabError(f'{name} is empty, a list or a mapping; allowed: text, or "" for an empty value')
        text = str(written).lower() if isinstance(written, bool) else str(written)
        if "\0" in text or len(f"{name}={text}".encode()) >= MAX_VARIABLE_BYTES:
            raise LabError(f"{name} is too long or has a null character; allowed: {format_bytes(MAX_VARIABLE_BYTES)}")
        found[name] = text
    return found


def _is_word(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)
