"""Executions of tasks: reading what workers recorded, and counting what failed."""

import gzip
import math
import struct

import pytest

from swarmsweep.errors import LabError
from swarmsweep.tasks import UNKNOWN_TEXT, count_tasks, read_tasks

TEXTS = ["KeyError: 'prediction'", "AssertionError"]


def tasks_file(folder, *rows, name="tasks-a-0.f64.gz"):
    """A file of executions: (start, length in ms, outcome)."""
    path = folder / name
    path.write_bytes(gzip.compress(b"".join(struct.pack("<3d", *row) for row in rows)))
    return path


@pytest.mark.parametrize(
    ("outcomes", "executions", "failed", "exceptions"),
    [
        ([], 0, 0, {}),
        ([1, 1, 1], 3, 0, {}),
        ([1, 0, 0], 3, 2, {}),
        ([3, 3, 4, 1, 0], 5, 4, {"KeyError: 'prediction'": 2, "AssertionError": 1}),
        # What the end of the load cut off is neither.
        ([1, 2, 2, 3], 2, 1, {"KeyError: 'prediction'": 1}),
        ([9], 1, 1, {UNKNOWN_TEXT: 1}),
    ],
)
def test_counts(tmp_path, outcomes, executions, failed, exceptions):
    found = read_tasks(tasks_file(tmp_path, *((i, 5.0, outcome) for i, outcome in enumerate(outcomes))), TEXTS)
    counts = count_tasks([found])
    assert (counts.executions, counts.failed, counts.exceptions) == (executions, failed, exceptions)
    assert counts.raised == sum(exceptions.values())


def test_workers_number_their_texts_themselves(tmp_path):
    first = read_tasks(tasks_file(tmp_path, (1.0, 5.0, 3.0)), TEXTS)
    second = read_tasks(tasks_file(tmp_path, (1.0, 5.0, 3.0), (9.0, 5.0, 3.0), name="b"), TEXTS[::-1])
    assert count_tasks([first, second]).exceptions == {"AssertionError": 2, "KeyError: 'prediction'": 1}
    assert count_tasks([second.within(0.0, 9.0)]).exceptions == {"AssertionError": 1}


@pytest.mark.parametrize("row", [(math.nan, 1, 1), (1, -1, 1), (1, 1, 0.5), (1, 1, -1), (1, 1, math.inf)])
def test_a_record_that_is_no_execution_is_refused(tmp_path, row):
    with pytest.raises(LabError, match="record 0 makes no sense"):
        read_tasks(tasks_file(tmp_path, row), TEXTS)
