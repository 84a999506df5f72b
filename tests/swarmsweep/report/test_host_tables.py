"""The tables by host, and which limits were near."""

import pytest
from msgspec.structs import replace
from rows import fixed

from swarmsweep.markdown import MISSING
from swarmsweep.plan.row import AttemptEntry, HostUse
from swarmsweep.report.host_tables import host_section

MIB = 1024**2
API = HostUse(
    name="lab-api",
    group="api",
    cores=2,
    cpu_percent=40.0,
    memory_bytes=1024 * MIB,
    memory_total_bytes=4096 * MIB,
    received_bytes_per_second=2.0 * MIB,
    sent_bytes_per_second=1.0 * MIB,
    disk_written_bytes_per_second=0.0,
    disk_busy_percent=3.0,
)
LOAD = HostUse(name="lab-load", group="load", cores=1, cpu_percent=70.0)


def loaded(name, *hosts):
    """A row of a cell that was loaded."""
    return replace(fixed(name), attempts=[AttemptEntry(attempt=1, status="valid")], hosts=list(hosts) or None)


def test_the_highest_figures_of_each_host_and_those_of_each_cell():
    busier = replace(API, cpu_percent=55.0, memory_bytes=512 * MIB)
    section = host_section([loaded("a", API, LOAD), loaded("b", busier)])
    usual = ["2", "55.0", "1.0 GiB of 4.0 GiB", "2.0 MiB/s / 1.0 MiB/s", MISSING, f"{MISSING} / 0 B/s", "3.00"]
    assert section.rows == [
        ["lab-api", "API", *usual],
        ["lab-load", "load", "1", "70.0", *[MISSING] * 5],
    ]
    assert [(row[0], row[1], row[4]) for row in section.cell_rows] == [
        ("`a`", "lab-api", "40.0"),
        ("`a`", "lab-load", "70.0"),
        ("`b`", "lab-api", "55.0"),
    ]
    assert {len(row) for row in section.rows} == {len(section.header)}
    assert {len(row) for row in section.cell_rows} == {len(section.cell_header)}
    assert section.near == []


@pytest.mark.parametrize(
    ("hosts", "near"),
    [
        ([replace(API, cpu_percent=79.9)], []),
        ([replace(API, cpu_percent=80.0)], ["lab-api: CPU 80 % used with cell 1"]),
        (
            [replace(API, cpu_percent=80.0), replace(API, cpu_percent=99.0)],
            ["lab-api: CPU 99 % used with cell 2, and at least 80 % with 1 further cell"],
        ),
        ([replace(API, memory_bytes=3900 * MIB)], ["lab-api: memory 95 % used with cell 1"]),
        ([replace(API, link_percent=91.0)], ["lab-api: network link 91 % used with cell 1"]),
        ([replace(LOAD, disk_busy_percent=88.0)], ["lab-load: disk 88 % used with cell 1"]),
        # Not measured.
        ([HostUse(name="lab-api", group="api", memory_bytes=9)], []),
    ],
)
def test_a_limit_that_was_near_is_named_with_its_cell(hosts, near):
    cells = [loaded(f"cell {number}", host) for number, host in enumerate(hosts, start=1)]
    assert host_section(cells).near == near


def test_cells_of_an_earlier_version_have_no_figures_and_unloaded_cells_no_section():
    assert host_section([loaded("a")]).rows == []
    assert host_section([fixed("a", status="infeasible", reason="x")]) is None
