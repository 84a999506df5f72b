"""A command line as it may be stored: without the secrets that extra variables can hold."""

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MASK = "***"
# Rather one name too many (a "monkey" is masked) than one too few.
SECRET_NAME = re.compile("password|passwd|secret|token|key", re.IGNORECASE)

# -e, alone or behind switches that take no value (-vve), and its value when that is written in the same word.
_SHORT = re.compile(r"(-[bCDJkKv]*e)(.*)", re.DOTALL)
# Pieces in quotes and anything up to a space, as Ansible divides key=value words.
_WORD = re.compile(r"""([^\s=]+)=((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\S)+)""")
# An entry of a mapping inside a value, its quotes perhaps escaped.
_ENTRY = re.compile(r"""([\w.-]+)(\\?["']?\s*:\s*)(\\?["'])(.*?)\3|([\w.-]+)(["']?\s*:\s*)((?!//)[^\s,}"'\\]+)""")
_URL_WITH_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@")


def storable(argv: Sequence[str]) -> str:
    """Command and arguments as one line for a shell; values of extra variables that are secret by name are ``***``."""
    found = [Path(argv[0]).name]
    value_follows = False
    for word in argv[1:]:
        name, value = ("", word) if value_follows else _extra_variables(word)
        value_follows = not value_follows and value == ""
        found.append(word if value is None else name + masked(value))
    return shlex.join(found)


def masked(text: str) -> str:
    """Extra variables in any form that Ansible takes (a=1 b=2, JSON, YAML, @file), secrets masked."""
    if text[:1] in ("{", "["):
        return _masked_mapping(text)
    text = _WORD.sub(lambda match: f"{match[1]}={_hidden(match[1], match[2])}", text)
    text = _ENTRY.sub(_masked_entry, text)
    return _URL_WITH_PASSWORD.sub(rf"\1{MASK}@", text)


def _extra_variables(word: str) -> tuple[str, str | None]:
    """(option, value) of a word that gives extra variables; the value is "" when it is the next word, else None."""
    option, equals, value = word.partition("=")
    # argparse takes any beginning of a long option that leaves no doubt.
    if len(option) > 3 and "--extra-vars".startswith(option):
        return option + equals, value
    short = _SHORT.fullmatch(word)
    return (short[1], short[2]) if short else (word, None)


def _masked_mapping(text: str) -> str:
    import yaml

    try:
        return json.dumps(_masked_tree(yaml.safe_load(text)), default=str, ensure_ascii=False)
    except (yaml.YAMLError, RecursionError):
        return MASK  # what cannot be read cannot be masked by its names


def _masked_tree(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _hidden(str(name), _masked_tree(entry)) for name, entry in value.items()}
    if isinstance(value, list):
        return [_masked_tree(entry) for entry in value]
    return _URL_WITH_PASSWORD.sub(rf"\1{MASK}@", value) if isinstance(value, str) else value


def _masked_entry(match: re.Match[str]) -> str:
    if match[1]:
        return f"{match[1]}{match[2]}{match[3]}{_hidden(match[1], match[4])}{match[3]}"
    return f"{match[5]}{match[6]}{_hidden(match[5], match[7])}"


def _hidden(name: str, value: Any) -> Any:
    return MASK if SECRET_NAME.search(name) else value
