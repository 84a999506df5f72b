"""What cannot be deployed is reported before any load."""

import pytest

from swarmsweep.plan.feasibility import infeasible_reason, warnings_about
from swarmsweep.sweep.matrix import Cell

GIB = 1024**3


def host(cpus=4, memory_gib=8.0, reserve_gib=0.0, name="lab-api", **more):
    """Facts of one API host."""
    return more | {
        "name": name,
        "cpus": cpus,
        "memory_bytes": None if memory_gib is None else int(memory_gib * GIB),
        "reserve_memory_bytes": int(reserve_gib * GIB),
    }


CELLS = [
    (Cell(1, 2, GIB, 1), [host(cpus=1)], ["--limit-cpu 2", "0.01", "1.00"]),
    (Cell(1, 1, GIB, 1), [host(cpus=1)], None),
    (Cell(8, 1, GIB // 2, 1), [host(cpus=1)], None),  # limits may add up to more than the host has
    (Cell(4, 1, 2 * GIB, 1), [host(reserve_gib=1)], ["but only 3 fit."]),
    (Cell(4, 1, 2 * GIB, 1), [host()], None),
    (Cell(1, 1, 9 * GIB, 1), [host()], ["but none fits."]),
    # 10 GiB, but in two parts.
    (Cell(3, 1, 3 * GIB, 1), [host(memory_gib=5), host(memory_gib=5, name="b")], ["but only 2 fit."]),
    (Cell(3, 1, 3 * GIB, 1), [host(memory_gib=7), host(memory_gib=4, name="b")], None),
    (
        Cell(2, 4, 3 * GIB, 1),
        [host(cpus=2), host(cpus=4, memory_gib=4, name="b")],
        ["but only 1 fits."],
    ),  # one host has the CPUs
    (Cell(1, 2, GIB, 1), [host(cpus=None)], None),
    (Cell(100, 1, GIB, 1), [host(memory_gib=None)], None),
    (Cell(1, 1, GIB, 1), [], None),
    (Cell(1, 1, GIB, 1), [host(memory_gib=1, reserve_gib=2)], ["0 B"]),
    # With several hosts, each replica reserves its limits, CPUs too.
    (Cell(8, 1, GIB // 2, 1), [host(cpus=1), host(cpus=1, name="b")], ["but only 2 fit.", "lab-api 1, b 1"]),
    (Cell(2, 1, GIB, 1), [host(cpus=1), host(cpus=1, name="b")], None),
    (Cell(2, 1, GIB, 1), [host(cpus=1, carries_replicas=False), host(cpus=1, name="b")], ["but only 1 fits."]),
    # Swarm counts all of the memory, so what the system needs is compared with the places that it chooses.
    (
        Cell(4, 1, 3 * GIB, 1),
        [host(reserve_gib=3), host(name="b")],
        ["2 of the replicas on lab-api, but only 1 fits there"],
    ),
    (Cell(3, 1, 3 * GIB, 1), [host(reserve_gib=3), host(name="b")], None),
    (Cell(2, 1, GIB, 1), [host(cpus=None), host(name="b")], None),
    # A host that lacks a wanted label has room for none.
    (
        Cell(3, 1, GIB, 1),
        [host(cpus=2), host(cpus=4, name="b", carries_replicas=False)],
        ["but only 2 fit.", "By host: lab-api 2."],
    ),
    (Cell(1, 3, GIB, 1), [host(cpus=2), host(name="b", carries_replicas=False)], ["--limit-cpu 3", "lab-api, has 2"]),
    (Cell(2, 1, GIB, 1), [host(cpus=2), host(cpus=4, name="b", carries_replicas=False)], None),
]


@pytest.mark.parametrize(("cell", "hosts", "figures"), CELLS)
def test_infeasible_reason(cell, hosts, figures):
    reason = infeasible_reason(cell, hosts)
    assert (reason is None) == (figures is None)
    assert [figure for figure in figures or () if figure not in reason] == []


def test_the_words(golden):
    reasons = [infeasible_reason(cell, hosts) for cell, hosts, figures in CELLS if figures is not None]
    golden("feasibility.yml", {"reasons": reasons, "doubts": warnings_about(Cell(4, 1, GIB, 1), [host(cpus=2)])})


def test_oversubscribed_cpu_limits_give_a_warning():
    assert len(warnings_about(Cell(4, 1, GIB, 1), [host(cpus=2)])) == 1
    assert warnings_about(Cell(2, 1, GIB, 1), [host(cpus=2)]) == []
    assert warnings_about(Cell(9, 1, GIB, 1), [host(cpus=None)]) == []
