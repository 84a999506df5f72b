"""The command line for manifest.json: the parts that are known to be harmless, and the names of the others.

This is an allow list, because a list of secrets is never complete. An unknown part is stored as ``***``.
"""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmsweep.shared.lab_secrets import MASK, is_secret_name

# Variables whose values every reader of a report may see. lab_api_env is not one of them: its values are the user's
# own.
KEPT_VARIABLES = frozenset(
    re.findall(
        r"\w+",
        """
        sweep seed resume
        lab_name lab_directory lab_reports lab_host_directory lab_bridge lab_subnet lab_swarm_address_pool
        lab_proxy_port lab_proxy_max_connections lab_docker_engine lab_ca_bundle lab_training_source
        lab_api_image lab_api_port lab_api_ready_path lab_api_ready_host lab_api_workers_env lab_api_variant
        lab_api_replicas lab_api_cpus lab_api_memory lab_api_workers

        """,
    )
) | {"lab_api_user", "lab_api_read_only", "lab_api_writable", "lab_api_capabilities"}
KEPT_VARIABLES |= {"lab_api_on_manager", "lab_api_spread", "lab_api_platform"}
# Those of ./lab down, image, publish, logs, stop, clean and ui.
KEPT_VARIABLES |= {"image_of", "image_rebuild", "image_copy_only", "logs_of", "logs_lines", "logs_follow"}
KEPT_VARIABLES |= {"virtual_lab_state", "lab_release", "sweep_only", "sweep_max_minutes"}
KEPT_VARIABLES |= {"stop_unlock", "clean_days", "clean_yes", "ui_of", "ui_workers", "ui_minutes"}
KEPT_VARIABLES |= {"publish_image", "publish_target", "lab_registry", "lab_registry_port"}
# A mapping whose names may be shown, but never its values.
NAMED_VARIABLES = frozenset({"lab_api_env"})
# A number with a unit is not a secret: role variables such as virtual_lab_boot_timeout_seconds.
_UNIT = re.compile(r"[a-z]\w*_(seconds|ms|bytes|rps|retries|lines|percent)", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Paths, names, host patterns, and URLs without user, query and fragment. They contain no = or @, and no template.
_PLAIN = re.compile(r"""[\w ./:+,~'"()!*&\[\]-]*(@sha256:[0-9a-f]{64})?""")
_PLAYBOOK = re.compile(r".*\.ya?ml", re.DOTALL)
# Quoted pieces and text up to a space, as Ansible splits key=value words.
WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\S)+""", re.DOTALL)

FLAG, _PLAIN_VALUE, HIDDEN_VALUE, VARIABLES = "flag", "plain", "hidden", "variables"
# Options of ansible-playbook, by the kind of value that follows them.
_OPTION_LISTS = {
    FLAG: """
        --help --version --verbose --force-handlers --become --check --diff --flush-cache --list-hosts --list-tags
        --list-tasks --step --syntax-check --ask-pass --ask-become-pass --ask-vault-password --ask-vault-pass
        """,
    _PLAIN_VALUE: "--inventory --inventory-file --tags --skip-tags --limit --forks --timeout --start-at-task",
    HIDDEN_VALUE: """
        --private-key --key-file --user --connection --ssh-common-args --sftp-extra-args --scp-extra-args
        --ssh-extra-args --connection-password-file --conn-pass-file --become-method --become-user
        --become-password-file --become-pass-file --vault-id --vault-password-file --vault-pass-file --module-path
        """,
    VARIABLES: "--extra-vars",
}
_OPTIONS = {option: kind for kind, options in _OPTION_LISTS.items() for option in options.split()}
_SHORT = {
    **dict.fromkeys("hvbCDkKJ", FLAG),
    **dict.fromkeys("itlfT", _PLAIN_VALUE),
    **dict.fromkeys("ucM", HIDDEN_VALUE),
    "e": VARIABLES,
}


@dataclass(frozen=True)
class Argument:
    """An argument of ansible-playbook.

    ``name``: the option in full, as "--limit" or "e"; empty for a playbook, for "--" and for an unknown option.
    ``typed``: its words. ``masked``: the same words, with ``***`` in place of all that may be secret.
    """

    name: str
    kind: str
    value: str | None
    typed: tuple[str, ...]
    masked: tuple[str, ...]


def storable(argv: Sequence[str]) -> str:
    """Command and arguments as one line for a shell; a part that is not known to be harmless is ``***``.

    A stored line does not change when it is stored again.
    """
    program = Path(argv[0]).name
    masked = (word for argument in arguments_of(argv) for word in argument.masked)
    return shlex.join([program if _is_plain(program) else MASK, *masked])


def storable_name(name: str) -> str:
    """A path or another name by the same rules."""
    return name if _is_plain(name) else MASK


def arguments_of(argv: Sequence[str]) -> Iterator[Argument]:
    """The arguments of a command line of ansible-playbook, each option with its value."""
    words = iter(argv[1:])
    options_end = False
    for word in words:
        if options_end or not word.startswith("-") or word == "-":
            kept = word if _PLAYBOOK.fullmatch(word) and _is_plain(word) else MASK
            yield Argument("", FLAG, None, (word,), (kept,))
        elif word == "--":
            options_end = True
            yield Argument("", FLAG, None, (word,), (word,))
        else:
            name, kind, before, value = _long(word) if word.startswith("--") else _short(word)
            typed, masked = [word], [before if value is None else before + _value(kind, value)]
            if kind != FLAG and value is None:
                value = next(words, None)
                if value is not None:
                    typed.append(value)
                    masked.append(_value(kind, value))
            yield Argument(name, kind, value, tuple(typed), tuple(masked))


def restorable(line: Any) -> str:
    """A line of an older manifest by the rules of `storable`; a line that cannot be parsed as a command is ``***``."""
    try:
        words = shlex.split(line) if isinstance(line, str) else []
    except ValueError:
        words = []
    return storable(words) if words else MASK


def _long(word: str) -> tuple[str, str, str, str | None]:
    """A long option: its name, its kind, what comes before its value, and the value if that is in the same word."""
    option, equals, value = word.partition("=")
    # argparse accepts any unambiguous prefix of a long option.
    names = [option] if option in _OPTIONS else [name for name in _OPTIONS if name.startswith(option)]
    kinds = {_OPTIONS[name] for name in names}
    if len(kinds) != 1:
        return "", FLAG if equals else HIDDEN_VALUE, MASK, None
    return names[0], kinds.pop(), option + equals, value if equals else None


def _short(word: str) -> tuple[str, str, str, str | None]:
    """Short options in one word (-vve), as `_long`; the last of them may have its value in the same word."""
    for place, letter in enumerate(word[1:], start=1):
        kind = _SHORT.get(letter)
        if kind is None:
            return "", HIDDEN_VALUE if place == len(word) - 1 else FLAG, MASK, None
        if kind != FLAG:
            before, value = word[: place + 1], word[place + 1 :]
            if value.startswith("="):
                before, value = before + "=", value[1:]
            return letter, kind, before, value or None
    return word[-1], FLAG, word, None


def _value(kind: str, value: str) -> str:
    if kind == VARIABLES:
        return _variables(value)
    return value if kind == _PLAIN_VALUE and _is_plain(value) else MASK


def _variables(text: str) -> str:
    """Extra variables in any form that Ansible accepts: a=1 b=2, JSON, YAML, @file."""
    if text.startswith("@"):
        return "@" + MASK
    if text[:1] in ("{", "["):
        return _mapping(text)
    words: list[str] = []
    for match in WORD.finditer(text):
        word = _assignment(match[0], hidden_before=any(MASK in earlier for earlier in words))
        if word != MASK or words[-1:] != [MASK]:
            words.append(word)
    return " ".join(words)


def _assignment(word: str, *, hidden_before: bool) -> str:
    """One word name=value. After a hidden value, text that looks like a name may be the rest of that value."""
    name, equals, value = word.partition("=")
    if not equals or not _NAME.fullmatch(name):
        return MASK
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if _is_harmless(name, value[1:-1] if quoted else value):
        return word
    return MASK if hidden_before else f"{name}={MASK}"


def mapping_of(text: str) -> dict[Any, Any] | None:
    """The variables of a value of -e that is YAML or JSON; None where it is no valid mapping."""
    import yaml

    try:
        variables = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    return variables if isinstance(variables, dict) else None


def _mapping(text: str) -> str:
    variables = mapping_of(text)
    if variables is None:
        return MASK
    return json.dumps(dict(_entry(name, value) for name, value in variables.items()), ensure_ascii=False)


def _entry(name: Any, value: Any) -> tuple[str, Any]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return MASK, MASK
    if name in NAMED_VARIABLES and isinstance(value, dict):
        return name, {key if _NAME.fullmatch(str(key)) else MASK: MASK for key in value}
    return name, value if _is_harmless(name, value) else MASK


def _is_harmless(name: str, value: Any) -> bool:
    if name in KEPT_VARIABLES:
        return value is None or isinstance(value, (bool, int, float)) or (isinstance(value, str) and _is_plain(value))
    is_measure = _UNIT.fullmatch(name) and not is_secret_name(name)
    return bool(is_measure and not isinstance(value, bool) and _NUMBER.fullmatch(str(value)))


def _is_plain(value: str) -> bool:
    return bool(_PLAIN.fullmatch(value)) or value == MASK
