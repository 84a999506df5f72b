"""One setting of an inventory's group_vars, changed in place: comments, order and all other settings stay."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from swarmsweep.errors import InputError
from swarmsweep.files import write_atomically
from swarmsweep.lab.inventory_files import inventories_with_files, inventory_of

FILE = "group_vars/all/lab.yml"


@dataclass(frozen=True)
class ChangedLine:
    """A setting in a file, before and after. ``before`` is None where the file did not have it."""

    file: str
    name: str
    before: str | None
    after: str

    def sentence(self) -> str:
        """What was changed."""
        if self.before == self.after:
            return f"{self.file}: {self.name} is already {self.after}"
        old = "not set" if self.before is None else repr(self.before) if self.before == "" else self.before
        return f"{self.file}: {self.name} is now {self.after} (before: {old})"


def settings_file(inventory: Path | str) -> Path:
    """The file of the lab's settings that belongs to an inventory (a folder or a file)."""
    path = Path(inventory)
    return (path if path.is_dir() else path.parent) / FILE


def inventory_to_change(sources: Sequence[Any] | None, name: str) -> str:
    """The inventory whose file of settings is changed: the last one that has the setting, else the last with settings.

    ``sources`` are the inventories that Ansible read.
    """
    named = reversed(inventories_with_files(sources))
    return next((one for one in named if _has_setting(settings_file(one), name)), inventory_of(sources))


def set_line(inventory: Path | str, name: str, value: str, effective: str) -> ChangedLine:
    """Give a setting another value.

    Args:
        inventory: as given to Ansible.
        name: of the setting, a text on one line.
        value: the new one.
        effective: what Ansible has for it now. It differs from the file's if another place sets it too.

    Raises:
        InputError: the file cannot be changed, or the change would have no effect. Nothing was changed.
    """
    file = settings_file(inventory)
    fix = f"Write it yourself: {name}: {value}"
    try:
        # bytes: a newline as on Windows stays.
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file}: cannot be read: {reason}. {fix}, into that file") from None
    node = _value_node(text, file, name, fix)
    before = None if node is None else str(node.value)
    if (before or "") != effective:
        there = "is not set" if before is None else f"is {before!r}"
        raise InputError(
            f"{file}: {name} {there}, but Ansible has {effective!r}, so it is set elsewhere. "
            f"Remove it there (other group_vars, hosts.yml, -e). {fix}"
        )
    changed = ChangedLine(str(file), name, before, value)
    if before == value:
        return changed
    word = value if _is_plain(value) else json.dumps(value)
    if node is None:
        after = text + ("" if not text or text.endswith("\n") else "\n") + f"{name}: {word}\n"
    else:
        start = text[: node.start_mark.index]
        # An empty value begins directly after the colon.
        after = start + (" " if start.endswith(":") else "") + word + text[node.end_mark.index :]
    _compare(text, after, name, value, f"{file}: {name} cannot be changed without other changes to the file. {fix}")
    real = file.resolve()
    write_atomically(real, after, like=real.stat())
    return changed


def _has_setting(file: Path, name: str) -> bool:
    try:
        return any(key == name for key, _ in _pairs(file.read_bytes().decode()))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return False


def _value_node(text: str, file: Path, name: str, fix: str) -> yaml.ScalarNode | None:
    """The value of the setting, with its place in the text; None where the file does not have it."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{file}: is not valid YAML: {str(error).splitlines()[0]}. Correct it first. {fix}") from None
    if tree is None:
        return None
    if not isinstance(tree, yaml.MappingNode):
        raise InputError(f"{file}: holds no settings; allowed: lines of the form name: value. {fix}")
    found = [value for key, value in tree.value if key.value == name]
    lines = ", ".join(str(value.start_mark.line + 1) for value in found)
    if len(found) > 1:
        raise InputError(f"{file}: {name} is in lines {lines}; allowed: once. Remove the others")
    if not found:
        return None
    node = found[0]
    if not isinstance(node, yaml.ScalarNode) or node.start_mark.line != node.end_mark.line:
        raise InputError(f"{file}:{lines}: {name} is not a text on one line, so it is not replaced. {fix}")
    if "{{" in node.value:
        raise InputError(f"{file}:{lines}: {name} is the template {node.value!r}, so it is not replaced. {fix}")
    return node


def _is_plain(value: str) -> bool:
    """Whether YAML reads the word as the same text without quotes."""
    try:
        return bool(value) and yaml.safe_load(f"x: {value}") == {"x": value}
    except yaml.YAMLError:
        return False


def _compare(before: str, after: str, name: str, value: str, message: str) -> None:
    """Refuse a change of anything but the setting."""
    try:
        pairs = _pairs(after)
    except yaml.YAMLError:
        raise InputError(message) from None
    old = [pair for pair in _pairs(before) if pair[0] != name]
    new = [pair for pair in pairs if pair[0] != name]
    mine = [pair[1] for pair in pairs if pair[0] == name]
    if old != new or mine != [yaml.serialize(yaml.ScalarNode("tag:yaml.org,2002:str", value))]:
        raise InputError(message)


def _pairs(text: str) -> list[tuple[str, str]]:
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = tree.value if isinstance(tree, yaml.MappingNode) else []
    return [(key.value, yaml.serialize(_without_style(value))) for key, value in pairs]


def _without_style(node: yaml.Node) -> yaml.Node:
    """A text means the same with and without quotes."""
    return yaml.ScalarNode(node.tag, node.value) if isinstance(node, yaml.ScalarNode) else node
