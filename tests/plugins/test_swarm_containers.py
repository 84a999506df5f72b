"""The limits of a container, as Docker reports them."""

from __future__ import annotations

import pytest
from ansible.module_utils import swarm_containers


@pytest.mark.parametrize(
    ("host_config", "nano_cpus"),
    [
        ({"NanoCpus": 500000000, "CpuQuota": 0, "CpuPeriod": 0}, 500000000),
        ({"NanoCpus": 0, "CpuQuota": 50000, "CpuPeriod": 100000}, 500000000),  # engines before 20.10.8
        ({"NanoCpus": 0, "CpuQuota": 0, "CpuPeriod": 0}, 0),
    ],
)
def test_read_nano_cpus(host_config, nano_cpus):
    assert swarm_containers.read_nano_cpus(host_config) == nano_cpus
