"""Cgroup trees of v1, v2 and hybrid, with contents as kernels write them."""

from __future__ import annotations

from pathlib import Path

CONTAINER = "b3c1f6f1a3c54c5e9d4e3c0a86f4f83f0f6e9a6c2b6a58a5a1d6b7c8d9e0f1a2"
OTHER = "0d9c" * 16

# Linux 6.18, cgroup v1: a group with a quota of 20 ms per 100 ms and a limit of 32 MiB, after a loop and an OOM kill.
V1_FILES = {
    "cpu/cpu.stat": "nr_periods 28\nnr_throttled 27\nthrottled_time 1964820364\nnr_bursts 0\nburst_time 0\n",
    "cpuacct/cpuacct.usage": "573569254\n",
    "memory/memory.usage_in_bytes": "188416\n",
    "memory/memory.max_usage_in_bytes": "33554432\n",
    "memory/memory.stat": "cache 20480\nrss 98304\nrss_huge 0\nshmem 16384\nmapped_file 0\ntotal_shmem 16384\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
}
V1_VALUES = {
    "cpu_seconds": 0.573569,
    "periods": 28,
    "throttled_periods": 27,
    "throttled_seconds": 1.96482,
    "memory_bytes": 188416,
    "memory_peak_bytes": 33554432,
    "shared_memory_bytes": 16384,
    "oom_kills": 1,
}
# Linux 6.1 (Debian 12), cgroup v2.
V2_FILES = {
    "cpu.stat": "usage_usec 7338412\nuser_usec 6712090\nsystem_usec 626322\ncore_sched.force_idle_usec 0\n"
    "nr_periods 312\nnr_throttled 288\nthrottled_usec 21449877\nnr_bursts 0\nburst_usec 0\n",
    "cpu.max": "50000 100000\n",
    "memory.current": "151822336\n",
    "memory.peak": "209715200\n",
    "memory.max": "209715200\n",
    "memory.stat": "anon 109051904\nfile 41943040\nkernel 786432\nshmem 31457280\nfile_mapped 8192\n",
    "memory.events": "low 0\nhigh 0\nmax 184\noom 2\noom_kill 2\noom_group_kill 0\n",
}
V2_VALUES = {
    "cpu_seconds": 7.338412,
    "periods": 312,
    "throttled_periods": 288,
    "throttled_seconds": 21.449877,
    "memory_bytes": 151822336,
    "memory_peak_bytes": 209715200,
    "shared_memory_bytes": 31457280,
    "oom_kills": 2,
}

# /proc/self/mountinfo, cgroup lines and the lines around them.
V1_SPLIT = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 {root} /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 {root} /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
40 31 0:37 {root} /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
"""
V1_JOINED = """\
24 29 0:22 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:8 - tmpfs tmpfs ro,mode=755
33 24 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:13 - cgroup cgroup rw,cpu,cpuacct
36 24 0:32 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:16 - cgroup cgroup rw,memory
"""
V2_ONLY = """\
29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
"""
HYBRID = V1_SPLIT.format(root="/") + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"


def v1_membership(path: str) -> str:
    return f"9:name=systemd:{path}\n8:pids:{path}\n4:memory:{path}\n2:cpuacct:{path}\n1:cpu:{path}\n0::/\n"


def write_tree(root: Path, files: dict, where) -> None:
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / where(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def v1_tree(root: Path, below: str, cpu_folder: str = "cpu", cpuacct_folder: str = "cpuacct") -> None:
    folders = {"cpu": cpu_folder, "cpuacct": cpuacct_folder, "memory": "memory"}

    def where(name: str) -> str:
        controller, file = name.split("/")
        return f"{folders[controller]}{below}/{file}"

    write_tree(root, V1_FILES, where)
