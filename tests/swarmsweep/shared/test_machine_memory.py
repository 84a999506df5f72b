"""Memory that a machine may use."""

import re
from pathlib import Path

import pytest

from swarmsweep.shared.machine_memory import total_memory_bytes


@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        (None, "", None),
        ("memory.max", "max\n", None),
        ("memory.max", "1073741824\n", 1073741824),
        ("memory/memory.limit_in_bytes", "1073741824\n", 1073741824),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),  # how cgroup v1 shows that there is no limit
        ("memory.max", "", None),
    ],
)
def test_memory_is_that_of_the_kernel_or_the_limit_of_the_cgroup(tmp_path, name, text, limit):
    if name:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    total_kib = int(re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE).group(1))
    assert total_memory_bytes(tmp_path) == (limit or total_kib * 1024)
