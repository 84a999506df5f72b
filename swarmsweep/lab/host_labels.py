"""Labels of API hosts in the inventory (`lab_labels`), and those that replicas need (`lab_api_placement`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, hosts_of, settings_of
from swarmsweep.units import quoted

SETTING = "lab_api_placement"
LABELS = "lab_labels"
# As the labels of Kubernetes. Such a text needs no quotes in a message.
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_ALLOWED = (
    "a name and a value for each, of letters and digits, with _ . - between them, up to 63 signs. "
    "For example: {disk: ssd}"
)


def excluded_hosts(labels: Mapping[str, Any], wanted: Any) -> list[str]:
    """The API hosts that carry no replicas, because they lack a label.

    Args:
        labels: lab_labels of each API host, by its name. A host may have none.
        wanted: the setting lab_api_placement. Empty: every API host has what it needs.
    """
    needed = _texts(wanted).items()
    return [host for host, own in labels.items() if not needed <= _texts(own).items()]


def placement_problems(
    labels: Mapping[str, Any], wanted: Any, carriers: Collection[str], inventory: str = DEFAULT_INVENTORY
) -> list[str]:
    """One sentence for each mistake in the labels, or for a setting that no host meets.

    Args:
        labels: lab_labels of each API host, by its name.
        wanted: the setting lab_api_placement.
        carriers: the API hosts that carry replicas without this setting.
        inventory: its folder or file, for the messages.
    """
    given = [(SETTING, wanted, settings_of(inventory))]
    given += [(f"{LABELS} of {host}", own, hosts_of(inventory)) for host, own in labels.items()]
    problems = [
        f"{name}{fault}; allowed: {_ALLOWED}. Fix: change it in {file}"
        for name, value, file in given
        if (fault := _fault(value))
    ]
    if problems or not carriers or set(carriers) - set(excluded_hosts(labels, wanted)):
        return problems
    has = "; ".join(f"{host} has {_shown(labels.get(host)) or 'none'}" for host in carriers)
    return [
        f"{SETTING} is {{{_shown(wanted)}}}, and no API host that may carry replicas has these labels: {has}. "
        f"Fix: give one of them {LABELS}: {{{_shown(wanted)}}} in {hosts_of(inventory)}, or change {SETTING} in "
        f"{settings_of(inventory)}"
    ]


def _texts(value: Any) -> dict[str, str]:
    """The labels as texts: 2 and "2" are the same. What is no label matches nothing, and is reported elsewhere."""
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, Mapping) else {}


def _shown(value: Any) -> str:
    return ", ".join(f"{name}: {text}" for name, text in _texts(value).items())


def _fault(value: Any) -> str | None:
    """The mistake, to follow the name of the setting; None if there is none."""
    if value is None or value == "":
        return None
    if not isinstance(value, Mapping):
        return f" is {quoted(value)}"
    for name, text in value.items():
        if not _WORD.fullmatch(str(name)):
            return f" has the name {quoted(name)}"
        # YAML reads yes and 1.10 as a truth value and 1.1.
        if isinstance(text, bool) or not isinstance(text, (str, int)) or not _WORD.fullmatch(str(text)):
            return f".{name} is {quoted(text)}"
    return None
