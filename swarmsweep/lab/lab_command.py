"""Commands of ./lab as a user types them for one lab: with its inventory, and with the options of an earlier command.

Without the inventory, a command in a new shell would measure another API.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, inventory_of, named_inventory
from swarmsweep.lab.mask_secrets import FLAG, VARIABLES, Argument, arguments_of
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
# The verbs of ./lab that read an inventory. The others need none, as `./lab report`.
VERBS = frozenset(
    {
        *("demo", "up", "site", "sweep", "plan", "retrain", "status", "check", "image", "publish", "logs", "compose"),
        *("ui", "stop", "clean", "down"),
    }
)
# A word as a shell reads it, and the inventory that a command already has.
SHELL_WORD = r"""(?:'[^']*'|"[^"]*"|\\.|[^\s'"\\])+"""
GIVEN_INVENTORY = rf"\bLAB_INVENTORY={SHELL_WORD} "
_COMMAND = re.compile(rf"(?P<given>{GIVEN_INVENTORY})?(?<![\w./])\./lab (?=(?:{'|'.join(sorted(VERBS))})\b)")


@dataclass(frozen=True)
class LabCommands:
    """Commands for the lab of one command line.

    ``inventory`` is the path whose files a message names, and ``inventories`` are all of them. ``prefix`` comes before
    ./lab, and ``options`` after the subject. ``reports`` is the folder of the runs.
    """

    inventory: str = DEFAULT_INVENTORY
    prefix: str = ""
    options: str = ""
    inventories: tuple[str, ...] = (DEFAULT_INVENTORY,)
    reports: str = "reports"

    def sweep(self, subject: str) -> str:
        """The command of a sweep; ``subject`` is its file or -e resume=RUN, as a shell reads it."""
        return f"{self.prefix}./lab sweep{f' {subject}' if subject else ''}{self.options}"

    def report(self, run_id: str) -> str:
        """The command that builds the report of a run again."""
        folder = "" if self.reports == LabCommands.reports else f" --reports-dir {shlex.quote(self.reports)}"
        return f"./lab report {run_id}{folder}"

    def noted_sweep(self, subject: str) -> str:
        """The same, with a note where a value is hidden."""
        command = self.sweep(subject)
        return command + note_on_hidden(command)

    def in_text(self, text: str) -> str:
        """A text whose commands of ./lab name the inventory."""
        return with_prefix(text, self.prefix)


# Of the inventory that comes with swarmsweep, without options.
USUAL = LabCommands()


def commands_like(argv: Sequence[str], sources: Sequence[str] | None = None, reports: str | None = None) -> LabCommands:
    """The commands that follow a command line of ansible-playbook: another sweep with the same settings.

    Args:
        argv: the command line.
        sources: the inventories that Ansible read, where they are known. A configuration of Ansible may name them.
        reports: the folder of the runs, where it is known.
    """
    given: list[str] = []
    words: list[str] = []
    for argument in arguments_of(argv):
        flags, rest = _parts(argument)
        words += flags
        if is_inventory(argument):
            given.append(argument.value or "")
        elif argument.kind == VARIABLES:
            words += _variables(argument.value or "")
        elif argument.name and argument.name not in _OF_ONE_COMMAND:
            words += rest
    inventories = [named_inventory(source) for source in (sources or given) if source] or [DEFAULT_INVENTORY]
    options = further_inventories(inventories) + "".join(f" {shlex.quote(word)}" for word in words)
    return LabCommands(
        inventory_of(inventories),
        inventory_prefix(inventories),
        options,
        inventories=tuple(inventories),
        reports=reports or LabCommands.reports,
    )


def _parts(argument: Argument) -> tuple[list[str], tuple[str, ...]]:
    """The short options without a value that hold for the next command too, and the rest of the argument.

    One word may have several: -Kv is -K, and -Kf 5 is -K -f 5.
    """
    words = shown(argument)
    word = argument.typed[0]
    if not argument.name or word.startswith("--"):
        return [], words
    letters = word[1:] if argument.kind == FLAG else word[1:].partition(argument.name)[0]
    kept = "".join(letter for letter in letters if letter not in _OF_ONE_COMMAND)
    rest: tuple[str, ...] = () if argument.kind == FLAG else (f"-{words[0][1 + len(letters) :]}", *words[1:])
    return [f"-{kept}"] if kept else [], rest


def _variables(text: str) -> list[str]:
    """The words of -e without the variables of one sweep."""
    # What is left after a variable is never a file, also where it begins with @. So it is masked before.
    known = text if text.startswith("@") else next(arguments_of(["", "-e", text])).masked[1]
    kept = without_variables(known, _OF_ONE_SWEEP)
    return ["-e", kept] if kept else []


def inventory_prefix(inventories: Sequence[str]) -> str:
    """What comes before ./lab for these inventories; empty for the default one.

    LAB_INVENTORY has a place for the first one alone. The others are options, see `further_inventories`.
    """
    given = [inventory for inventory in inventories if inventory] or [DEFAULT_INVENTORY]
    inventory = named_inventory(given[0])
    return "" if inventory == DEFAULT_INVENTORY else f"LAB_INVENTORY={shlex.quote(inventory)} "


def further_inventories(inventories: Sequence[str]) -> str:
    """The options of the inventories after the first one, each after a space."""
    given = [inventory for inventory in inventories if inventory]
    return "".join(f" -i {shlex.quote(named_inventory(inventory))}" for inventory in given[1:])


def with_prefix(text: str, prefix: str) -> str:
    """A text with a prefix before each command of ./lab that has no inventory yet."""

    def prefixed(match: re.Match[str]) -> str:
        return match[0] if match["given"] else prefix + match[0]

    return _COMMAND.sub(prefixed, text) if prefix else text
