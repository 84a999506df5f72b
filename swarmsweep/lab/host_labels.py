"""Labels of API hosts in the inventory (`lab_labels`): those that replicas need, and the one that spreads them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, hosts_of, settings_of
from swarmsweep.units import quoted

SETTING = "lab_api_placement"
SPREAD = "lab_api_spread"
LABELS = "lab_labels"
# With more, the divisions that Swarm may choose take long to compute. The values of a rack or a zone are fewer.
MAX_GROUPS = 6
# As the labels of Kubernetes. Such a text needs no quotes in a message.
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_ALLOWED = (
    "a name and a value for each label, of letters and digits, with _ . - between them, up to 63 characters. "
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


def hosts_with_replicas(labels: Mapping[str, Any], wanted: Any, *, is_manager_used: bool) -> list[str]:
    """The API hosts that carry replicas, in the order of the inventory. The first one is the manager.

    Args:
        labels: lab_labels of each API host, by its name.
        wanted: the setting lab_api_placement.
        is_manager_used: lab_api_on_manager.
    """
    idle = {*excluded_hosts(labels, wanted), *([] if is_manager_used else list(labels)[:1])}
    return [host for host in labels if host not in idle]


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
    given = [(SETTING, "", wanted, settings_of(inventory))]
    given += [(LABELS, f" of {host}", own, hosts_of(inventory)) for host, own in labels.items()]
    problems = [
        f"{name}{fault[0]}{of_host}{fault[1]}; allowed: {_ALLOWED}. Fix: change it in {file}"
        for name, of_host, value, file in given
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


def spread_groups(labels: Mapping[str, Any], label: Any, carriers: Collection[str]) -> dict[str, str]:
    """The group of each API host, between which Swarm spreads replicas: its value of a label.

    Args:
        labels: lab_labels of each API host, by its name.
        label: the setting lab_api_spread. Empty: there are no groups.
        carriers: the API hosts that carry replicas. The others get the group of one of these, because Swarm would also
            divide replicas to a group in which no host may have any.
    """
    if not label or not carriers:
        return {}
    values = {host: _texts(own).get(str(label), "") for host, own in labels.items()}
    first = next(value for host, value in values.items() if host in carriers)
    return {host: value if host in carriers else first for host, value in values.items()}


def spread_problems(
    labels: Mapping[str, Any], label: Any, carriers: Collection[str], inventory: str = DEFAULT_INVENTORY
) -> list[str]:
    """A sentence for a mistake in lab_api_spread, or for hosts without this label; see `spread_groups`."""
    if not label:
        return []
    fix = f"Fix: change it in {settings_of(inventory)}"
    if not isinstance(label, str) or not _WORD.fullmatch(label):
        return [f"{SPREAD} is {quoted(label)}; allowed: the name of a label of the API hosts, for example rack. {fix}"]
    lacking = [host for host in labels if host in carriers and label not in _texts(labels[host])]
    if lacking:
        return [
            f"{SPREAD} is {label}, and these API hosts have no such label: {', '.join(lacking)}. "
            f"Fix: give each a value, as in {LABELS}: {{{label}: a}}, in {hosts_of(inventory)}"
        ]
    values = set(spread_groups(labels, label, carriers).values())
    if len(values) > MAX_GROUPS:
        return [f"{SPREAD} is {label}, which has {len(values)} values; allowed: up to {MAX_GROUPS}. {fix}"]
    return []


def _texts(value: Any) -> dict[str, str]:
    """The labels as texts: 2 and "2" are the same. What is no label matches nothing, and is reported elsewhere."""
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, Mapping) else {}


def _shown(value: Any) -> str:
    return ", ".join(f"{name}: {text}" for name, text in _texts(value).items())


def _fault(value: Any) -> tuple[str, str] | None:
    """The key that follows the name of the setting, empty for the whole setting, and its mistake. None without one."""
    if value is None or value == "":
        return None
    if not isinstance(value, Mapping):
        return "", f" is {quoted(value)}"
    for name, text in value.items():
        if not _WORD.fullmatch(str(name)):
            return "", f" has the name {quoted(name)}"
        # YAML reads yes and 1.10 as a truth value and 1.1.
        if isinstance(text, bool) or not isinstance(text, (str, int)) or not _WORD.fullmatch(str(text)):
            return f".{name}", f" is {quoted(text)}"
    return None
