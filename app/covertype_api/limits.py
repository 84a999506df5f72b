"""How many CPUs this process may use."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cpu_limit(cgroup: Path = CGROUP) -> float:
    """CPUs that the container's quota (of cgroup v2, else of v1, where there is one) and the affinity allow."""
    limit = float(len(os.sched_getaffinity(0)))
    for quota_file, period_file in (
        (cgroup / "cpu.max", None),
        (cgroup / "cpu/cpu.cfs_quota_us", cgroup / "cpu/cpu.cfs_period_us"),
    ):
        try:
            quota, *rest = quota_file.read_text().split()
            period = period_file.read_text() if period_file else rest[0]
        except (OSError, ValueError, IndexError):
            continue
        # No quota is "max" in v2 and -1 in v1.
        if quota.isdigit():
            limit = min(limit, int(quota) / int(period))
    return limit


def threads_per_worker(limit: float, workers: int) -> int:
    """Size of any pool of threads, so that all workers together do not run more threads than there are CPUs."""
    return max(1, math.floor(limit / workers))
