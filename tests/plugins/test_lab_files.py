"""Files whole or not at all, and without secrets."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import lab_files


def test_write_json_replaces_the_whole_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "cell" / "deploy.json"
    lab_files.write_json(str(path), {"old": list(range(1000))})
    lab_files.write_json(str(path), {"b": 1, "a": None})
    assert json.loads(path.read_text()) == {"a": None, "b": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["deploy.json"]


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "deploy.json"
    lab_files.write_text(str(path), "old")
    with pytest.raises(UnicodeEncodeError):
        lab_files.write_text(str(path), "new \udcff")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["deploy.json"]


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("API_WORKERS", "2", "2"),
        ("POSTGRES_PASSWORD", "hunter2", "***"),
        ("github_token", "abc", "***"),
        ("AWS_SECRET_ACCESS_KEY", "abc", "***"),
        ("API_KEY", "abc", "***"),
        ("KEYBOARD", "us", "us"),
        ("API_KEY", "", ""),
        ("STORE", "postgresql://mlflow:hunter2@postgres:5432/mlflow", "postgresql://mlflow:***@postgres:5432/mlflow"),
        ("MLFLOW_TRACKING_URI", "http://mlflow:5000", "http://mlflow:5000"),
    ],
)
def test_mask_entry(name, value, stored):
    assert lab_files.mask_entry(name, value) == stored


def test_mask_inspect_keeps_the_rest_and_the_argument():
    document = {"Id": "c1", "Config": {"Image": "api:1", "Env": ["A=1", "DB_PASSWORD=x", "UNSET"]}}
    masked = lab_files.mask_inspect(document)
    assert masked == {"Id": "c1", "Config": {"Image": "api:1", "Env": ["A=1", "DB_PASSWORD=***"]}}
    assert document["Config"]["Env"][1] == "DB_PASSWORD=x"


def test_strip_colours():
    assert lab_files.strip_colours("\x1b[32mINFO\x1b[0m:     started") == "INFO:     started"
