"""Variables of groups in hosts.yml that have no effect, because Ansible prefers those of files in group_vars/.

This holds for every group of hosts.yml, also if the file in group_vars/ is that of a group above it. Ansible does
not report it, so a user or a jump host that was set there would be ignored silently.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from swarmsweep.lab.lab_names import inventory_of
from swarmsweep.units import quoted

_SUFFIXES = (".yml", ".yaml", ".json")
_ALL = "all"
# Variables that a single host may have. The settings of the lab hold for all of them, and for the controller.
_OF_A_HOST = "ansible_"


def overridden_problems(sources: Sequence[Any] | None) -> list[str]:
    """One sentence for each such variable, with the file that overrides it.

    ``sources`` are the folders and files of the inventory. What cannot be read is left to Ansible, which reports it.
    """
    problems: list[str] = []
    for source in [Path(str(one)) for one in sources or []]:
        folder = source if source.is_dir() else source.parent
        files = [path for path in sorted(source.iterdir()) if path.suffix in _SUFFIXES] if source.is_dir() else [source]
        for file in files:
            try:
                problems += _problems_of(file, folder / "group_vars")
            except RecursionError:
                continue
    return problems


def _problems_of(hosts_file: Path, group_vars: Path) -> Iterator[str]:
    variables: dict[str, dict[str, Any]] = defaultdict(dict)
    related: dict[str, set[str]] = defaultdict(set)
    for group, above, own in _groups(_mapping(hosts_file)):
        variables[group] |= own
        for other in (_ALL, *above):
            related[group].add(other)
            related[other].add(group)
    for group, own in variables.items():
        files = [path for name in sorted({group, *related[group]}) for path in _files(group_vars, name)]
        for name, value in own.items():
            path = next((path for path in files if _mapping(path).get(name, value) != value), None)
            if path is not None:
                yield _sentence(hosts_file, group, name, path)


def _sentence(hosts_file: Path, group: str, name: str, path: Path) -> str:
    hosts, file = (inventory_of([one]) for one in (hosts_file, path))
    below = f", or set it below each host in {hosts}" if name.startswith(_OF_A_HOST) else ""
    return (
        f"{hosts} sets {name} for the group {quoted(group)}. This has no effect, because {file} overrides it. "
        f"Remove it there, and change it in {file}{below}"
    )


def _groups(tree: Mapping[Any, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Each group with the groups above it, and its own variables."""
    for name, group in tree.items():
        if isinstance(group, Mapping):
            yield str(name), above, _if_mapping(group.get("vars"))
            yield from _groups(_if_mapping(group.get("children")), (*above, str(name)))


def _files(group_vars: Path, group: str) -> Iterator[Path]:
    """The files of variables of a group: of its name, or in a folder of its name."""
    for suffix in ("", *_SUFFIXES):
        path = group_vars / f"{group}{suffix}"
        if path.is_file():
            yield path
    folder = group_vars / group
    if folder.is_dir():
        yield from (path for path in sorted(folder.rglob("*")) if path.suffix in ("", *_SUFFIXES) and path.is_file())


def _mapping(path: Path) -> Mapping[Any, Any]:
    """What a file of YAML holds, each value as its text; empty where it is no mapping or cannot be read."""
    try:
        # It makes a text of each value, also of one with a tag of Ansible.
        return _if_mapping(yaml.load(path.read_text(), Loader=yaml.BaseLoader))
    except (OSError, ValueError, yaml.YAMLError):
        return {}


def _if_mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}
