"""Which service is removed before the API of the inventory is deployed: that of a cell, never a kept one."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from tests.plugins import playing

ROOT = Path(__file__).parents[2]
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
# The exit code of `docker service inspect`, the failure action that it prints, and whether Ansible only checks.
CASES = {
    "no service": (1, "", False),
    "of a cell": (0, "", False),
    "with Docker's own action": (0, "pause", False),
    "kept": (0, "rollback", False),
    "of a cell, in check mode": (0, "", True),
}
REMOVED = {"of a cell", "with Docker's own action"}
DOCKER = """#!/bin/sh
echo "$*" >> "{folder}/calls"
[ "$2" != inspect ] || {{ echo "{action}"; exit {code}; }}
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> dict[str, list[str]]:
    """How each case calls docker. The tasks are those of the role, all in one play."""
    root = tmp_path_factory.mktemp("kept")
    kept = yaml.safe_load((ROOT / "roles/api_stack/tasks/kept.yml").read_text())
    tasks = [task for task in kept if task["name"].endswith("the replicas of a cell")]
    assert len(tasks) == 2
    blocks = []
    for number, (code, action, checks) in enumerate(CASES.values()):
        folder = root / f"{number}"
        (folder / "bin").mkdir(parents=True)
        program = folder / "bin/docker"
        program.write_text(DOCKER.format(folder=folder, action=action, code=code))
        program.chmod(0o755)
        path = f"{folder / 'bin'}:{playing.environment(folder)['PATH']}"
        blocks.append({"block": tasks, "environment": {"PATH": path}, "check_mode": checks})
    (root / "hosts.json").write_text(json.dumps({"api": {"hosts": {"lab-api": LOCAL}}}))
    book = {"name": "A", "hosts": "api", "gather_facts": False, "vars": {"api_stack_lab_name": "lab"}, "tasks": blocks}
    (root / "play.yml").write_text(json.dumps([book]))
    code, out, errors = playing.play(root)
    assert code == 0, out + errors
    return {name: (root / f"{number}/calls").read_text().splitlines() for number, name in enumerate(CASES)}


@pytest.mark.parametrize("name", CASES)
def test_the_service_of_a_cell_alone_is_removed(calls, name):
    looked, *changes = calls[name]
    assert looked.startswith("service inspect --format {{with .Spec.UpdateConfig}}")
    assert looked.endswith(" lab_api_api")
    assert changes == (["service rm lab_api_api"] if name in REMOVED else [])
