"""Files are complete or missing, and have no secrets."""

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


INSPECTED = {
    "Id": "c1",
    "Args": ["serve", "--api-key", "hunter2", "--port", "8000"],
    "State": {"Running": True, "Health": {"Status": "healthy", "Log": [{"ExitCode": 0, "Output": "token=hunter2"}]}},
    "Config": {
        "Image": "api:1",
        "Env": ["A=1", "DB_PASS=hunter2", "UNSET", "STORE=redis://:hunter2@redis:6379/0"],
        "Cmd": ["serve", "--api-key", "hunter2", "--port", "8000"],
        "Entrypoint": ["/entry", "--db=postgresql://me:hunter2@db/x"],
        "Labels": {"com.example.auth": "hunter2", "swarmsweep.lab": "lab", "traefik.users": "basicauth=hunter2"},
        "Healthcheck": {"Test": ["CMD-SHELL", "curl -H 'Authorization: Bearer hunter2' localhost:8000/ready"]},
    },
}


def test_mask_inspect_keeps_the_rest_and_the_argument():
    before = json.dumps(INSPECTED)
    masked = lab_files.mask_inspect(INSPECTED)
    assert json.dumps(INSPECTED) == before
    assert "hunter2" not in json.dumps(masked)
    assert masked == {
        "Id": "c1",
        "Args": ["serve", "--api-key", "***", "--port", "8000"],
        "State": {"Running": True, "Health": {"Status": "healthy", "Log": [{"ExitCode": 0, "Output": "token=***"}]}},
        "Config": {
            "Image": "api:1",
            "Env": ["A=1", "DB_PASS=***", "STORE=redis://***@redis:6379/0"],
            "Cmd": ["serve", "--api-key", "***", "--port", "8000"],
            "Entrypoint": ["/entry", "--db=postgresql://***@db/x"],
            "Labels": {"com.example.auth": "***", "swarmsweep.lab": "lab", "traefik.users": "basicauth=***"},
            "Healthcheck": {"Test": ["CMD-SHELL", "curl -H 'Authorization: ***' localhost:8000/ready"]},
        },
    }


def test_a_container_without_settings_is_no_error():
    bare = {"Id": "c1", "State": {"Health": {"Log": None}}, "Config": {"Env": None, "Cmd": None, "Labels": None}}
    assert lab_files.mask_inspect(bare)["Id"] == "c1"


# The lab compares them with the cell, and writes only those that it has set itself.
def test_read_environment_does_not_mask():
    entries = ["PASSENGER_WORKERS=2", "EMPTY=", "UNSET", "A=b=c"]
    assert lab_files.read_environment(entries) == {"PASSENGER_WORKERS": "2", "EMPTY": "", "A": "b=c"}


def test_strip_colours():
    assert lab_files.strip_colours("\x1b[32mINFO\x1b[0m:     started") == "INFO:     started"
