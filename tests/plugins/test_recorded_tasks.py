"""Verdicts over whole task lists as Docker 20.10 gave them, recorded in Swarm mode with real replicas.

data/tasks-docker-20.10.json: one list for each scenario; image names and unrelated fields of the specification removed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.module_utils import swarm_tasks

RECORDED = json.loads((Path(__file__).parent / "data" / "tasks-docker-20.10.json").read_text())


def last_change(tasks):
    return max(swarm_tasks.parse_time(task["Status"]["Timestamp"]) for task in tasks)


def killed_containers(tasks):
    """Containers that exited with 137; in these recordings the kernel killed them for memory."""
    return frozenset(swarm_tasks.container_id_of(task) for task in tasks if swarm_tasks.exit_code_of(task) == 137)


@pytest.mark.parametrize(
    ("scenario", "replicas", "seconds_later", "state", "code", "words"),
    [
        ("ready", 1, 0, "running", None, []),
        ("two-ready", 2, 0, "running", None, []),
        ("two-ready", 3, 0, "converging", None, []),
        ("crash", 2, 0, "failed", "crash", ["exited with code 3", "2 times"]),
        ("oom", 1, 0, "failed", "oom", ["replica 1", "memory limit of 64M", "exit 137"]),
        ("cpus", 1, 0, "failed", "rejected", ["Range of CPUs is from 0.01 to 1.00"]),
        ("no-image", 1, 0, "failed", "rejected", ["No such image: nope:1"]),
        ("no-room", 2, 30, "failed", "rejected", ["Swarm found no node for", "insufficient resources on 1 node"]),
        ("start-failed", 2, 0, "failed", "rejected", ["did not start: exec:", "docker-init"]),
    ],
)
def test_verdict(scenario, replicas, seconds_later, state, code, words):
    tasks = RECORDED[scenario]
    now = last_change(tasks) + seconds_later
    verdict = swarm_tasks.assess(tasks, replicas, now, killed_containers(tasks))
    assert (verdict.state, verdict.reason_code) == (state, code)
    assert (verdict.reason is None) == (words == [])
    for word in words:
        assert word in verdict.reason


def test_what_the_runtime_says_of_itself_is_left_out():
    tasks = RECORDED["start-failed"]
    errors = [task["Status"]["Err"] for task in tasks if task["Status"].get("Err")]
    assert errors
    assert [text for text in errors if "OCI runtime" not in text] == []
    assert "OCI runtime" not in swarm_tasks.assess(tasks, 2, last_change(tasks)).reason


def test_exit_137_is_no_proof_of_a_lack_of_memory():
    tasks = RECORDED["oom"]
    assert swarm_tasks.assess(tasks, 1, last_change(tasks)).state == "converging"


def test_no_room_is_given_time():
    tasks = RECORDED["no-room"]
    created = min(swarm_tasks.parse_time(task["CreatedAt"]) for task in tasks)
    assert swarm_tasks.assess(tasks, 2, created + 10).state == "converging"


def test_a_replica_that_was_killed_under_load():
    tasks = RECORDED["oom-under-load"]
    created = sorted(tasks, key=lambda task: swarm_tasks.parse_time(task["CreatedAt"]))
    first = created[:2]
    deployed = {
        "started_at": swarm_tasks.parse_time(first[0]["CreatedAt"]) - 1,
        "ready_at": swarm_tasks.parse_time(first[1]["CreatedAt"]) + 1,
        "containers": [{"id": swarm_tasks.container_id_of(task), "task_id": task["ID"]} for task in first],
    }
    survival = swarm_tasks.compare_with_deployment(tasks, deployed)
    assert (survival.restarts, survival.changed, survival.exit_codes) == (1, True, [137])
    alive = [task for task in tasks if swarm_tasks.is_running(task)]
    code, reason, task_id = swarm_tasks.explain_survival(survival, alive, killed_containers(tasks))
    assert code == "oom"
    assert "memory limit of 100M" in reason
    assert "replicas replaced: 1" in reason
    assert task_id == survival.deaths[0]["ID"]


def test_addresses_are_those_of_the_overlay_network():
    addresses = [swarm_tasks.addresses_of(task) for task in RECORDED["two-ready"]]
    assert all(len(found) == 1 for found in addresses)
    assert addresses[0] != addresses[1]
