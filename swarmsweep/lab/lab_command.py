"""Commands of ./lab as a user types them for one lab: with its inventory, and with the options of an earlier command.

Without the inventory, a command in a new shell would measure another API.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, inventory_of
from swarmsweep.lab.mask_secrets import VARIABLES, arguments_of
from swarmsweep.lab.repeated_arguments import is_inventory, note_on_hidden, shown, without_variables

# What belongs to one sweep, and not to the one that follows.
_OF_ONE_SWEEP = frozenset({"sweep", "resume", "seed", "sweep_only", "sweep_max_minutes"})
# Options that make a command do a part of its work, or none. Letters are the short forms.
_OF_ONE_COMMAND = frozenset(
    {
        *("v", "--verbose", "h", "--help", "--version", "C", "--check", "D", "--diff", "t", "--tags", "--skip-tags"),
        *("--step", "--start-at-task", "--list-hosts", "--list-tags", "--list-tasks", "--syntax-check"),
    }
)
# The verbs that read an inventory. The others need none, as `./lab report`.
_VERBS = "demo|up|site|sweep|plan|retrain|status|check|image|publish|logs|compose|ui|stop|clean|down"
_COMMAND = re.compile(rf"(?<![\w./])\./lab (?=(?:{_VERBS})\b)")


@dataclass(frozen=True)
class LabCommands:
    """``inventory`` is its path, ``prefix`` what comes before ./lab, ``options`` what comes after the subject."""

    inventory: str = DEFAULT_INVENTORY
    prefix: str = ""
    options: str = ""

    def sweep(self, subject: str) -> str:
        """The command of a sweep; ``subject`` is its file or -e resume=RUN, as a shell reads it."""
        return f"{self.prefix}./lab sweep{f' {subject}' if subject else ''}{self.options}"

    def noted_sweep(self, subject: str) -> str:
        """The same, with a note where a value is hidden."""
        command = self.sweep(subject)
        return command + note_on_hidden(command)

    def in_text(self, text: str) -> str:
        """A text whose commands of ./lab name the inventory."""
        return with_prefix(text, self.prefix)


# Of the inventory that comes with swarmsweep, without options.
USUAL = LabCommands()


def commands_like(argv: Sequence[str]) -> LabCommands:
    """The commands that follow a command line of ansible-playbook: another sweep with the same settings."""
    inventories: list[str] = []
    words: list[str] = []
    for argument in arguments_of(argv):
        if is_inventory(argument):
            inventories.append(argument.value or "")
        elif argument.kind == VARIABLES:
            kept = without_variables(argument.value or "", _OF_ONE_SWEEP)
            words += shown(next(arguments_of(["", "-e", kept]))) if kept else []
        elif argument.name and argument.name not in _OF_ONE_COMMAND:
            words += shown(argument)
    options = "".join(f" {shlex.quote(word)}" for word in words)
    return LabCommands(inventory_of(inventories), inventory_prefix(inventories), options)


def inventory_prefix(inventories: Sequence[str]) -> str:
    """What comes before ./lab for this inventory; empty for the default one.

    LAB_INVENTORY has no place for several inventories.
    """
    inventory = inventory_of(inventories)
    if len(inventories) != 1 or inventory.rstrip("/") == DEFAULT_INVENTORY:
        return ""
    return f"LAB_INVENTORY={shlex.quote(inventory)} "


def with_prefix(text: str, prefix: str) -> str:
    """A text with a prefix before each command of ./lab that does not have it."""

    def prefixed(match: re.Match[str]) -> str:
        return match[0] if text.endswith(prefix, 0, match.start()) else prefix + match[0]

    return _COMMAND.sub(prefixed, text) if prefix else text
