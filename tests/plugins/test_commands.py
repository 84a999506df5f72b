"""Modules that ask systemd or Docker by their commands: what a late, silent or failing one leads to.

The commands are small scripts first in PATH; the modules run them as they would the real ones.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest
from ansible.module_utils import docker_command

MODULES = Path(__file__).parents[2] / "plugins" / "modules"


class ModuleError(Exception):
    """fail_json was called."""


class Module:
    """What the modules use of AnsibleModule."""

    def __init__(self, **params):
        self.params = params

    def run_command(self, command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def fail_json(self, msg, **_rest):
        raise ModuleError(msg)


def load(name):
    spec = importlib.util.spec_from_file_location(name, MODULES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def script(tmp_path, monkeypatch):
    """script(name, body) puts a command first in PATH; it notes its arguments in <name>.said."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def write(name, body):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho "$@" >> "{path}.said"\n{body}\n')
        path.chmod(0o755)
        return Path(f"{path}.said")

    return write


# --- locust_trial ---------------------------------------------------------------------------------------------------

UNIT = '[{"unit":"swarmsweep-lab-locust-master.service","active":"active"}]'
LATE = 'echo "Failed to list units: Connection timed out" >&2; exit 1'


@pytest.fixture
def trial(monkeypatch):
    locust_trial = load("locust_trial")
    monkeypatch.setattr(locust_trial, "QUESTION_PAUSE_SECONDS", 0)
    return locust_trial.Trial(Module(slice="swarmsweep-lab"))


@pytest.mark.parametrize(
    ("body", "units", "questions"),
    [
        ("echo '[]'", {}, 1),
        ("true", {}, 1),
        (f"echo '{UNIT}'", {"swarmsweep-lab-locust-master.service": "active"}, 1),
        (
            f"[ $(wc -l < $0.said) -lt 3 ] && {{ {LATE}; }}; echo '{UNIT}'",
            {"swarmsweep-lab-locust-master.service": "active"},
            3,
        ),
    ],
)
def test_units_are_those_that_systemd_names(script, trial, body, units, questions):
    said = script("systemctl", body)
    assert trial.units() == units
    assert len(said.read_text().splitlines()) == questions


@pytest.mark.parametrize(("body", "word"), [(LATE, "Connection timed out"), ("exit 4", "exit code 4")])
@pytest.mark.parametrize("question", ["units", "running", "finish", "stop"])
def test_no_answer_is_not_taken_for_no_unit(script, trial, question, body, word):
    trial.given["time_limit_seconds"] = 1
    said = script("systemctl", body)
    with pytest.raises(ModuleError, match=rf"did not say, asked 5 times.*{word}.*systemctl status"):
        getattr(trial, question)()
    assert len(said.read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("hosts", "name", "address"),
    [
        ({}, "127.0.0.1", "127.0.0.1"),
        ({}, "198.18.0.12", "198.18.0.12"),
        ({}, "fd00::12", "fd00::12"),
        ({"load.example": "198.18.0.12"}, "load.example", "198.18.0.12"),
    ],
)
def test_the_master_listens_at_one_address(monkeypatch, hosts, name, address):
    locust_trial = load("locust_trial")
    real = locust_trial.socket.getaddrinfo
    monkeypatch.setattr(locust_trial.socket, "getaddrinfo", lambda host, *a, **k: real(hosts.get(host, host), *a, **k))
    assert locust_trial.numeric_address(name) == address


def test_a_name_that_means_the_host_itself_is_refused():
    with pytest.raises(ValueError, match="no other host reaches it"):
        load("locust_trial").numeric_address("localhost")


@pytest.mark.parametrize("address", ["127.0.0.1", "198.18.0.12"])
def test_the_master_is_started_at_that_address(script, tmp_path, monkeypatch, address):
    locust_trial = load("locust_trial")
    monkeypatch.setattr(locust_trial.shutil, "chown", lambda *_: None)
    script("systemctl", "echo '[]'")
    said = script("systemd-run", "true")
    (tmp_path / "locustfiles").mkdir()
    (tmp_path / "locustfiles/predict.py").touch()
    given = {
        "slice": "swarmsweep-lab", "directory": str(tmp_path), "output_directory": str(tmp_path / "out"),
        "user": "swarmsweep", "host_name": "lab-load", "target": "http://198.18.0.11:8000", "locustfile": "predict.py",
        "master": True, "master_host": address, "worker_indices": [0], "workers": 1, "users": 1, "spawn_rate": 1.0,
        "env": {}, "open_files": 1024, "time_limit_seconds": 10,
    }  # fmt: skip
    locust_trial.Trial(Module(**given)).start()
    master, worker = said.read_text().splitlines()
    assert f"--master-bind-host {address} " in master
    assert worker.endswith(f"--worker --master-host {address}")


# --- swarm_job, lab_stack_facts -------------------------------------------------------------------------------------

JOB = {"name": "lab_train", "image": "i:1", "command": ["true"], "env": {}, "secrets": [], "mounts": [],
       "networks": [], "labels": {}, "timeout_seconds": 5}  # fmt: skip


@pytest.fixture
def short(monkeypatch):
    """A deadline that a test can wait for."""
    monkeypatch.setattr(docker_command.run_docker, "__defaults__", (1,))


@pytest.mark.parametrize("question", ["state", "create", "wait"])
def test_a_docker_that_hangs_is_named(script, short, question):
    script("docker", "exec sleep 30")
    with pytest.raises(ModuleError, match=r"lab_train: docker service \w+ did not answer within .* restart docker"):
        getattr(load("swarm_job").Job(Module(**JOB)), question)()


def test_words_that_do_not_come_do_not_hide_why_a_job_failed(script, short):
    task = '{"CurrentState":"Failed 1 second ago","Error":"task: non-zero exit (1)"}'
    script("docker", f"case $2 in ps) echo '{task}';; logs) echo last words; exec sleep 30;; esac")
    with pytest.raises(
        ModuleError, match=r"ended badly: task: non-zero exit \(1\); it said: last words \| docker .*logs did"
    ):
        load("swarm_job").Job(Module(**JOB)).wait()


def test_no_such_service_is_no_failure(script):
    script("docker", "echo 'no such service' >&2; exit 1")
    assert load("swarm_job").Job(Module(**JOB)).state() == (None, "")


def test_a_job_runs_on_a_manager(script):
    said = script("docker", "true")
    load("swarm_job").Job(Module(**JOB)).create()
    assert "--constraint node.role == manager " in said.read_text()
