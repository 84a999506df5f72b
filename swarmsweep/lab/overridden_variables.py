"""Variables of groups in hosts.yml that have no effect, because Ansible prefers those of files in group_vars/.

This holds for every group of hosts.yml, also if the file in group_vars/ is that of a group above it. The file of a
group below it counts only if that group has all of its hosts. Ansible does not report it, so a user or a jump host that
was set there would be ignored silently.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from swarmsweep.lab.inventory_files import inventory_of
from swarmsweep.units import quoted

_SUFFIXES = (".yml", ".yaml", ".json")
_ALL = "all"
# Variables that a single host may have. The settings of the lab hold for all of them, and for the controller.
_OF_A_HOST = "ansible_"


class _Group(NamedTuple):
    """One place of a group in hosts.yml. The same group may have several."""

    name: str
    above: tuple[str, ...]
    variables: Mapping[Any, Any]
    hosts: frozenset[str]


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
            except (OSError, RecursionError):
                continue
    return problems


def _problems_of(hosts_file: Path, group_vars: Path) -> Iterator[str]:
    places = list(_groups(_mapping(hosts_file)))
    above = _all_above(places)
    variables: dict[str, dict[Any, Any]] = defaultdict(dict)
    hosts: dict[str, set[str]] = defaultdict(set)
    for place in places:
        variables[place.name] |= place.variables
        for group in {place.name, *above[place.name]}:
            hosts[group] |= place.hosts
    for group, own in variables.items():
        # A file of one of several groups below it overrides the variable for a part of its hosts.
        whole = {name for name in above if group in above[name] and hosts[name] == hosts[group] != set()}
        files = [path for name in sorted({group, *above[group], *whole}) for path in _files(group_vars, name)]
        for name, value in own.items():
            path = next((path for path in files if _mapping(path).get(name, value) != value), None)
            if path is not None:
                yield _sentence(hosts_file, group, name, path)


def _sentence(hosts_file: Path, group: str, name: str, path: Path) -> str:
    hosts, file = (inventory_of([one]) for one in (hosts_file, path))
    below = f", or set it below each host in {hosts}" if name.startswith(_OF_A_HOST) else ""
    return (
        f"{hosts} sets {name} for the group {quoted(group)}. This has no effect, because {file} overrides it. "
        f"Remove it from {hosts}, and change it in {file}{below}"
    )


def _groups(tree: Mapping[Any, Any], above: tuple[str, ...] = ()) -> Iterator[_Group]:
    """Each group of the file. Below another one, it may be a name alone, and have its hosts elsewhere."""
    for name, value in tree.items():
        group = _if_mapping(value)
        hosts = frozenset(str(host) for host in _if_mapping(group.get("hosts")))
        yield _Group(str(name), above, _if_mapping(group.get("vars")), hosts)
        yield from _groups(_if_mapping(group.get("children")), (*above, str(name)))


def _all_above(places: Sequence[_Group]) -> dict[str, set[str]]:
    """The groups above each group, by all places of the file."""
    above: dict[str, set[str]] = defaultdict(set)
    for place in places:
        above[place.name] |= {_ALL, *place.above}
    for names in above.values():
        waiting = list(names)
        while waiting:
            further = above.get(waiting.pop(), set()) - names
            names |= further
            waiting += further
    return dict(above)


def _files(group_vars: Path, group: str) -> Iterator[Path]:
    """The files of variables of a group that Ansible reads: those of the folder of its name, or else one file."""
    for suffix in ("", *_SUFFIXES):
        path = group_vars / f"{group}{suffix}"
        if path.is_dir():
            yield from _files_in(path)
            return
        if path.exists():
            yield path
            return


def _files_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        # Ansible skips hidden files and the copies that editors make.
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            yield from _files_in(path)
        elif path.is_file() and path.suffix in ("", *_SUFFIXES):
            yield path


def _mapping(path: Path) -> Mapping[Any, Any]:
    """What a file of YAML holds, each value as its text; empty where it is no mapping or cannot be read."""
    try:
        # It makes a text of each value, also of one with a tag of Ansible.
        return _if_mapping(yaml.load(path.read_text(), Loader=yaml.BaseLoader))
    except (OSError, ValueError, yaml.YAMLError):
        return {}


def _if_mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}
