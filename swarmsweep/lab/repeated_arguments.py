"""The arguments of a playbook as they may be printed: the whole command, and the part that repeats it."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Container, Sequence

from swarmsweep.lab.mask_secrets import HIDDEN_VALUE, VARIABLES, WORD, Argument, arguments_of, mapping_of
from swarmsweep.shared.lab_secrets import MASK

# Variables that the repeating command of a verb already has, as a word of its own.
_IN_THE_COMMAND = {
    "demo": {"sweep"},
    "sweep": {"sweep", "resume"},
    "retrain": {"lab_training_source"},
    "image": {"image_of"},
    "publish": {"publish_image", "publish_target", "publish_credentials"},
    "logs": {"logs_of"},
    "check": {"sweep"},
    "ui": {"ui_of"},
    "down": {"virtual_lab_state"},
}
_ONE_VARIABLE = re.compile(r"""(\w+)=(?:"[^"]*"|'[^']*'|[^\s"']*)""")


def repeated_arguments(argv: Sequence[str], verb: str | None) -> str:
    """The arguments that a user gave, each after a space, as a shell reads them.

    A value is printed by the rules of manifest.json (see `mask_secrets`), because such output is pasted into issues and
    kept by CI. Names of files, users and methods are printed too: the command needs them, and ansible-playbook takes no
    password in them. Arguments of ssh are hidden, because they may hold a password.

    Args:
        argv: the command line of ansible-playbook.
        verb: the verb of ./lab that repeats it; None without one.
    """
    given = [argument for argument in arguments_of(argv) if argument.name and not _is_in_command(argument, verb)]
    return "".join(f" {shlex.quote(word)}" for argument in given for word in shown(argument))


def shown_command(argv: Sequence[str]) -> str:
    """A whole command line of ansible-playbook as ./lab prints it, by the rules of `repeated_arguments`."""
    words = (word for argument in arguments_of(argv) for word in shown(argument))
    command = shlex.join(["ansible-playbook", *words])
    return command + note_on_hidden(command)


def note_on_hidden(command: str) -> str:
    """What a user must know of a command with hidden values; empty for any other."""
    return f" (replace {MASK}, which hides a value that may be secret)" if MASK in command else ""


def is_inventory(argument: Argument) -> bool:
    """Whether the argument is an inventory."""
    return argument.name == "i" or argument.name.startswith("--inventory")


def without_variables(text: str, names: Container[str]) -> str:
    """A value of -e without some of its variables; empty where none is left. A file stays as it is."""
    if text.startswith("@"):
        return text
    if text[:1] in ("{", "["):
        variables = mapping_of(text)
        if variables is None:
            return text
        left = {name: value for name, value in variables.items() if name not in names}
        return json.dumps(left, ensure_ascii=False, default=str) if left else ""
    return " ".join(match[0] for match in WORD.finditer(text) if match[0].partition("=")[0] not in names)


def _is_in_command(argument: Argument, verb: str | None) -> bool:
    if is_inventory(argument):
        return True
    return argument.kind == VARIABLES and _only_variable(argument.value or "") in _IN_THE_COMMAND.get(verb or "", ())


def _only_variable(text: str) -> str | None:
    """The name of the one variable that a value of -e sets; None for several, and for a file."""
    if match := _ONE_VARIABLE.fullmatch(text):
        return match[1]
    try:
        variables = json.loads(text)
    except ValueError:
        return None
    return next(iter(variables)) if isinstance(variables, dict) and len(variables) == 1 else None


def shown(argument: Argument) -> tuple[str, ...]:
    """The words of an argument as they may be printed."""
    is_file = argument.kind == VARIABLES and (argument.value or "").startswith("@")
    # An unknown option has no name.
    is_name = argument.kind == HIDDEN_VALUE and argument.name != "" and not argument.name.endswith("-args")
    return argument.typed if is_file or is_name else argument.masked


if __name__ == "__main__":
    print(shown_command(sys.argv))
