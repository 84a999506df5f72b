"""Names that begin with lab_, and that nothing reads. Ansible ignores them: a misspelled setting would have no effect.

The playbooks are the list of the settings: roles get them from there, and never read lab_* themselves. A template of
the inventory may read more names, as connection.yml does. So may a plugin that makes groups or variables of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from swarmsweep.lab.host_labels import LABELS
from swarmsweep.lab.inventory_files import (
    DEFAULT_INVENTORY,
    SETTINGS_FILE,
    UNNAMED,
    inventories_with_files,
    named_path,
)
from swarmsweep.units import listed

# connection.yml reads it. A user may set ansible_user there instead, and leave this line of lab.yml as it is.
_REMOTE_USER = "lab_remote_user"
# Variables with other names are the user's own.
_PREFIX = "lab_"
_NAME = re.compile(r"\blab_\w+")
# A filter comes after |, or in quotes as the argument of another one.
_READ = re.compile(r"(?P<filter>\|\s*|['\"])?\b(?P<name>lab_\w+)")
# A task has the name of its module alone on a line, with or without an anchor of YAML.
_MODULE = re.compile(r"\s*(- )?lab_\w+:(\s*&\w+)?\s*")
# More names would be further from the one that was meant.
_MOST_NAMES = 3
# The part of two names that is equal. A transposition or a missing letter is above it, another setting below it.
_LIKENESS = 0.8
# An expression of Jinja within one line.
_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")
# The first line of a file that ansible-vault encrypted.
_VAULT = "$ANSIBLE_VAULT;"
_SUFFIXES = ("", ".yml", ".yaml", ".json", ".ini")
_VARIABLES_FOLDERS = {"group_vars", "host_vars"}


@cache
def setting_names(root: Path | str) -> frozenset[str]:
    """The settings that the playbooks of a clone read. ``root`` is its folder."""
    # A file with variables for -e may be beside site.yml. It sets names, and reads none.
    beside = [path for path in Path(root).glob("*.yml") if isinstance(_tree(path), list)]
    playbooks = [*beside, *Path(root).glob("playbooks/**/*.yml")]
    names = {name for path in playbooks for name in _names_read(path.read_text(encoding="utf-8"))}
    # plugins/action/preflight.py reads the labels of each host.
    return frozenset({*names, LABELS, _REMOTE_USER})


def unknown_settings(
    variables: Iterable[Mapping[str, Any]], sources: Sequence[Any] | None, root: Path | str
) -> list[str]:
    """The names that nothing reads, in order.

    ``variables`` are those of each host, with templates as written. ``sources`` are the folders and files of the
    inventory.
    """
    given = list(variables)
    names = {str(name) for one in given for name in one if str(name).startswith(_PREFIX)}
    unknown = names - setting_names(root)
    if not unknown:
        return []
    # Looking through all values and files takes longer.
    read = {name for source in inventories_with_files(sources) for name in _names_beside_variables(source)}
    return sorted(unknown - set(_names_in_templates(given)) - read)


def unknown_problems(
    unknown: Sequence[str], sources: Sequence[Any] | None, extra: Iterable[Any], root: Path | str
) -> list[str]:
    """One sentence for each such name: where it is, and which settings have a name like it.

    ``sources`` are the folders and files of the inventory, ``extra`` the values of ``-e``.
    """
    options = [str(text) for text in extra]
    files = [path for source in inventories_with_files(sources) for path in inventory_paths(source)]
    files += [Path(text[1:]) for text in options if text.startswith("@")]
    return [_problem(name, _places(name, files, options), setting_names(root)) for name in unknown]


def problems_in_files(sources: Sequence[Any] | None, root: Path | str) -> list[str]:
    """The same for inventories as far as they are YAML, for a command without Ansible.

    A file of ansible-vault may read any name, so beside one no name is a problem here.
    """
    inventories = inventories_with_files(sources)
    if any(_text(path).startswith(_VAULT) for inventory in inventories for path in inventory_paths(inventory)):
        return []
    given = [variables for inventory in inventories for variables in settings_in_files(inventory)]
    return unknown_problems(unknown_settings(given, inventories, root), inventories, (), root)


def inventory_paths(inventory: Path | str) -> list[Path]:
    """The files of an inventory, with those of its group_vars and host_vars."""
    source, folder = Path(inventory), _folder(inventory)
    own = folder.glob("*") if source.is_dir() else [source]
    given = [path for part in sorted(_VARIABLES_FOLDERS) for path in folder.glob(f"{part}/**/*")]
    # Ansible skips hidden files too.
    return [
        path
        for path in sorted({*own, *given})
        if path.suffix in _SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]


def settings_in_files(inventory: Path | str) -> list[Mapping[str, Any]]:
    """The variables of an inventory in YAML, as far as they can be read without Ansible."""
    found: list[Mapping[str, Any]] = []
    for path in inventory_paths(inventory):
        tree = _tree(path)
        found += [tree] if _is_of_variables(path, inventory) else _variables_of_hosts(tree)
    return [variables for variables in found if isinstance(variables, Mapping)]


def _folder(inventory: Path | str) -> Path:
    source = Path(inventory)
    return source if source.is_dir() else source.parent


def _is_of_variables(path: Path, inventory: Path | str) -> bool:
    return not _VARIABLES_FOLDERS.isdisjoint(path.relative_to(_folder(inventory)).parts)


def _variables_of_hosts(groups: Any) -> Iterator[Any]:
    """The variables in a file of hosts: those of groups, and below each host."""
    for group in groups.values() if isinstance(groups, Mapping) else ():
        if isinstance(group, Mapping):
            hosts = group.get("hosts")
            yield group.get("vars")
            yield from hosts.values() if isinstance(hosts, Mapping) else ()
            yield from _variables_of_hosts(group.get("children"))


def _tree(path: Path) -> Any:
    try:
        # It makes a text of each value, also of one with a tag of Ansible.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None


def _names_read(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not line.lstrip().startswith("#") and not _MODULE.fullmatch(line):
            yield from (match["name"] for match in _READ.finditer(line) if match["filter"] is None)


def _names_in_templates(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if "{{" in value or "{%" in value:
            yield from _NAME.findall(value)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _names_in_templates(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _names_in_templates(part)


def _names_beside_variables(inventory: Path | str) -> Iterator[str]:
    """The names that the files of hosts read whose variables are not known: in INI, or the settings of a plugin."""
    for path in inventory_paths(inventory):
        if _is_of_variables(path, inventory):
            continue
        tree = _tree(path)
        if not isinstance(tree, Mapping):
            yield from (name for text in _EXPRESSION.findall(_text(path)) for name in _NAME.findall(text))
        elif "plugin" in tree:
            # A plugin such as constructed evaluates its values as expressions, without braces.
            yield from _NAME.findall(_text(path))


def _places(name: str, files: Iterable[Path], options: Iterable[str]) -> str:
    """Where a name is set, in words."""
    # As in YAML, JSON or INI, or as a word of -e. A comment or a template is no place.
    is_set = re.compile(rf"^[^#\n]*?(?<![\w.]){name}['\"]?\s*[:=](?!=)", re.MULTILINE)
    found = [named_path(str(path)) for path in files if is_set.search(_text(path))]
    found += ["the option -e"] if any(is_set.search(text) for text in options) else []
    return listed(found) if found else UNNAMED


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _problem(name: str, places: str, known: Iterable[str]) -> str:
    # All names begin alike, which says nothing about their likeness.
    rests = [setting.removeprefix(_PREFIX) for setting in sorted(known)]
    like = get_close_matches(name.removeprefix(_PREFIX), rests, _MOST_NAMES, _LIKENESS)
    allowed = ", ".join(_PREFIX + rest for rest in like)
    fix = f"allowed: {allowed}" if like else f"allowed: the settings in {DEFAULT_INVENTORY}/{SETTINGS_FILE}"
    return (
        f"{name} is no setting of the lab, so it has no effect; {fix}. It is set by {places}. Correct the name there, "
        f"or remove it. The name of a variable of your own must not begin with {_PREFIX}"
    )
