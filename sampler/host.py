"""The counters of the machine: CPU time over the cores that it may use, and its memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sampler.cgroups import CgroupMount
from sampler.kernel_files import parse_number, parse_pairs, read_text


def parse_cpu_seconds(stat: str, cpus: set[int], ticks_per_second: int) -> dict[str, float | None]:
    """CPU time by kind, summed over exactly `cpus`, from a /proc/stat text.

    user includes nice, system includes irq and softirq; guest time is already part of user (proc(5)).
    """
    kinds = ("user", "system", "idle", "iowait", "steal")
    totals = dict.fromkeys(kinds, 0)
    seen = 0
    for line in stat.splitlines():
        name, *fields = line.split() or [""]
        if not (name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cpus):
            continue
        ticks = [int(field) for field in fields[:8]] + [0] * (8 - len(fields))
        user, nice, system, idle, iowait, irq, softirq, steal = ticks
        totals["user"] += user + nice
        totals["system"] += system + irq + softirq
        totals["idle"] += idle
        totals["iowait"] += iowait
        totals["steal"] += steal
        seen += 1
    if not seen:
        return dict.fromkeys(kinds)
    return {kind: round(value / ticks_per_second, 6) for kind, value in totals.items()}


def parse_meminfo(meminfo: str) -> dict[str, int]:
    """/proc/meminfo as {name: bytes}."""
    values = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        fields = rest.split()
        if fields and fields[0].isdigit():
            values[name] = int(fields[0]) * (1024 if fields[1:] == ["kB"] else 1)
    return values


def memory_of_cgroup(mounts: Sequence[CgroupMount], total_bytes: int | None) -> tuple[int, int] | None:
    """The memory limit of the cgroup of this machine, and the bytes left under it; None when it has no such limit.

    Page cache that was not used recently can be reclaimed, so it counts as free, as in MemAvailable.
    """
    found = []
    for mount in mounts:
        if mount.unified:
            names, reclaimable = ("memory.max", "memory.current"), "inactive_file"
        elif "memory" in mount.controllers:
            names, reclaimable = ("memory.limit_in_bytes", "memory.usage_in_bytes"), "total_inactive_file"
        else:
            continue
        limit, usage = (parse_number(read_text(mount.point / name)) for name in names)
        if limit is None or usage is None or (total_bytes is not None and limit >= total_bytes):
            continue
        cache = parse_pairs(read_text(mount.point / "memory.stat")).get(reclaimable, 0)
        found.append((limit, max(0, limit - usage + min(cache, usage))))
    return min(found, key=lambda pair: pair[1], default=None)


def read_host(proc: Path, mounts: Sequence[CgroupMount], cpus: set[int]) -> dict[str, object]:
    """The host section of a line: CPU seconds over the cores this machine may use, their number, and its memory."""
    meminfo = parse_meminfo(read_text(proc / "meminfo") or "")
    total, available = meminfo.get("MemTotal"), meminfo.get("MemAvailable")
    own = memory_of_cgroup(mounts, total)
    if own is not None:
        total = own[0]
        available = own[1] if available is None else min(available, own[1])
    return {
        "cpu_seconds": parse_cpu_seconds(read_text(proc / "stat") or "", cpus, os.sysconf("SC_CLK_TCK")),
        "cores": len(cpus),
        "memory_total_bytes": total,
        "memory_available_bytes": available,
    }
