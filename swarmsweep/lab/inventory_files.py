"""The files of an inventory as a message names them: a user changes the one that is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmsweep.shared.lab_secrets import MASK

# The one that ./lab uses without LAB_INVENTORY.
DEFAULT_INVENTORY = "inventory/lab"
SETTINGS_FILE = "group_vars/all/lab.yml"
HOSTS_FILE = "hosts.yml"
# What a message says where no file can be named.
UNNAMED = "the inventory"


def named_path(path: str) -> str:
    """A path as the user names it: relative if it is below the working directory."""
    # Path.expanduser() fails where the user is not known. Ansible leaves such a path as it is.
    whole = os.path.normpath(os.path.expanduser(path))  # noqa: PTH111
    relative = os.path.relpath(whole)
    return whole if Path(relative).parts[:1] == (os.pardir,) else relative


def named_inventory(source: Any) -> str:
    """An inventory as the user names it: a list of hosts as it is, else its path."""
    text = str(source)
    return text if _is_list(text) else named_path(text)


def inventory_of(sources: Sequence[Any] | None) -> str:
    """The inventory whose files a message names. Of several it is the last one with settings, because these win."""
    named = _named(sources)
    if len(named) == 1:
        return named[0]
    return next((name for name in reversed(named) if _exists_as_file(settings_of(name))), named[0])


def inventories_with_files(sources: Sequence[Any] | None) -> list[str]:
    """The inventories that are no list of hosts, as a user names them. Settings of a later one win."""
    return [name for name in _named(sources) if not _is_list(name)]


def missing_inventories(sources: Sequence[Any]) -> list[str]:
    """The inventories that are no list of hosts and do not exist, as a user names them."""
    names = [named_inventory(source) for source in sources if str(source)]
    return [name for name in names if not _is_list(name) and not os.path.exists(name)]  # noqa: PTH110


def settings_of(inventory: str) -> str:
    """The file of an inventory that holds the settings of the lab."""
    if not _has_file(inventory):
        return UNNAMED
    folder = Path(inventory).parent if _is_file(inventory) else inventory
    return f"{folder}/{SETTINGS_FILE}"


def hosts_of(inventory: str) -> str:
    """The file of an inventory that holds the hosts."""
    if not _has_file(inventory):
        return UNNAMED
    if _is_file(inventory):
        return inventory
    hosts = f"{inventory}/{HOSTS_FILE}"
    # One of several inventories may have settings alone. In another one, the file of the hosts has another name.
    return UNNAMED if _exists_as_file(settings_of(inventory)) and not _exists_as_file(hosts) else hosts


def _named(sources: Sequence[Any] | None) -> list[str]:
    return [named_inventory(source) for source in sources or () if str(source)] or [DEFAULT_INVENTORY]


def _is_list(inventory: str) -> bool:
    """Whether an inventory is a list of hosts, as h1,h2 or h1, by Ansible's own rule."""
    return "," in inventory


def _has_file(inventory: str) -> bool:
    # manifest.json hides a name that is not known to be harmless.
    return not _is_list(inventory) and MASK not in inventory


def _is_file(inventory: str) -> bool:
    """Whether an inventory is one file: any name, or a script. Where it does not exist here, its name decides."""
    # Path.exists() and Path.is_file() fail where a name is too long for a file.
    if os.path.exists(inventory):  # noqa: PTH110
        return _exists_as_file(inventory)
    return inventory.endswith((".yml", ".yaml", ".json", ".ini"))


def _exists_as_file(path: str) -> bool:
    return os.path.isfile(path)  # noqa: PTH113
