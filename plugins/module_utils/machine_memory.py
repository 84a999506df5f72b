"""How much memory a machine may use. Shared by controller and hosts."""

from __future__ import annotations

import os
from pathlib import Path

# Files of cgroup v2 and of cgroup v1, as a container sees its own.
CGROUP_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


def total_memory_bytes(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the memory in bytes that this machine may use: the smaller of its memory and its cgroup limit."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([total, *(limit for name in CGROUP_LIMITS if (limit := _cgroup_limit(cgroup / name)) is not None)])


def _cgroup_limit(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max" is no limit
