"""The text on a failed task: its message, the end of a command's output, and the next command to run."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from swarmsweep.lab import lab_command
from swarmsweep.lab.lab_command import (
    GIVEN_INVENTORY,
    SHELL_WORD,
    further_inventories,
    inventory_prefix,
    with_prefix,
)
from swarmsweep.lab.virtual_machines import is_virtual

# The refusal of a sweep file with many mistakes has about this many lines.
MESSAGE_LINES = 30
# The last lines of a command's output name the cause.
OUTPUT_LINES = 12
# The number of items of a loop whose messages are shown, and of lines for each.
SHOWN_ITEMS = 3
ITEM_LINES = 4
# A longer line is a whole document. The end of a long message may have the fix.
LINE_CHARACTERS = 2000
OUTPUT_CHARACTERS = 300

Result = Mapping[str, Any]

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")
# Ansible puts one or two of these before a message.
_PREFIXES = re.compile(r"(?:(?:Task|Action|Module) failed: )+")
# How a message without a field for the next command introduces the fix: those of tasks in YAML and of other modules.
_NAMES_A_WAY = re.compile(
    r"\./lab [a-z]|the same command again|\b(?:Fix|[Aa]llowed|[Rr]un(?: there| on [^\s:]+(?: \w+)?)?): "
    # A sentence that begins with what to do.
    r"|[.:] (?:Add|Change|Copy|Correct|Give|Make|Move|Put|Remove|Rename|Replace|Set|Use|Wait|Write) "
)
_COMMAND = re.compile(
    rf"(?:Fix|[Rr]un): ((?:{GIVEN_INVENTORY})?"
    r"\./lab [a-z]+\b(?! [A-Z])(?: --tags [a-z]+)?(?: -e [\w.=/-]*\w)?(?: && \./lab [a-z]+)?)"
)
# A command of ./lab up to its options, or to the next command.
_WITH_OPTIONS = re.compile(r"(.*?\./lab [a-z]+(?: (?![-&])(?:'[^']*'|\S)+)?)(.*)")
# Each command of a verb that reads an inventory, up to its options.
_EACH_WITH_INVENTORY = re.compile(rf"\./lab (?:{'|'.join(sorted(lab_command.VERBS))})\b(?: (?![-&]){SHELL_WORD})?")
# The inventories after the first one, at the end of a command.
_FURTHER = re.compile(rf"(?: -i {SHELL_WORD})*$")
# A command that a message names does all of its work, not the part that has failed.
_TAGS = re.compile(r" (?:--tags[ =]|-t ?)\S+")


def message_lines(result: Result) -> list[str]:
    """The message of a failed task.

    Args:
        result: what the task returned. Secrets must have been removed from it.

    Returns:
        At most `MESSAGE_LINES` lines and one that says how many were left out.
    """
    if "censored" in result:
        return ["The result is hidden, because the task handles secrets (no_log)."]
    items = [item for item in _list(result.get("results")) if isinstance(item, Mapping) and _failed(item)]
    if not items:
        return _one(result, MESSAGE_LINES, OUTPUT_LINES)
    lines = []
    for item in items[:SHOWN_ITEMS]:
        first, *more = _one(item, ITEM_LINES, ITEM_LINES)
        lines += [f"item {_label(item)}: {first}", *more]
    if len(items) > SHOWN_ITEMS:
        lines.append(f"{len(items) - SHOWN_ITEMS} more items failed.")
    return lines


def failure_text(
    host: str, task: str, lines: Sequence[str], shown: set[tuple[str, ...]], *, unreachable: bool = False
) -> str:
    """The failure of a task on a host: what failed, and its message.

    Args:
        host: as a user knows it.
        task: name of the task.
        lines: its message.
        shown: the failures that were shown before; this one is added. The same message is not repeated for each host.
        unreachable: the host could not be reached.
    """
    what = "cannot be reached" if unreachable else "failed"
    said = ["The message is the same."] if (task, *lines) in shown else lines
    shown.add((task, *lines))
    return "\n".join([f"FAILED: {host} {what} in task: {task}", *(f"  {line}" for line in said)])


def shown_path(path: Path) -> str:
    """A path as a user would type it here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _one(result: Result, most: int, most_output: int) -> list[str]:
    """The message of one result, and the end of the output if it is the result of a command."""
    if "censored" in result:
        return ["hidden, because the task handles secrets (no_log)"]
    text = result.get("msg", "")
    message = _PREFIXES.sub("", text if isinstance(text, str) else _plain(text), count=1).strip()
    code = result.get("rc")
    command = isinstance(code, int) and code != 0 and message.startswith("non-zero return code")
    if command:
        message = f"The command ended with exit code {code}."
    lines = _clean(message)
    dropped = len(lines) - most
    lines = [*lines[:most], f"({dropped} more lines are in the log)"] if dropped > 0 else lines
    outputs = [_clean(str(result.get(name) or "")) for name in ("stderr", "module_stderr", "stdout", "module_stdout")]
    output = next(filter(None, outputs), [])
    # A module's message often quotes the output.
    if output and (command or not lines or message.startswith(("MODULE FAILURE", "Module result deserialization"))):
        lines += [f"  {_cut(line, OUTPUT_CHARACTERS)}" for line in output[-most_output:]]
    return lines or ["The task failed without a message."]


