"""Values of the inventory as they are written, because YAML makes a number of 1.10 and a boolean of yes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


def as_written(values: Mapping[str, Any], setting: str, *inventories: Path | str) -> dict[str, Any]:
    """The values of a mapping of the inventory, each number, boolean and date as the text in the file that it is from.

    Ansible decides which values hold. A text is used only where YAML reads it as the same value. A value from another
    place, as the command line, stays as it is.

    Args:
        values: the setting as Ansible has it.
        setting: its name.
        inventories: in the order in which Ansible reads them. A later one wins.
    """
    found = dict(values)
    for texts in (texts for inventory in inventories for texts in _texts(Path(inventory), setting)):
        for name, text in texts.items():
            if name not in values or isinstance(values[name], str):
                continue
            if isinstance(text, str) and _is_same(_read(text), values[name]):
                found[name] = text
    return found


def _texts(inventory: Path, setting: str) -> Iterator[dict[Any, Any]]:
    """The setting in each file of the group `all`, in the order in which Ansible reads them, with texts for values."""
    folder = (inventory if inventory.is_dir() else inventory.parent) / "group_vars" / "all"
    for file in sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]):
        try:
            # This loader makes a text of each plain value.
            tree = yaml.load(file.read_text(), Loader=yaml.BaseLoader)
            texts = tree.get(setting)
        except (OSError, ValueError, RecursionError, AttributeError, yaml.YAMLError):
            continue
        if isinstance(texts, dict):
            yield texts


def _read(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _is_same(one: Any, two: Any) -> bool:
    return type(one) is type(two) and bool(one == two)
