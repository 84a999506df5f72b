"""Executions of tasks: reading what workers recorded, and counting what failed."""

import gzip
import math
import struct

import pytest

from swarmsweep.errors import LabError
from swarmsweep.raw.tasks import UNKNOWN_TEXT, TaskCounts, add_counts, count_tasks, read_tasks

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
        # A task that the end of the load interrupted has neither failed nor succeeded.
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


@pytest.mark.parametrize(
    ("counts", "percent"),
    [
        (TaskCounts(0, 0, {}), None),
        (TaskCounts(200, 3, {}), 1.5),
        (TaskCounts(200, 3, {}, users=20), 1.5),
        # 16 of 20 users never began. The tasks of the others succeeded.
        (TaskCounts(1000, 0, {}).with_starts(20, {"KeyError: 'token'": 16}, 4), 80.0),
        (TaskCounts(1000, 900, {}).with_starts(20, {"KeyError: 'token'": 16}, 4), 90.0),
        (TaskCounts(0, 0, {}).with_starts(20, {"KeyError: 'token'": 20}, 0), 100.0),
        # Each step of the ramp started the users again whose on_start had raised.
        (TaskCounts(0, 0, {}).with_starts(1, {"KeyError: 'token'": 2}, 0), 100.0),
        (TaskCounts(1000, 0, {}).with_starts(20, {"KeyError: 'token'": 50, "OSError": 9}, 4), 80.0),
        (TaskCounts(1000, 1, {}).with_starts(20, {"KeyError: 'token'": 5}, 20), 0.1),
        # How many users ran was not recorded.
        (TaskCounts(1000, 0, {}).with_starts(20, {"KeyError: 'token'": 5}, None), 25.0),
        (TaskCounts(1000, 0, {}).with_starts(20, {"KeyError: 'token'": 50}, None), 100.0),
    ],
)
def test_the_larger_share_counts(counts, percent):
    assert counts.failed_percent == percent


def test_users_that_could_not_start_are_among_the_exceptions():
    counts = TaskCounts(10, 1, {"OSError": 1}).with_starts(4, {"KeyError: 'token'": 2}, 2)
    assert counts.exceptions == {"OSError": 1, "KeyError: 'token' (in on_start)": 2}
    assert counts.raised == 3
    twice = add_counts([counts, counts])
    assert (twice.executions, twice.failed, twice.users, twice.users_ended, twice.raised) == (20, 2, 8, 4, 6)
    assert twice.failed_percent == 50.0


@pytest.mark.parametrize("row", [(math.nan, 1, 1), (1, -1, 1), (1, 1, 0.5), (1, 1, -1), (1, 1, math.inf)])
def test_a_record_that_is_no_execution_is_refused(tmp_path, row):
    with pytest.raises(LabError, match="record 0 is invalid"):
        read_tasks(tasks_file(tmp_path, row), TEXTS)
