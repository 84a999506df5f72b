"""Counters of disks, from texts of /proc/diskstats as kernels write them, and from this machine's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampler.disks import parse_disks, read_disks

# Fields after the name: reads, merged, sectors, ms, writes, merged, sectors, ms, in flight, busy ms, weighted ms, and
# those of newer kernels.
DISKSTATS = """\
   1       0 ram0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
   7       0 loop0 5 0 40 1 0 0 0 0 0 9 1 0 0 0 0 0 0
   8       0 sda 4125 1052 245830 2204 8113 5120 402112 9120 0 6532 11830 0 0 0 0 506 505
   8       1 sda1 4000 1052 240000 2100 8000 5120 400000 9000 0 6400 11100 0 0 0 0 0 0
 253       0 dm-0 5000 0 245000 2300 13000 0 402000 9900 0 6500 12200 0 0 0 0 0 0
 259       0 nvme0n1 100 0 800 10 200 0 1600 20 0 25 30 0 0 0 0 0 0
 259       1 nvme0n1p1 90 0 700 9 190 0 1500 19 0 24 28 0 0 0 0 0 0
  11       0 sr0 1 0 8 1 0 0 0 0 0 1 1
"""


def counters(read: int, written: int, busy_ms: int) -> dict[str, float]:
    return {"read_bytes": 512 * read, "written_bytes": 512 * written, "busy_seconds": busy_ms / 1000}


def test_disks_without_partitions_memory_and_layers_above_them():
    assert parse_disks(DISKSTATS) == {
        "sda": counters(245830, 402112, 6532),
        "nvme0n1": counters(800, 1600, 25),
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        # A machine that sees a partition alone, and disks whose names begin alike.
        (" 202 1 xvda1 1 0 8 1 1 0 8 1 0 1 1\n", ["xvda1"]),
        (" 8 0 sda 1 0 8 1 1 0 8 1 0 1 1\n 65 160 sdaa 1 0 8 1 1 0 8 1 0 1 1\n", ["sda", "sdaa"]),
        (" 254 0 vda 1 0 8 1 1 0 8 1 0 1 1\n 254 16 vdb 1 0 8 1 1 0 8 1 0 1 1\n", ["vda", "vdb"]),
        # Lines that no kernel writes are no disks.
        (" 8 0 sda 1 0 8\n 8 0 sdb 1 0 x 1 1 0 8 1 0 1 1\n", []),
    ],
)
def test_which_names_are_disks(text, names):
    assert list(parse_disks(text)) == names


def test_without_the_file_nothing_is_known(tmp_path):
    assert read_disks(tmp_path) is None


def test_disks_of_this_machine():
    if not Path("/proc/diskstats").exists():
        assert read_disks(Path("/proc")) is None
        return
    before, after = read_disks(Path("/proc")), read_disks(Path("/proc"))
    assert before.keys() == after.keys()
    assert all(after[name][key] >= value for name, found in before.items() for key, value in found.items())
