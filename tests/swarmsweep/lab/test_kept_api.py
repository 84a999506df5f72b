"""The sentence for a kept API that cannot run: cause, setting and command, from what the modules return."""

import re
from pathlib import Path

import pytest
import yaml

from swarmsweep.lab import kept_api

ROOT = Path(__file__).parents[3]
SETTINGS = {
    "image": "my-api:1",
    "cpus": 0.5,
    "memory": "512M",
    "port": 8000,
    "ready_path": "/ready",
    "ready_timeout_seconds": 120,
}
OOM = "replica 1 needed more than its memory limit of 512M: killed by the kernel (exit 137, OOM)"
LATE = "0 of 1 servers of HAProxy's backend api are up: api-1 DOWN L7STS"


def service(code, reason):
    return {"name": "lab_api_api", "wanted": 1, "running": 0, "error": None, "reason_code": code, "reason": reason}


def stack(code, reason):
    return {"msg": f"The stack lab_api has not converged after 12 s.\n{reason}", "services": [service(code, reason)]}


@pytest.mark.parametrize(
    ("result", "cause", "fix"),
    [
        (stack("oom", OOM), OOM, "raise lab_api_memory (512M)"),
        (
            stack("crash", "replica 1 exited with code 1 (error)"),
            "replica 1 exited with code 1 (error)",
            "check lab_api_image, lab_api_env and lab_api_memory",
        ),
        (
            stack("rejected", "replica 1 was refused by its node: No such image: my-api:1"),
            "replica 1 was refused by its node: No such image: my-api:1",
            "put the image my-api:1 on the API host, or set another lab_api_image",
        ),
        (
            stack("rejected", "replica 1 was refused by its node: Range of CPUs is from 0.01 to 1.00"),
            "replica 1 was refused by its node: Range of CPUs is from 0.01 to 1.00",
            "lower lab_api_cpus (0.5)",
        ),
        (
            stack("rejected", "replica 1 found no node: no suitable node (insufficient resources on 1 node)"),
            "replica 1 found no node: no suitable node (insufficient resources on 1 node)",
            "check lab_api_image (my-api:1), lab_api_cpus (0.5) and lab_api_memory (512M)",
        ),
        (
            {"msg": f"The stack lab_api has not converged after 120 s.\n{LATE}", "services": [service(None, None)]},
            LATE,
            "check lab_api_ready_path (/ready) and lab_api_port (8000), or raise lab_api_ready_timeout_seconds (120)",
        ),
    ],
)
def test_the_sentence_has_cause_setting_and_command(result, cause, fix):
    sentence = kept_api.kept_sentence(result, SETTINGS)
    assert sentence == (
        f"The API cannot run as the inventory has it: {cause}; {fix} in inventory/lab/group_vars/all/lab.yml, "
        "then run: ./lab site"
    )
    after = kept_api.kept_sentence(result, SETTINGS, "/reports/x/summary.md")
    assert after == f"{sentence}. The measurement is complete; its summary is at /reports/x/summary.md"


@pytest.mark.parametrize(
    "result", [{"msg": "Docker does not answer"}, {"msg": "Docker does not answer", "services": []}]
)
def test_where_no_setting_helps_none_is_named(result):
    sentence = kept_api.kept_sentence(result, SETTINGS)
    assert sentence == "The API cannot run as the inventory has it: Docker does not answer; run: ./lab site"


def test_a_setting_without_a_value_is_empty():
    result = stack("rejected", "replica 1 found no node: none")
    assert "lab_api_image (empty)" in kept_api.kept_sentence(result, SETTINGS | {"image": ""})


def test_every_setting_that_is_named_is_one_of_the_inventory():
    known = yaml.safe_load((ROOT / kept_api.INVENTORY).read_text())
    named = {
        name
        for text in [*kept_api._HELP.values(), *kept_api._WORDS.values()]
        for name in re.findall(r"lab_api_\w+", text)
    }
    assert named
    assert named <= known.keys()
    assert {f"lab_api_{name}" for name in SETTINGS} <= known.keys()


def test_a_roll_back_whose_culprit_is_unknown_blames_no_ready_path():
    said = "lab_api_api: Swarm took the update back, what ran before runs on"
    services = [{"name": "lab_api_api", "reason": None, "reason_code": None}]
    sentence = kept_api.kept_sentence({"msg": said, "services": services}, SETTINGS)
    assert "docker service ps --no-trunc lab_api_api" in sentence
    assert "Check lab_api_memory (512M)" in sentence
    assert "ready_path" not in sentence


def test_the_playbook_asks_for_the_sentence_with_all_settings():
    tasks = yaml.safe_load((ROOT / "playbooks/deploy.yml").read_text())[0]["tasks"]
    explain, fail = next(task["rescue"] for task in tasks if "rescue" in task)
    assert explain["sweep"]["do"] == "explain_kept"
    assert explain["sweep"]["settings"].keys() == SETTINGS.keys()
    assert all(value.startswith(f"{{{{ lab_api_{name} ") for name, value in explain["sweep"]["settings"].items())
    assert explain["register"] in fail["ansible.builtin.fail"]["msg"]
