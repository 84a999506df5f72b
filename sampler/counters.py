"""The counters of one container, from its cgroup directories."""

from __future__ import annotations

from sampler.cgroups import ContainerCgroup
from sampler.kernel_files import parse_number, parse_pairs, read_text, scaled

COUNTERS = (
    "cpu_seconds",
    "periods",
    "throttled_periods",
    "throttled_seconds",
    "memory_bytes",
    "memory_peak_bytes",
    "shared_memory_bytes",
    "oom_kills",
)


def read_container(cgroup: ContainerCgroup, memory: bool = True) -> dict[str, float | None] | None:
    """The counters of a container, see COUNTERS; None when the container has gone.

    v1 counts CPU time and throttling in nanoseconds, v2 in microseconds. memory_bytes includes the page cache, as the
    limit does. Without `memory` those counters are not read, and null.
    """
    values: dict[str, float | None] = dict.fromkeys(COUNTERS)
    values.update(read_cpu(cgroup))
    if memory:
        values.update(read_memory(cgroup))
    return None if all(value is None for value in values.values()) else values


def read_cpu(cgroup: ContainerCgroup) -> dict[str, float | None]:
    """CPU time, and the periods in which there was a quota."""
    values: dict[str, float | None] = {}
    if cgroup.unified is not None:
        stat = parse_pairs(read_text(cgroup.unified / "cpu.stat"))
        values["cpu_seconds"] = scaled(stat.get("usage_usec"), 1e-6)
        values["periods"] = stat.get("nr_periods")
        values["throttled_periods"] = stat.get("nr_throttled")
        values["throttled_seconds"] = scaled(stat.get("throttled_usec"), 1e-6)
    if cgroup.cpuacct is not None:
        values["cpu_seconds"] = scaled(parse_number(read_text(cgroup.cpuacct / "cpuacct.usage")), 1e-9)
    if cgroup.cpu is not None:
        stat = parse_pairs(read_text(cgroup.cpu / "cpu.stat"))
        values["periods"] = stat.get("nr_periods")
        values["throttled_periods"] = stat.get("nr_throttled")
        values["throttled_seconds"] = scaled(stat.get("throttled_time"), 1e-9)
    return values


def read_memory(cgroup: ContainerCgroup) -> dict[str, float | None]:
    """Memory in use, its peak, its part that is files in memory, and processes that were killed for lack of memory.

    Files of a tmpfs, such as /tmp of the API, and shared memory count towards the limit. The kernel cannot free them.
    """
    values: dict[str, float | None] = {}
    if cgroup.unified is not None:
        values["memory_bytes"] = parse_number(read_text(cgroup.unified / "memory.current"))
        values["memory_peak_bytes"] = parse_number(read_text(cgroup.unified / "memory.peak"))
        values["shared_memory_bytes"] = parse_pairs(read_text(cgroup.unified / "memory.stat")).get("shmem")
        values["oom_kills"] = parse_pairs(read_text(cgroup.unified / "memory.events")).get("oom_kill")
    if cgroup.memory is not None:
        values["memory_bytes"] = parse_number(read_text(cgroup.memory / "memory.usage_in_bytes"))
        values["memory_peak_bytes"] = parse_number(read_text(cgroup.memory / "memory.max_usage_in_bytes"))
        values["shared_memory_bytes"] = parse_pairs(read_text(cgroup.memory / "memory.stat")).get("shmem")
        values["oom_kills"] = parse_pairs(read_text(cgroup.memory / "memory.oom_control")).get("oom_kill")
    return values
