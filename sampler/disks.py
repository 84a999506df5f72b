"""Bytes and busy time of the disks, from /proc/diskstats."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sampler.kernel_files import parse_number, read_text

# The kernel counts in these, whatever sectors the disk has.
SECTOR_BYTES = 512
# Devices in memory, drives for removable media, and layers above other disks, whose bytes would count twice.
NO_DISK = re.compile(r"(loop|ram|zram|sr|fd|dm-|md)\d+$")
# What the name of a partition adds to that of its disk: sda1, nvme0n1p2.
PARTITION = re.compile(r"p?\d+")


def parse_disks(diskstats: str) -> dict[str, dict[str, float]]:
    """Counters by disk, from a /proc/diskstats text; partitions are a part of their disk."""
    found = {}
    for line in diskstats.splitlines():
        fields = line.split()
        if len(fields) < 14 or NO_DISK.match(fields[2]):
            continue
        read, written, busy_ms = (parse_number(fields[place]) for place in (5, 9, 12))
        if read is not None and written is not None and busy_ms is not None:
            found[fields[2]] = {
                "read_bytes": SECTOR_BYTES * read,
                "written_bytes": SECTOR_BYTES * written,
                "busy_seconds": busy_ms / 1000,
            }
    return {name: counters for name, counters in found.items() if not is_partition(name, found)}


def is_partition(name: str, names: Iterable[str]) -> bool:
    """Whether one of the names is the disk of which `name` is a partition."""
    return any(name != disk and name.startswith(disk) and PARTITION.fullmatch(name[len(disk) :]) for disk in names)


def read_disks(proc: Path) -> dict[str, dict[str, float]] | None:
    """Counters by disk since the start of the computer; None where the kernel has no such file."""
    text = read_text(proc / "diskstats")
    return None if text is None else parse_disks(text)
