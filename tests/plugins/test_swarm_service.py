"""Deploying one service: the comparison, and the difference between a refusal by Docker and a broken bench."""

from __future__ import annotations

import os

import pytest
from ansible.module_utils import swarm_service
from ansible.module_utils.ready_check import ReadyCheck
from ansible.module_utils.swarm_engine import HarnessError

REQUEST = {
    "stack_name": "bench",
    "service_name": "bench_api",
    "compose_path": "/opt/swarmsweep/stacks/bench.yml",
    "replicas": 1,
    "nano_cpus": 500000000,
    "memory_bytes": 629145600,
    "image": "swarmsweep/api:1f0c9b2",
    "environment": {"API_WORKERS": "2"},
    "haproxy_socket": "/run/haproxy.sock",
    "haproxy_backend": "api",
    "ready_check": ReadyCheck(8000, "/ready", "api"),
    "settled_seconds": 10.0,
    "timeout_seconds": 120.0,
    "remove_timeout_seconds": 60.0,
    "log_lines": 40,
}
RUNS = {
    "slot": 1,
    "nano_cpus": 500000000,
    "memory_bytes": 629145600,
    "image": "swarmsweep/api:1f0c9b2",
    "env": {"API_WORKERS": "2"},
}


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({}, None),
        ({"image": "swarmsweep/api:1f0c9b2@sha256:" + "0" * 64}, None),
        ({"image": "docker.io/swarmsweep/api:1f0c9b2"}, None),
        ({"nano_cpus": 0}, ["replica 1", "NanoCpus 0", "requires 500000000"]),
        ({"memory_bytes": 600000000}, ["Memory 600000000", "requires 629145600"]),
        ({"image": "swarmsweep/api:old"}, ["image 'swarmsweep/api:old'"]),
        ({"env": {"API_WORKERS": "4"}}, ["API_WORKERS '4'", "requires '2'"]),
        ({"env": {}}, ["API_WORKERS None", "requires '2'"]),
    ],
)
def test_what_runs_is_compared_with_what_was_requested(differs, words):
    problems = swarm_service.find_mismatches([{**RUNS, **differs}], swarm_service.Deployment(**REQUEST))
    if words is None:
        assert problems == []
    else:
        assert len(problems) == 1
        for word in words:
            assert word in problems[0]


@pytest.fixture
def docker_command(tmp_path, monkeypatch):
    """Puts a `docker` command on PATH that ends as set. Its messages can be read without the real one."""

    def put(code: int, errors: str = "", first_only: bool = False):
        script = tmp_path / "docker"
        (tmp_path / "errors").write_text(errors)
        once = f'[ -e "{tmp_path}/asked" ] && exit 0; touch "{tmp_path}/asked"; ' if first_only else ""
        script.write_text(f'#!/bin/sh\n{once}cat "{tmp_path}/errors" >&2; exit {code}\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return put


# Messages of Docker 20.10.
TOO_SMALL = (
    "failed to create service bench_api: Error response from daemon: rpc error: code = InvalidArgument "
    "desc = invalid memory value 1048576: Must be at least 4MiB"
)
NO_NETWORK = (
    'network "lab_net" is declared as external, but could not be found. You need to create a swarm-scoped network'
)
SEQUENCE = "Error response from daemon: rpc error: code = Unknown desc = update out of sequence"


def test_a_deployment_that_is_accepted(docker_command):
    docker_command(0)
    assert swarm_service.deploy_stack("bench", "stack.yml") is None


def test_values_that_swarm_refuses_are_a_result(docker_command):
    docker_command(1, TOO_SMALL)
    assert "Must be at least 4MiB" in swarm_service.deploy_stack("bench", "stack.yml")


def test_anything_else_is_a_broken_bench(docker_command):
    docker_command(1, NO_NETWORK)
    with pytest.raises(HarnessError, match=r"lab_net.*could not be found"):
        swarm_service.deploy_stack("bench", "stack.yml")


def test_a_write_conflict_is_tried_again_once(docker_command):
    docker_command(1, SEQUENCE, first_only=True)
    assert swarm_service.deploy_stack("bench", "stack.yml") is None
    docker_command(1, SEQUENCE)
    with pytest.raises(HarnessError, match="out of sequence"):
        swarm_service.deploy_stack("bench", "stack.yml")
