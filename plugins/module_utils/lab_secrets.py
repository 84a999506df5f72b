"""What counts as a secret: the one list of names, and the masks for what is stored.

The package swarmsweep reaches this file by a link of the same name; hosts get it from Ansible. Standard library only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

MASK = "***"
# Rather one name too many (KEYBOARD is masked) than one too few. `pw` alone would be part of many harmless words.
_WORDS = r"pass|pwd|(?:\b|_)pw(?:\b|_)|auth|cred|private|secret|token|key|cookie|signature"
SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
# All before the last @: a token may stand in the place of the user, and a password may hold @ and /.
_USERINFO = re.compile(r"://[^\s\"'<>]*@")
_QUERY = re.compile(r"(://[^\s\"'<>?#]*[?#])[^\s\"'<>]+")
# In quotes (escaped ones where JSON stands in JSON), or all up to a space: a password may hold any sign.
_VALUE = r"""(?P<value>\\"(?:[^"\\]|\\(?!"))*\\"|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"']+)"""
# The lookahead finds the secret word once for each name, so that the time is linear in the text.
_SECRET_WORD = rf"(?=[\w.-]*?(?:{_WORDS}))[\w.-]+"
# NAME=value, NAME: value, "NAME": "value"; and --name value.
_ASSIGNED = re.compile(
    rf"""(?P<name>(?<![\w.-]){_SECRET_WORD}\\?["']?\s*[=:]\s*)(?:(?:Basic|Bearer)\s+)?{_VALUE}""", re.IGNORECASE
)
_OPTION = re.compile(rf"(?P<name>(?<![\w.-])--?{_SECRET_WORD}\s+){_VALUE}", re.IGNORECASE)
_OPTION_WORD = re.compile(rf"--?{_SECRET_WORD}", re.IGNORECASE)
# Characters; longer text is masked whole, because it is not readable anyway, and a hostile one would take the time.
_MAX_TEXT = 16384
_STACK_MAPPING = re.compile(r"^(?P<key>\s*environment: )(?P<json>\{.*\})\s*$")
_STACK_COMMAND = re.compile(r"^(?P<key>\s*command: )(?P<json>\[.*\])\s*$")


def is_secret_name(name: str) -> bool:
    """Whether a variable, option or label of this name may hold a secret."""
    return bool(SECRET_NAME.search(name))


def mask_text(text: str) -> str:
    """Text without what stands behind secret names, and without user, query and fragment of URLs."""
    if len(text) > _MAX_TEXT:
        return MASK
    text = _QUERY.sub(rf"\1{MASK}", _USERINFO.sub(f"://{MASK}@", text))
    for pattern in (_ASSIGNED, _OPTION):
        text = pattern.sub(lambda match: match["name"] + _masked_like(match["value"]), text)
    return text


def mask_entry(name: str, value: str) -> str:
    """Value of an environment variable or label as it may be stored; an empty one shows that none was given."""
    return MASK if value and is_secret_name(name) else mask_text(value)


def mask_words(words: list[str]) -> list[str]:
    """Arguments of a command as they may be stored: also a word that follows an option of a secret name."""
    behind = [False, *(bool(_OPTION_WORD.fullmatch(word)) for word in words)]
    return [
        MASK if follows and not word.startswith("-") else mask_text(word)
        for follows, word in zip(behind, words, strict=False)
    ]


def mask_stack(text: str) -> str:
    """A stack file of the role api_stack with its environment and command masked: both are JSON on one line."""
    return "".join(_masked_stack_line(line) for line in text.splitlines(keepends=True))


def _masked_stack_line(line: str) -> str:
    if mapping := _STACK_MAPPING.match(line):
        return f"{mapping['key']}{_masked_json(mapping['json'], _masked_entries)}\n"
    if command := _STACK_COMMAND.match(line):
        return f"{command['key']}{_masked_json(command['json'], _masked_words)}\n"
    return line


def _masked_json(text: str, masked: Callable[[Any], Any]) -> str:
    """JSON with its value masked; the mask alone where a stack file has no such value."""
    try:
        return json.dumps(masked(json.loads(text)))
    except ValueError:
        return json.dumps(MASK)


def _masked_entries(entries: dict[str, Any]) -> dict[str, str]:
    return {name: mask_entry(name, str(value)) for name, value in entries.items()}


def _masked_words(words: list[Any]) -> list[str]:
    return mask_words([str(word) for word in words])


def _masked_like(value: str) -> str:
    """The mask in the quotes that the value had, so that JSON stays JSON."""
    for quote in ('\\"', '"', "'"):
        if value.startswith(quote) and value.endswith(quote) and len(value) > len(quote):
            return quote + MASK + quote
    return MASK
