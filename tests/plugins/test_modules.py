"""The modules through Ansible itself, on this machine: check mode, and errors that reach the user completely."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAT = (Path(__file__).parent / "data" / "haproxy-2.6-two-up.csv").read_text()


class Haproxy(socketserver.StreamRequestHandler):
    """Replays a recorded response of HAProxy 2.6 to `show stat`."""

    def handle(self):
        command = self.rfile.readline().decode().strip()
        self.wfile.write((STAT if command == "show stat" else "Permission denied\n").encode())


STACK = 'services:\n  api:\n    environment: {"A": "1", "DB_PASS": "hunter2"}\n'


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Result of every task of one playbook, by task name; and the folder they wrote to."""
    folder = tmp_path_factory.mktemp("modules")
    path = folder / "haproxy.sock"
    (folder / "stack.yml").write_text("version: '3.8'\n")
    (folder / "failed.json").write_text('{"status": "failed"}')
    deploy = {
        "stack_name": "bench",
        "service_name": "bench_api",
        "compose_path": str(folder / "stack.yml"),
        "replicas": 1,
        "nano_cpus": 500000000,
        "memory_bytes": 629145600,
        "workers_env": {"API_WORKERS": "2"},
        "image": "swarmsweep/api:1f0c9b2",
        "haproxy_socket": str(path),
        "ready_check": {"port": 8000, "path": "/ready", "host": "api"},
        "output_path": str(folder / "deploy.json"),
        "docker_url": f"unix://{folder}/docker.sock",
    }
    after = {"service_name": "bench_api", "output_path": str(folder / "after.json")}
    silent = {"docker_url": deploy["docker_url"]}
    tasks = {
        "ready check": ("swarm_service_ready", deploy, True),
        "ready silent": ("swarm_service_ready", deploy, False),
        "ready written": (
            "swarm_service_ready",
            {**deploy, "compose_path": str(folder / "written.yml"), "compose": STACK},
            False,
        ),
        "ready foreign": ("swarm_service_ready", {**deploy, "service_name": "lab_api"}, False),
        "ready none": ("swarm_service_ready", {**deploy, "replicas": 0}, False),
        "after check": ("swarm_service_after", {**after, "deploy_path": "none"}, True),
        "after missing": ("swarm_service_after", {**after, "deploy_path": str(folder / "none.json")}, False),
        "after failed": ("swarm_service_after", {**after, "deploy_path": str(folder / "failed.json")}, False),
        "converged check": ("swarm_stack_converged", {"stack_name": "lab", **silent}, True),
        "converged silent": ("swarm_stack_converged", {"stack_name": "lab", **silent}, False),
        "converged words": ("swarm_stack_converged", {"stack_name": "lab", "services": {"proxy": "one"}}, False),
        "stat check": ("haproxy_stat", {"socket": str(path), "dest": str(folder / "check.csv")}, True),
        "stat": ("haproxy_stat", {"socket": str(path), "dest": str(folder / "h.csv"), "servers_up": 2}, False),
        "stat three": (
            "haproxy_stat",
            {"socket": str(path), "dest": str(folder / "h3.csv"), "servers_up": 3, "timeout_seconds": 0.1},
            False,
        ),
    }
    return run_tasks(folder, path, tasks), folder


def run_tasks(folder: Path, socket_path: Path, tasks: dict) -> dict:
    steps = [
        {"name": name, module: arguments, "check_mode": check, "ignore_errors": True, "register": f"step_{number}"}
        for number, (name, (module, arguments, check)) in enumerate(tasks.items())
    ]
    everything = ", ".join(f"'{name}': step_{number}" for number, name in enumerate(tasks))
    content = f"{{{{ {{{everything}}} | to_json }}}}"
    keep = {"name": "Keep all", "ansible.builtin.copy": {"dest": str(folder / "results.json"), "content": content}}
    playbook = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "connection": "local",
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [*steps, keep],
        }
    ]
    (folder / "play.json").write_text(json.dumps(playbook))
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "tmp"),
    }
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", str(folder / "play.json")]
    with socketserver.ThreadingUnixStreamServer(str(socket_path), Haproxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        finished = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
        server.shutdown()
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return json.loads((folder / "results.json").read_text())


# The file becomes part of the report, whatever the outcome of the deployment.
def test_the_stack_file_that_stays_holds_no_secret(results):
    found, folder = results
    assert found["ready written"]["failed"] is True
    assert (folder / "written.yml").read_text() == STACK.replace("hunter2", "***")


@pytest.mark.parametrize("name", ["ready check", "after check", "converged check", "stat check"])
def test_check_mode_does_nothing(results, name):
    found, folder = results
    assert (found[name]["failed"], found[name]["changed"]) == (False, False)
    assert not (folder / "check.csv").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ready foreign", ["'lab_api'", "bench_"]),
        ("ready none", ["replicas is 0"]),
        ("after missing", ["none.json", "No such file"]),
        ("after failed", ["failed.json", "status 'failed'"]),
        ("converged words", ["services", "one"]),
        ("stat three", ["2 of 3 servers", "api-1 UP L7OK"]),
    ],
)
def test_errors_name_the_bad_value(results, name, words):
    found, _ = results
    assert found[name]["failed"] is True
    for word in words:
        assert word in found[name]["msg"]


@pytest.mark.parametrize("name", ["ready silent", "converged silent"])
def test_a_silent_docker_is_named(results, name):
    pytest.importorskip("docker", reason="the Docker SDK for Python is needed to ask Docker")
    found, folder = results
    assert found[name]["failed"] is True
    assert f"Docker does not respond on unix://{folder}/docker.sock" in found[name]["msg"]
    assert not (folder / "deploy.json").exists()


def test_the_statistics_are_stored_as_they_came(results):
    found, folder = results
    assert (found["stat"]["changed"], found["stat"]["servers_up"]) == (True, 2)
    assert (folder / "h.csv").read_text() == STAT