def _clean(text: str) -> list[str]:
    """The lines as on a terminal, without colours, progress bars and empty lines."""
    lines = [line.rstrip().rpartition("\r")[2] for line in _ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")]
    shown = ["".join(sign if sign.isprintable() else " " for sign in line).rstrip() for line in lines]
    return [_cut(line, LINE_CHARACTERS) for line in shown if line]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} ..."


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "\n".join(item if isinstance(item, str) else _plain(item) for item in value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _failed(item: Result) -> bool:
    return bool(item.get("failed") or item.get("unreachable"))


def _label(item: Result) -> str:
    if item.get("_ansible_no_log"):
        return "(hidden)"
    label = item.get("_ansible_item_label", item.get(item.get("ansible_loop_var", "item"), "?"))
    text = label if isinstance(label, str) else _plain(label)
    return text if len(text) <= 80 else f"{text[:77]}..."


# Playbook -> command of ./lab. `./lab site` repeats those that are a part of site.yml.
VERBS = (
    {"virtual_lab": "up"}
    | {name: name for name in ("site", "sweep", "retrain", "status", "stop")}
    | dict.fromkeys(("check_names", "preflight", "provision", "platform", "deploy"), "site")
)

# Verb -> the extra variables that hold its first arguments.
SUBJECTS = {
    "retrain": ("lab_training_source",),
    "image": ("image_of",),
    "publish": ("publish_image", "publish_target"),
    "logs": ("logs_of",),
    "check": ("sweep",),
    "ui": ("ui_of",),
}


def repeat_command(playbook: str, inventories: Sequence[str], extra: Mapping[str, Any], verb: str | None = None) -> str:
    """The command of ./lab that repeats a playbook.

    Args:
        playbook: its path.
        inventories: as given to ansible-playbook.
        extra: its extra variables.
        verb: the verb of ./lab that runs it, where one does.

    Returns:
        As "./lab site"; for a playbook that has no verb, its line of ansible-playbook.
    """
    verb = verb or VERBS.get(PurePath(playbook).stem)
    if verb is None:
        given = "".join(f" -i {quote(name)}" for name in inventories)
        return f"ansible-playbook {quote(playbook)}{given}"
    if verb == "up" and extra.get("virtual_lab_state") == "absent":
        verb = "down"
    words = ["./lab", verb]
    if verb == "sweep":
        words.append(
            f"-e {quote('resume=' + str(extra['resume']))}" if extra.get("resume") else quote(extra.get("sweep", ""))
        )
    words += [quote(extra.get(name, "")) for name in SUBJECTS.get(verb, ())]
    if verb == "publish" and extra.get("publish_credentials"):
        words.append(f"--credentials {quote(extra['publish_credentials'])}")
    command = " ".join(word for word in words if word)
    return f"{inventory_prefix(inventories)}{command}{further_inventories(inventories)}"


def quote(value: object) -> str:
    """A word of a command line; empty for an empty word."""
    return shlex.quote(str(value)) if value else ""


def next_command_of(result: Result) -> str | None:
    """The next command that an error of the lab has (see `LabError`); of a loop, that of the first item with one."""
    items = [item for item in _list(result.get("results")) if isinstance(item, Mapping)]
    commands = (item.get("next_command") for item in [result, *items])
    return next((command for command in commands if isinstance(command, str) and command), None)


def next_step(
    message: Sequence[str],
    repeat: str,
    unreachable: str | None = None,
    next_command: str | None = None,
    arguments: str = "",
) -> str:
    """What to do after a failure.

    Args:
        message: that of the failure.
        repeat: the command that repeats the playbook, without the user's own arguments.
        unreachable: the address, when the host could not be reached.
        next_command: the command that the error itself has. Without one, it is looked for in the message.
        arguments: the user's own (see `repeated_arguments`). A command with the same verb gets them too.

    Returns:
        A command, or what to do before it. A sweep is not repeated as a whole when the message names a command.
    """
    whole = repeat + arguments
    inventory = repeat.partition("./lab ")[0] if "./lab " in repeat else ""
    further = _further(repeat)
    if unreachable is not None:
        start = f"{inventory}./lab up{further}"
        first = start if is_virtual(unreachable) else f"make this work: ssh {unreachable} true"
        return whole if first == repeat else f"{first}, then: {whole}"
    text = " ".join(message)
    found = [next_command] if next_command else _COMMAND.findall(text)
    commands = {with_prefix(command, inventory) for command in found}
    if len(commands) == 1:
        (first,) = commands
        if verb_of(first) == verb_of(repeat):
            # Of two values of a variable the last one counts: that of the message.
            own = further + ("" if arguments.strip() in first else _TAGS.sub("", arguments))
            return _WITH_OPTIONS.sub(lambda parts: parts[1] + own + parts[2], first, count=1)
        first = _EACH_WITH_INVENTORY.sub(lambda found: found[0] + further, first)
        return first if "./lab sweep" in repeat else f"{first}, then: {whole}"
    if commands or _NAMES_A_WAY.search(text):
        return f"do what the message says, then: {whole}"
    return f"{whole} -v (shows every task)"


def _further(command: str) -> str:
    match = _FURTHER.search(command) if "./lab " in command else None
    return match[0] if match else ""


def verb_of(command: str) -> str | None:
    """The verb of ./lab in a command; None without one."""
    match = re.search(r"\./lab (\w+)", command)
    return match[1] if match else None
