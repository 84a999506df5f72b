"""The files of an inventory as a message names them: a user changes the one that is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

# The one that ./lab uses without LAB_INVENTORY.
DEFAULT_INVENTORY = "inventory/lab"
SETTINGS_FILE = "group_vars/all/lab.yml"
HOSTS_FILE = "hosts.yml"


def inventory_of(sources: Sequence[Any] | None) -> str:
    """The inventory's path as the user names it: relative if it is below the working directory."""
    source = str(sources[0]) if sources else DEFAULT_INVENTORY
    relative = os.path.relpath(source)
    return source if relative.startswith("..") else relative


def settings_of(inventory: str) -> str:
    """The file of an inventory that holds the settings of the lab."""
    folder = inventory.rpartition("/")[0] or "." if _is_file(inventory) else inventory
    return f"{folder}/{SETTINGS_FILE}"


def hosts_of(inventory: str) -> str:
    """The file of an inventory that holds the hosts."""
    return inventory if _is_file(inventory) else f"{inventory}/{HOSTS_FILE}"


def _is_file(inventory: str) -> bool:
    return inventory.endswith((".yml", ".yaml", ".json", ".ini"))
