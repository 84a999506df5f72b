"""Recorded JSON files: what older and newer versions wrote is read, and what is damaged is named by its place."""

import json

import pytest

from swarmsweep.errors import LabError
from swarmsweep.raw.closed_loop import WorkerRecord
from swarmsweep.raw.deployment import Clocks, Deployment, HostClock, LoadUnits, StateAfterLoad
from swarmsweep.raw.timeline import Timeline
from swarmsweep.record_file import read_record

WORKER = {"schema": 1, "requests": 3, "cpu_percent": [[1.0, 30]]}


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        # The first recorder noted neither users nor tasks.
        (WorkerRecord, WORKER, WorkerRecord(cpu_percent=((1.0, 30.0),))),
        (WorkerRecord, WORKER | {"served_by": None, "new": [1]}, WorkerRecord(cpu_percent=((1.0, 30.0),))),
        (WorkerRecord, WORKER | {"tasks": 0}, WorkerRecord(cpu_percent=((1.0, 30.0),), tasks=0)),
        (Deployment, {"status": "ready", "slots": {}}, Deployment(status="ready")),
        (StateAfterLoad, {"restarts": None}, StateAfterLoad()),
        (Timeline, {"questions": 2, "window_start": 5}, Timeline(questions=2, window_start=5.0)),
        (Clocks, {"hosts": {"a": {"offset_seconds": 1}}}, Clocks(hosts={"a": HostClock(offset_seconds=1.0)})),
        (LoadUnits, {}, LoadUnits()),
    ],
)
def test_keys_of_other_versions_are_no_damage(tmp_path, kind, content, expected):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    assert read_record(path, kind) == expected


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (WorkerRecord, {}, "Object missing required field `cpu_percent`"),
        (WorkerRecord, {"cpu_percent": [[1.0]]}, "cpu_percent[0]: Expected `array` of length 2, got 1"),
        (WorkerRecord, WORKER | {"unreported": -1}, "unreported is '-1': Expected `int` >= 0"),
        (WorkerRecord, WORKER | {"errors": {"busy": "x"}}, "errors[...]: Expected `int`, got `str`"),
        (Deployment, {"containers": [{}, {"id": 7}]}, "containers[1].id is '7': Expected `str | null`, got `int`"),
        (Timeline, {"window_end": 1e19}, "window_end is '1e+19': Expected `float` < 1e+18"),
        (Timeline, {"users": True}, "users is 'True': Expected `int | null`, got `bool`"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_named_by_its_place(tmp_path, kind, content, words):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    with pytest.raises(LabError) as caught:
        read_record(path, kind)
    assert str(caught.value) == f"{path}: is damaged: {words}"
