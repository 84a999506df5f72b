"""The names of requests, joined over workers: no figure of a name lacks some of its requests."""

import gzip
import json
import struct

import numpy as np
import pytest

from swarmsweep.errors import LabError
from swarmsweep.raw.closed_loop import read_users
from swarmsweep.raw.latency import read_named_requests
from swarmsweep.raw.read_or_note import ReadOrNote
from swarmsweep.raw.request_names import join_names
from swarmsweep.shared.request_record import NO_NAME, OK, OTHER_NAMES

OTHER, NONE = OTHER_NAMES, NO_NAME


def by_name(numbers, tables):
    """The joined names as text."""
    names = join_names([np.array(part, dtype=float) for part in numbers], tables)
    return [names.table[number] if number >= 0 else float(number) for number in names.number]


@pytest.mark.parametrize(
    ("numbers", "tables", "expected"),
    [
        ([], [], []),
        ([[]], [[]], []),
        ([[0, 1, 0]], [["a", "b"]], ["a", "b", "a"]),
        # Each worker has numbers of its own.
        ([[0, 1], [0, 1]], [["a", "b"], ["b", "c"]], ["a", "b", "b", "c"]),
        ([[NONE, 0]], [["a"]], [NONE, "a"]),
        # The second worker's table was full. Its others may be requests of a, of which its table has none.
        ([[0, 1], [0, OTHER]], [["a", "b"], ["b"]], [OTHER, "b", "b", OTHER]),
        # It was full, but had no further name.
        ([[0, 1], [0]], [["a", "b"], ["b"]], ["a", "b", "b"]),
        ([[0, OTHER], [0, OTHER]], [["a"], ["b"]], [OTHER] * 4),
    ],
)
def test_names_of_workers_are_joined(numbers, tables, expected):
    assert by_name(numbers, tables) == expected


def packed(*records: tuple[float, ...]) -> bytes:
    return gzip.compress(b"".join(struct.pack(f"<{len(record)}d", *record) for record in records))


def put(folder, host, records, **summary):
    (folder / f"named-requests-{host}-0.f64.gz").write_bytes(packed(*records))
    (folder / f"worker-{host}-0.json").write_text(json.dumps({"schema": 1, "cpu_percent": []} | summary))


def read(folder):
    problems = []
    return read_users(folder, ReadOrNote(folder, problems)), problems


def test_requests_of_the_window_keep_their_names(tmp_path):
    put(tmp_path, "a", [(1.0, 5.0, OK, 0.0), (2.0, 6.0, OK, 1.0)], names=["GET /x", "GET /y"])
    put(tmp_path, "b", [(2.5, 7.0, OK, 0.0)], names=["GET /y"])
    record, problems = read(tmp_path)
    inside = record.requests.within(2.0, 3.0)
    assert problems == []
    assert [inside.names.table[number] for number in inside.names.number] == ["GET /y", "GET /y"]
    assert (record.files, list(inside.latency_ms)) == (2, [6.0, 7.0])


def test_requests_of_an_earlier_version_have_no_names(tmp_path):
    (tmp_path / "requests-a-0.f64.gz").write_bytes(packed((1.0, 5.0, OK)))
    (tmp_path / "worker-a-0.json").write_text('{"schema": 1, "cpu_percent": []}')
    record, problems = read(tmp_path)
    assert problems == []
    assert (record.files, list(record.requests.latency_ms), record.requests.names) == (1, [5.0], None)


def test_without_the_summary_of_a_worker_no_request_has_a_name(tmp_path):
    put(tmp_path, "a", [(1.0, 5.0, OK, 0.0)], names=["GET /x"])
    put(tmp_path, "b", [(1.0, 6.0, OK, 0.0)], names=["GET /x"])
    (tmp_path / "worker-b-0.json").write_text("{")
    record, problems = read(tmp_path)
    assert len(problems) == 1
    assert (list(record.requests.latency_ms), record.requests.names) == ([5.0, 6.0], None)


@pytest.mark.parametrize("number", [-3.0, 0.5, 1.0, float("nan")])
def test_a_number_without_a_name_is_damage(tmp_path, number):
    path = tmp_path / "named-requests-a-0.f64.gz"
    path.write_bytes(packed((1.0, 5.0, OK, 0.0), (1.0, 5.0, OK, number)))
    with pytest.raises(LabError, match="record 1 is invalid"):
        read_named_requests({path: ["GET /x"]})
