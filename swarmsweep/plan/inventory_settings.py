"""Settings of an inventory that a command without Ansible can read: those that are plain YAML in its group_vars."""

from pathlib import Path
from typing import Any

import yaml


def plain_settings(*inventories: Path | str) -> dict[str, Any]:
    """The settings in the group_vars of group all, without those that are templates."""
    found: dict[str, Any] = {}
    # Ansible reads them in this order, and the last one wins.
    for file in (file for inventory in inventories for file in _files(Path(inventory))):
        try:
            values = yaml.safe_load(file.read_text())
        except (OSError, ValueError, RecursionError, yaml.YAMLError):
            continue
        known = values if isinstance(values, dict) else {}
        found |= {name: value for name, value in known.items() if not (isinstance(value, str) and "{{" in value)}
    return found


def _files(inventory: Path) -> list[Path]:
    folder = (inventory if inventory.is_dir() else inventory.parent) / "group_vars" / "all"
    return sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])
