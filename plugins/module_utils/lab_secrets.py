"""Defines what counts as a secret: the one list of names, and the masks for stored text.

The package swarmsweep has a link of the same name to this file, and hosts get it from Ansible. Standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

MASK = "***"
# It is better to mask a name too many (KEYBOARD) than one too few. `pw` alone would match many harmless words.
_WORDS = r"pass|pwd|(?:\b|_)pw(?:\b|_)|auth|cred|private|secret|token|key|cookie|signature"
SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
# Matches all before the last @: the user may be a token, and a password may contain @ and /.
_USERINFO = re.compile(r"://[^\s\"'<>]*@")
_QUERY = re.compile(r"(://[^\s\"'<>?#]*[?#])[^\s\"'<>]+")
# A value in quotes (escaped if JSON is inside JSON), or all up to a space. A password may contain any character.
_VALUE = r"""(?P<value>\\"(?:[^"\\]|\\(?!"))*\\"|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"']+)"""
# The lookahead finds the secret word once for each name, so the time is linear in the text.
_SECRET_WORD = rf"(?=[\w.-]*?(?:{_WORDS}))[\w.-]+"
# Matches NAME=value, NAME: value, "NAME": "value" and --name value.
_ASSIGNED = re.compile(
    rf"""(?P<name>(?<![\w.-]){_SECRET_WORD}\\?["']?\s*[=:]\s*)(?:(?:Basic|Bearer)\s+)?{_VALUE}""", re.IGNORECASE
)
_OPTION = re.compile(rf"(?P<name>(?<![\w.-])--?{_SECRET_WORD}\s+){_VALUE}", re.IGNORECASE)
_OPTION_WORD = re.compile(rf"--?{_SECRET_WORD}", re.IGNORECASE)
# Characters. Longer text is masked completely: it is unreadable anyway, and a hostile one would take too much time.
_MAX_TEXT = 16384
_STACK_MAPPING = re.compile(r"^(?P<key>\s*environment: )(?P<json>\{.*\})\s*$")
_STACK_COMMAND = re.compile(r"^(?P<key>\s*command: )(?P<json>\[.*\])\s*$")


def is_secret_name(name: str) -> bool:
    """Return whether a variable, option or label of this name may hold a secret."""
    return bool(SECRET_NAME.search(name))


def mask_text(text: str) -> str:
    """Return text without the values of secret names, and without user, query and fragment of URLs."""
    if len(text) > _MAX_TEXT:
        return MASK
    text = _QUERY.sub(rf"\1{MASK}", _USERINFO.sub(f"://{MASK}@", text))
    for pattern in (_ASSIGNED, _OPTION):
        text = pattern.sub(lambda match: match["name"] + _masked_like(match["value"]), text)
    return text


def mask_entry(name: str, value: str) -> str:
    """Return the value of an environment variable or label for storage. An empty one shows that none was set."""
    return MASK if value and is_secret_name(name) else mask_text(value)


def mask_words(words: list[str]) -> list[str]:
    """Return arguments of a command for storage. A word after an option with a secret name is masked too."""
    behind = [False, *(bool(_OPTION_WORD.fullmatch(word)) for word in words)]
    return [
        MASK if follows and not word.startswith("-") else mask_text(word)
        for follows, word in zip(behind, words, strict=False)
    ]


def mask_stack(text: str) -> str:
    """Mask the environment and command in a stack file of the role api_stack. Both are JSON on one line."""
    return "".join(_masked_stack_line(line) for line in text.splitlines(keepends=True))


def _masked_stack_line(line: str) -> str:
    if mapping := _STACK_MAPPING.match(line):
        return f"{mapping['key']}{_masked_json(mapping['json'], _masked_entries)}\n"
    if command := _STACK_COMMAND.match(line):
        return f"{command['key']}{_masked_json(command['json'], _masked_words)}\n"
    return line


def _masked_json(text: str, masked: Callable[[Any], Any]) -> str:
    """Return JSON with its value masked, or the mask alone if a stack file has no such value."""
    try:
        return json.dumps(masked(json.loads(text)))
    except ValueError:
        return json.dumps(MASK)


def _masked_entries(entries: dict[str, Any]) -> dict[str, str]:
    return {name: mask_entry(name, str(value)) for name, value in entries.items()}


def _masked_words(words: list[Any]) -> list[str]:
    return mask_words([str(word) for word in words])


def _masked_like(value: str) -> str:
    """Return the mask in the quotes of the value, so that JSON stays JSON."""
    for quote in ('\\"', '"', "'"):
        if value.startswith(quote) and value.endswith(quote) and len(value) > len(quote):
            return quote + MASK + quote
    return MASK
