"""Files appear whole or not at all."""

import json
import os

import pytest

from swarmsweep.errors import LabError
from swarmsweep.files import read_json, write_atomically, write_json, write_many_json


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "deep" / "summary.json"
    write_atomically(path, "old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == ["summary.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch, golden):
    path = tmp_path / "cell.json"
    write_json(path, {"status": "valid"})

    def full_disk(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(LabError, match="No space left on device") as refused:
        write_json(path, {"status": "failed"})
    golden("files_full_disk.txt", str(refused.value).replace(str(tmp_path), "FOLDER") + "\n")
    assert read_json(path) == {"status": "valid"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["cell.json"]


def test_a_file_in_the_place_of_a_folder_is_reported(tmp_path):
    (tmp_path / "reports").touch()
    with pytest.raises(LabError, match="cannot be written"):
        write_atomically(tmp_path / "reports" / "x", "x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not valid JSON"),
        ('{"a": 1', "is not valid JSON"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": 1e400}', "1e400 is too large for a number"),
        ('{"rps": 1, "b": {"rps": 1, "rps": 2}}', "key 'rps' occurs twice"),
        ("[1]", "holds list; expected: an object"),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_damaged_json_names_the_file(tmp_path, text, words):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(LabError, match=words) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_half_of_a_surrogate_pair_is_read_as_it_is_written(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(r'{"text": "a \ud800 b", "whole": "\ud83d\ude00"}')
    write_json(tmp_path / "y.json", json.loads(path.read_text()))
    assert read_json(path) == read_json(tmp_path / "y.json") == {"text": "a ? b", "whole": "\U0001f600"}


def test_missing_json_and_nan_are_refused(tmp_path):
    with pytest.raises(LabError, match="is missing"):
        read_json(tmp_path / "none.json")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"rps": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_many_files_are_written_each_whole(tmp_path):
    values = {tmp_path / f"{number}" / "cell.json": {"number": number} for number in range(50)}
    write_many_json(values)
    assert {path: read_json(path) for path in tmp_path.glob("*/*")} == values
    write_many_json({})


def test_one_of_many_files_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "1").touch()
    with pytest.raises(LabError, match=r"1/x\.json: cannot be written"):
        write_many_json({tmp_path / str(number) / "x.json": {} for number in range(3)})


def test_half_of_a_unicode_pair_does_not_stop_a_write(tmp_path):
    write_json(tmp_path / "cell.json", {"reason": "no model \ud83d"})
    assert read_json(tmp_path / "cell.json") == {"reason": "no model ?"}
