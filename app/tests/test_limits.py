"""How many CPUs and threads a worker may use."""

import os

import pytest

from covertype_api.limits import cpu_limit, threads_per_worker

QUOTAS = {
    "v2 without a quota": ({"cpu.max": "max 100000\n"}, None),
    "v2 with half a CPU": ({"cpu.max": "50000 100000\n"}, 0.5),
    "v2 with another period": ({"cpu.max": "25000 50000\n"}, 0.5),
    "v2 with more than there is": ({"cpu.max": "100000000 100000\n"}, None),
    "v1 without a quota": ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    "v1 with a quarter": ({"cpu/cpu.cfs_quota_us": "25000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.25),
    "no cgroup": ({}, None),
    "nonsense": ({"cpu.max": "\n"}, None),
}


@pytest.mark.parametrize("case", QUOTAS)
def test_the_quota_of_the_container_counts_where_it_is_less_than_the_cpus(tmp_path, case):
    files, expected = QUOTAS[case]
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cpu_limit(tmp_path) == (len(os.sched_getaffinity(0)) if expected is None else expected)


@pytest.mark.parametrize(
    ("limit", "workers", "threads"), [(0.5, 1, 1), (0.5, 4, 1), (1, 1, 1), (2, 1, 2), (2, 4, 1), (4, 2, 2), (3.9, 2, 1)]
)
def test_all_workers_together_keep_the_limit(limit, workers, threads):
    assert threads_per_worker(limit, workers) == threads
