"""The wait for a deployment asks the other API hosts: the role's task files, and the real module on these hosts.

The module that waits on the manager needs Docker, so a stand-in returns what it returns, and keeps its options.
The containers of the other host are a real process that listens in a network of its own.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins import playing

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="this machine: no root, so no network namespace can be made")

WAITS = """#!/usr/bin/python
import json, os
from ansible.module_utils.basic import AnsibleModule

OPTIONS = {options}
module = AnsibleModule(argument_spec=OPTIONS)
path = "{folder}/waits.json"
waits = json.load(open(path)) if os.path.exists(path) else []
waits.append(module.params)
with open(path, "w") as file:
    json.dump(waits, file)
module.exit_json(**{results}[min(len(waits), {rounds}) - 1])
"""
# `docker` of the other hosts: it knows one of the two containers, and exits as Docker does then.
DOCKER = """#!/bin/sh
echo "aaa {pid} false"
echo "ccc 0 true"
exit 1
"""
LISTEN = """
import socket, sys
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("listens", flush=True)
sys.stdin.read()
"""
QUESTION = {"unread": ["aaa", "bbb"], "asked": 1, "started_at": 7.5}
ROLE = {
    "api_stack_lab_name": "lab", "api_stack_images": {"api": "a:1", "mlflow": "m:1"}, "api_stack_settled_seconds": 0,
    "api_stack_ready_check": {"port": 8000, "path": "/ready", "host": "api"}, "api_stack_replicas": 2,
}  # fmt: skip
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
# The task file, its module, what it returns when others must be asked, and at the end.
KINDS = {
    "fresh": (
        "swarm_service_ready",
        {"status": "undecided", "deploy": QUESTION},
        {"status": "failed", "reason": "not ready", "deploy": {}},
    ),
    "served": ("swarm_stack_converged", {"services": [], "undecided": QUESTION}, {"services": []}),
}


@pytest.fixture(params=[5000, 8000])
def listener(request) -> Iterator[tuple[int, int]]:
    """The port and the process of a server in a network of its own."""
    up = ("unshare", "--net", sys.executable, "-c", LISTEN, str(request.param))
    with subprocess.Popen(up, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "listens\n"
            yield request.param, process.pid
        finally:
            process.kill()


def play(folder: Path, kind: str, pid: int, rounds: int, others: list[str]) -> tuple[list[dict], str]:
    """The options of each wait, and the output. In all rounds but the last, the other hosts must be asked."""
    module, undecided, end = KINDS[kind]
    source = (playing.ROOT / f"plugins/modules/{module}.py").read_text()
    # The stand-in takes the options of the real module.
    options = {name: {"type": "raw"} for name in options_of(source)}
    text = WAITS.format(options=options, folder=folder, results=[undecided, end], rounds=2) if rounds == 2 else ""
    text = text or WAITS.format(options=options, folder=folder, results=[end], rounds=1)
    (folder / "modules").mkdir()
    (folder / "modules" / f"{module}.py").write_text(text)
    (folder / "bin").mkdir()
    (folder / "bin/docker").write_text(DOCKER.format(pid=pid))
    (folder / "bin/docker").chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    gone = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port}
    hosts = {"manager": LOCAL, "other": LOCAL, "gone": gone}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    include = {"name": "api_stack", "tasks_from": kind, "apply": {"delegate_to": "manager"}}
    tasks = [
        {"name": "Wait", "ansible.builtin.include_role": include, "vars": ROLE | {"api_stack_other_hosts": others}},
        {"name": "Go on", "ansible.builtin.debug": {"msg": "went on"}},
    ]
    (folder / "play.yml").write_text(
        json.dumps([{"name": "A", "hosts": "manager", "gather_facts": False, "tasks": tasks}])
    )
    code, out, errors = playing.play(
        folder,
        "-v",
        PATH=f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        ANSIBLE_LIBRARY=f"{folder / 'modules'}{os.pathsep}{playing.ROOT / 'plugins/modules'}",
    )
    assert code == 0, out + errors
    assert "went on" in out
    return json.loads((folder / "waits.json").read_text()), out


def options_of(source: str) -> list[str]:
    """The names in ARGUMENTS of a module, and those that it shares with the other one."""
    table = source.partition("\nARGUMENTS = {\n")[2].partition("\n}")[0]
    own = [line.split('"')[1] for line in table.splitlines() if line.startswith('    "')]
    return [*own, "has_other_hosts", "resumed", "elsewhere"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_wait_goes_on_with_what_the_other_hosts_found(tmp_path, listener, kind):
    port, pid = listener
    (first, then), _ = play(tmp_path, kind, pid, 2, ["other", "gone"])
    assert (first["resumed"], first["elsewhere"]) == ({}, {})
    assert first["has_other_hosts"] is True
    assert then["resumed"] == QUESTION
    assert then["elsewhere"] == ({"aaa": "listens on 5000; lab_api_port is 8000"} if port == 5000 else {})
    if kind == "fresh":
        assert (first["killed_elsewhere"], then["killed_elsewhere"]) == ([], ["ccc"])
        # What is deployed already is not deployed again.
        assert "services:" in first["compose"]
        assert then["compose"] == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_lab_with_one_api_host_asks_no_one(tmp_path, kind):
    (wait,), out = play(tmp_path, kind, 0, 1, [])
    assert wait["has_other_hosts"] is False
    assert "Read what listens" not in out
