"""Where the cgroups are: mounts of both versions and their hybrid, and the directories of one container."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CgroupMount:
    """One mounted cgroup hierarchy: `root` is the path inside the hierarchy that is seen at `point`."""

    point: Path
    root: str
    controllers: frozenset  # names of the v1 controllers; empty for the unified (v2) hierarchy
    unified: bool


def parse_mounts(mountinfo: str, filesystem_root: Path = Path("/")) -> list[CgroupMount]:
    """cgroup mounts of a /proc/<pid>/mountinfo text (proc(5)). `filesystem_root` is prefixed to mount points."""
    mounts = []
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(), right.split()
        if not separator or len(before) < 5 or len(after) < 3 or after[0] not in ("cgroup", "cgroup2"):
            continue
        point = filesystem_root / unescape(before[4]).lstrip("/")
        unified = after[0] == "cgroup2"
        controllers = frozenset() if unified else frozenset(after[2].split(","))
        mounts.append(CgroupMount(point, unescape(before[3]), controllers, unified))
    return mounts


def unescape(field: str) -> str:
    """mountinfo writes space, tab, newline and backslash as octal escapes."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escape, character)
    return field


def parse_membership(cgroup: str) -> dict[str, str]:
    """/proc/<pid>/cgroup as {v1 controller: path}; the unified hierarchy has the key ""."""
    membership = {}
    for line in cgroup.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            for controller in parts[1].split(","):
                membership[controller] = parts[2]
    return membership


def directory_in(mount: CgroupMount, path: str) -> Path | None:
    """Directory of cgroup `path` below a mount, or None when the mount does not show it.

    A bind mount shows only the part below its root: the path of the process is then longer than what is visible.
    """
    root = mount.root.rstrip("/")
    for visible in (path[len(root) :] if path == root or path.startswith(root + "/") else None, path):
        if visible is None or ".." in visible.split("/"):
            continue
        directory = mount.point / visible.lstrip("/")
        if directory.is_dir():
            return directory
    return None


def search_by_name(mount: CgroupMount, container_id: str, depth: int = 5) -> Path | None:
    """Directory named after the container, for a process whose path lies outside our cgroup namespace (`/../..`)."""
    names = {container_id, f"docker-{container_id}.scope"}
    base = len(mount.point.parts)
    for directory, children, _ in os.walk(mount.point):
        matches = names.intersection(children)
        if matches:
            return Path(directory) / matches.pop()
        if len(Path(directory).parts) - base >= depth:
            children.clear()
    return None


@dataclass(frozen=True)
class ContainerCgroup:
    """Directories that hold the counters of one container; None where the kernel offers no such controller."""

    cpu: Path | None = None  # v1: periods and throttling
    cpuacct: Path | None = None  # v1: CPU time
    memory: Path | None = None  # v1
    unified: Path | None = None  # v2: all that no v1 controller holds


def locate_container(container_id: str, cgroup: str, mounts: Sequence[CgroupMount]) -> ContainerCgroup | None:
    """Directories of a container, from the /proc/<pid>/cgroup text of its first process; None when nothing is found.

    A controller belongs to exactly one hierarchy, so a v1 mount of it wins. In a hybrid the unified tree is empty: it
    answers only for controllers that no v1 hierarchy holds.
    """
    membership = parse_membership(cgroup)

    def find(wanted: Callable[[CgroupMount], bool], path: str | None) -> Path | None:
        candidates = [mount for mount in mounts if wanted(mount)]
        for mount in candidates:
            directory = directory_in(mount, path) if path is not None else None
            if directory is not None and directory != mount.point:
                return directory
        for mount in candidates:
            directory = search_by_name(mount, container_id)
            if directory is not None:
                return directory
        return None

    directories = {
        name: find(lambda mount, name=name: name in mount.controllers, membership.get(name))
        for name in ("cpu", "cpuacct", "memory")
    }
    directories["unified"] = find(lambda mount: mount.unified, membership.get(""))
    return ContainerCgroup(**directories) if any(directories.values()) else None
