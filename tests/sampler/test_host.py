"""Counters of the machine, from texts of /proc and from this machine's own."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sampler.cgroups import parse_mounts
from sampler.host import parse_cpu_seconds, read_host
from tests.sampler.trees import V1_SPLIT, V2_ONLY, write_tree

PROC_STAT = """\
cpu  14027 10 7296 206988 784 0 264 170 0 0
cpu0 6306 4 2828 105463 84 1 22 70 9 0
cpu1 7721 6 4467 101525 700 0 241 100 0 0
intr 1234567 0 9
ctxt 98765
"""


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        ({0}, {"user": 63.10, "system": 28.51, "idle": 1054.63, "iowait": 0.84, "steal": 0.70}),
        ({1}, {"user": 77.27, "system": 47.08, "idle": 1015.25, "iowait": 7.00, "steal": 1.00}),
        ({0, 1}, {"user": 140.37, "system": 75.59, "idle": 2069.88, "iowait": 7.84, "steal": 1.70}),
        ({7}, {"user": None, "system": None, "idle": None, "iowait": None, "steal": None}),
    ],
)
def test_cpu_seconds_are_summed_over_exactly_the_given_cores(cpus, expected):
    assert parse_cpu_seconds(PROC_STAT, cpus, 100) == pytest.approx(expected)


MEMINFO = (
    "MemTotal:       24684092 kB\nMemFree:        22658016 kB\nMemAvailable:   24107980 kB\nHugePages_Total:       0\n"
)
# Available and in all, of a machine without a limit of its own.
WHOLE = (24107980 * 1024, 24684092 * 1024)


@pytest.mark.parametrize(
    ("mountinfo", "files", "available", "total"),
    [
        pytest.param(
            V1_SPLIT.format(root="/"),
            {
                "memory/memory.limit_in_bytes": "4294967296\n",
                "memory/memory.usage_in_bytes": "3221225472\n",
                "memory/memory.stat": "cache 4096\ninactive_file 1\ntotal_inactive_file 536870912\n",
            },
            4294967296 - 3221225472 + 536870912,
            4294967296,
            id="v1 machine with 4 GiB",
        ),
        pytest.param(
            V2_ONLY,
            {"memory.max": "4294967296\n", "memory.current": "1073741824\n", "memory.stat": "inactive_file 4096\n"},
            4294967296 - 1073741824 + 4096,
            4294967296,
            id="v2 machine with 4 GiB",
        ),
        pytest.param(
            V1_SPLIT.format(root="/"),
            {
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
                "memory/memory.usage_in_bytes": "3221225472\n",
                "memory/memory.stat": "total_inactive_file 0\n",
            },
            24107980 * 1024,
            24684092 * 1024,
            id="v1 no limit",
        ),
        pytest.param(V2_ONLY, {"memory.max": "max\n", "memory.current": "4096\n"}, *WHOLE, id="v2 max"),
        pytest.param(V2_ONLY, {"cgroup.procs": ""}, *WHOLE, id="v2 root has no limit file"),
    ],
)
def test_memory_is_bounded_by_the_machine_s_own_limit(tmp_path, mountinfo, files, available, total):
    write_tree(tmp_path, files, lambda name: name)
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "meminfo").write_text(MEMINFO)
    (proc / "stat").write_text(PROC_STAT)
    host = read_host(proc, parse_mounts(mountinfo, tmp_path), {0, 1})
    assert (host["memory_available_bytes"], host["memory_total_bytes"]) == (available, total)
    assert host["cores"] == 2


def test_host_figures_of_this_machine():
    cpus = os.sched_getaffinity(0)
    mounts = parse_mounts(Path("/proc/self/mountinfo").read_text())
    before = read_host(Path("/proc"), mounts, cpus)
    burn_cpu_seconds(0.05)  # five ticks of the clock that /proc/stat counts in
    after = read_host(Path("/proc"), mounts, cpus)
    assert before["cores"] == len(cpus)
    assert 0 < before["memory_available_bytes"] <= before["memory_total_bytes"]
    spent = {kind: after["cpu_seconds"][kind] - before["cpu_seconds"][kind] for kind in before["cpu_seconds"]}
    assert all(seconds >= 0 for kind, seconds in spent.items() if kind != "iowait")  # iowait may fall, proc(5)
    assert spent["user"] + spent["system"] > 0


def burn_cpu_seconds(seconds: float) -> None:
    started = time.process_time()
    while time.process_time() - started < seconds:
        sum(range(10_000))
