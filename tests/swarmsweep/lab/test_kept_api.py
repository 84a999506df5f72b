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
    "ready_host": "api",
    "ready_timeout_seconds": 120,
}
OOM = "replica 1 needed more than its memory limit of 512M: killed by the kernel (exit 137, OOM)"
LATE = "0 of 1 servers of HAProxy's backend api are up: api-1 DOWN L7STS"


def service(code, reason):
    return {"name": "lab_api_api", "wanted": 1, "running": 0, "error": None, "reason_code": code, "reason": reason}


def stack(code, reason):
    return {"msg": f"The stack lab_api has not converged after 12 s.\n{reason}", "services": [service(code, reason)]}


def late(cause):
    services = [service(None, None)]
    return {"msg": f"The stack lab_api has not converged after 12 s.\n{cause}", "services": services}


NO_SERVER = f"The stack lab_api has not converged after 120 s.\n{LATE}"
REFUSED = "GET /ready (Host: api) got status 404 from api-1; lab_api_ready_path is /ready"
UNKNOWN_HOST = "GET /ready (Host: api) got status 400 from api-1; lab_api_ready_host is api"
BROKEN = "GET /health (Host: api) got status 500 from api-1; lab_api_ready_path is /health"
ELSEWHERE = "replica 1 listens on 5000; lab_api_port is 8000"
LOOPBACK = (
    "replica 1 listens on 127.0.0.1:8000 alone, which only its own container reaches; the API must listen on 0.0.0.0"
)
TAKEN_BACK = "lab_api_api: Swarm rolled the update back, so the previous replicas keep running"
# What a module returned, the cause in it, and the settings that help.
RESULTS = {
    "oom": (stack("oom", OOM), OOM, ["memory"]),
    "crash": (
        stack("crash", "replica 1 exited with code 1 (error)"),
        "replica 1 exited with code 1 (error)",
        ["image", "command", "env", "user", "read_only", "memory"],
    ),
    "no image": (
        stack("rejected", "replica 1 was rejected by its node: No such image: my-api:1"),
        "replica 1 was rejected by its node: No such image: my-api:1",
        ["image"],
    ),
    "too many CPUs": (
        stack("rejected", "replica 1 was rejected by its node: Range of CPUs is from 0.01 to 1.00"),
        "replica 1 was rejected by its node: Range of CPUs is from 0.01 to 1.00",
        ["cpus"],
    ),
    "no command": (
        stack("rejected", "replica 1 was rejected by its node: No command specified"),
        "replica 1 was rejected by its node: No command specified",
        ["command"],
    ),
    "no node": (
        stack("rejected", "Swarm found no node for replica 1: no suitable node (insufficient resources on 1 node)"),
        "Swarm found no node for replica 1: no suitable node (insufficient resources on 1 node)",
        ["image", "cpus", "memory"],
    ),
    "not ready": (
        {"msg": NO_SERVER, "services": [service(None, None)]},
        LATE,
        ["ready_path", "port", "ready_timeout_seconds"],
    ),
    "404": (late(REFUSED), REFUSED, ["ready_path"]),
    "400": (late(UNKNOWN_HOST), UNKNOWN_HOST, ["ready_host"]),
    "500": (late(BROKEN), BROKEN, ["writable"]),
    "another port": (late(ELSEWHERE), ELSEWHERE, ["port"]),
    "loopback": (late(LOOPBACK), LOOPBACK, ["command", "env"]),
    # The cause is unknown, so no ready path is named.
    "taken back": (
        {"msg": TAKEN_BACK, "services": [{"name": "lab_api_api", "reason": None, "reason_code": None}]},
        TAKEN_BACK,
        ["memory", "image", "env"],
    ),
    # No setting helps, so no setting is named.
    "Docker is silent": ({"msg": "Docker does not answer"}, "Docker does not answer", []),
    "Docker is silent, no services": (
        {"msg": "Docker does not answer", "services": []},
        "Docker does not answer",
        [],
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_the_sentence_has_cause_setting_and_command(name):
    result, cause, helps = RESULTS[name]
    sentence = kept_api.kept_sentence(result, SETTINGS)
    assert cause in sentence
    assert sentence.endswith("./lab site --tags api" if helps else "./lab site")
    assert set(re.findall(r"lab_api_(\w+)", sentence.replace(cause, ""))) - {"api"} == set(helps)
    assert ("inventory/lab/group_vars/all/lab.yml" in sentence) == bool(helps)
    mine = kept_api.kept_sentence(result, SETTINGS, inventory="inventory/mine")
    assert ("The settings are in inventory/mine/group_vars/all/lab.yml" in mine) == bool(helps)
    after = kept_api.kept_sentence(result, SETTINGS, "/reports/x/summary.md")
    assert after.startswith(sentence) and after.endswith("/reports/x/summary.md")


def test_the_sentences(golden):
    sentences = {name: kept_api.kept_sentence(result, SETTINGS) for name, (result, _, _) in RESULTS.items()}
    after = kept_api.kept_sentence(RESULTS["oom"][0], SETTINGS, "/reports/x/summary.md")
    golden("kept.yml", sentences | {"oom, after a sweep": after})


def test_a_setting_without_a_value_is_empty():
    result = stack("rejected", "Swarm found no node for replica 1: none")
    assert "lab_api_image (empty)" in kept_api.kept_sentence(result, SETTINGS | {"image": ""})


@pytest.mark.parametrize(("name", "is_named"), [("another port", True), ("404", True), ("500", False), ("oom", False)])
def test_without_an_image_the_sentence_says_which_api_runs(name, is_named):
    result = RESULTS[name][0]
    words = f"{RESULTS[name][1]}. lab_api_image is empty, so this is the API that comes with swarmsweep."
    assert (words in kept_api.kept_sentence(result, SETTINGS | {"image": ""})) == is_named
    assert words not in kept_api.kept_sentence(result, SETTINGS)


# As after an update of this repository.
def test_an_image_of_the_lab_is_built_and_not_copied():
    sentence = kept_api.kept_sentence(RESULTS["no image"][0], SETTINGS | {"image": ""})
    assert sentence.endswith(". Fix: ./lab site")


def test_every_setting_that_is_named_is_one_of_the_inventory():
    known = yaml.safe_load((ROOT / "inventory/lab/group_vars/all/lab.yml").read_text())
    named = {
        name
        for text in [*kept_api._HELP.values(), *kept_api._WORDS.values()]
        for name in re.findall(r"lab_api_\w+", text)
    }
    assert named
    assert named <= known.keys()
    assert {f"lab_api_{name}" for name in SETTINGS} <= known.keys()


def test_the_playbook_requests_the_sentence_with_all_settings():
    plays = yaml.safe_load((ROOT / "playbooks/deploy.yml").read_text())
    tasks = [task for play in plays for task in play.get("tasks", ())]
    (explain, fail) = next(task["rescue"] for task in tasks if "rescue" in task)
    assert explain["sweep"]["do"] == "explain_kept"
    assert explain["sweep"]["settings"].keys() == SETTINGS.keys()
    assert all(value.startswith(f"{{{{ lab_api_{name} ") for name, value in explain["sweep"]["settings"].items())
    assert explain["sweep"]["inventories"] == "{{ ansible_inventory_sources }}"
    assert explain["register"] in fail["ansible.builtin.fail"]["msg"]
