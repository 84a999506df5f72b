"""What is refused before API hosts join a Swarm, and before a sweep on several of them.

The task files are the real ones. `docker` and `ip` print what Docker 20.10 and iproute2 print on a host.
"""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.plugins import playing

ROOT = Path(__file__).parents[2]
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
LINKS = [
    {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8}]},
    {"ifname": "host0", "addr_info": [{"family": "inet", "local": "198.18.0.11", "prefixlen": 24}]},
]
ROUTE = [{"dst": "192.0.2.1", "gateway": "198.18.0.1", "dev": "host0", "prefsrc": "198.18.0.11", "uid": 0}]


def put_program(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def play(folder: Path, hosts: list[str], tasks: list[dict], host: dict = LOCAL, **variables: object) -> tuple[int, str]:
    """Exit code and output of tasks on the first host."""
    (folder / "hosts.json").write_text(json.dumps({"api": {"hosts": dict.fromkeys(hosts, host)}}))
    book = [{"name": "A", "hosts": hosts[0], "gather_facts": False, "vars": variables, "tasks": tasks}]
    (folder / "play.yml").write_text(json.dumps(book))
    path = f"{folder / 'bin'}:{playing.environment(folder)['PATH']}"
    code, out, errors = playing.play(folder, PATH=path)
    return code, " ".join((out + errors).split())


SWARMS = {
    # Docker's `info` of a Swarm: nodes, whether this host is a manager, its address.
    "an older lab": ("1 true 127.0.0.1", ["advertises 127.0.0.1", "docker swarm leave --force", "The volumes"]),
    "another address": ("1 true 198.18.0.99", ["advertises 198.18.0.99"]),
    "more nodes": ("3 true 198.18.0.11", ["Swarm of 3 nodes", "has 2 API hosts", "docker node rm --force ID"]),
}


@pytest.mark.parametrize(("found", "words"), SWARMS.values(), ids=SWARMS)
def test_a_swarm_that_cannot_be_used_is_refused_before_a_port_is_opened(tmp_path, found, words):
    put_program(tmp_path, "docker", f"echo '{found}'")
    put_program(
        tmp_path, "ip", f"case \"$*\" in *route*) echo '{json.dumps(ROUTE)}' ;; *) echo '{json.dumps(LINKS)}' ;; esac"
    )
    include = {"name": "swarm", "apply": {"become": False}}
    given = {"swarm_hosts": ["lab-api", "lab-api2"], "swarm_inventory_address": "198.18.0.11"}
    tasks = [{"name": "Join", "ansible.builtin.include_role": include, "vars": given}]
    code, said = play(tmp_path, ["lab-api", "lab-api2"], tasks)
    assert code != 0
    assert [word for word in words if word not in said] == [], said
    assert "Write the rules" not in said


INFO = json.dumps({"id": "k7x2mfq1", "cpus": 1, "memory_bytes": 8 * 1024**3})
NODES = {
    "ready": ((0, INFO), "k7x2mfq1 Ready Active", []),
    "down": ((0, INFO), "k7x2mfq1 Down Active", ["cannot place replicas on lab-api", "is down active"]),
    "drained": ((0, INFO), "k7x2mfq1 Ready Drain", ["is ready drain"]),
    "not a node": ((0, INFO), "r32no4di Ready Active", ["no node of the Swarm of lab-api", "./lab site"]),
    "in no Swarm": ((0, INFO.replace("k7x2mfq1", "")), "r32no4di Ready Active", ["./lab site"]),
    "no Docker": ((1, ""), "k7x2mfq1 Ready Active", ["Docker does not respond", "systemctl status docker"]),
}


@pytest.mark.parametrize(("info", "nodes", "words"), NODES.values(), ids=NODES)
def test_a_sweep_needs_all_of_its_api_hosts(tmp_path, info, nodes, words):
    code, text = info
    put_program(tmp_path, "docker", f"if [ \"$1\" = node ]; then echo '{nodes}'; else echo '{text}'; exit {code}; fi")
    include = str(ROOT / "playbooks/tasks/read_nodes.yml")
    code, said = play(tmp_path, ["lab-api", "lab-api2"], [{"name": "Look", "ansible.builtin.include_tasks": include}])
    assert (code == 0) == (not words), said
    assert [word for word in words if word not in said] == [], said


@pytest.mark.parametrize(("found", "changes"), [("", True), ("b", True), ("a", False)])
def test_the_node_has_the_group_of_the_inventory(tmp_path, found, changes):
    log = tmp_path / "calls"
    put_program(
        tmp_path,
        "docker",
        f'echo "$*" >> "{log}"\n'
        f"case \"$1 $2\" in 'node ls') echo 'k7x2mfq1 Ready Active' ;; 'node inspect') echo '{found}' ;; "
        f"info*) echo '{INFO}' ;; esac",
    )
    include = str(ROOT / "playbooks/tasks/read_nodes.yml")
    tasks = [{"name": "Look", "ansible.builtin.include_tasks": include}]
    host = LOCAL | {"lab_labels": {"rack": "a"}}
    code, said = play(tmp_path, ["lab-api", "lab-api2"], tasks, host, lab_api_spread="rack")
    assert code == 0, said
    updates = [line for line in log.read_text().splitlines() if line.startswith("node update")]
    assert updates == (["node update --label-add swarmsweep.spread=a k7x2mfq1"] if changes else [])


def test_an_empty_spread_of_the_inventory_needs_no_group(tmp_path):
    """YAML reads `lab_api_spread:` as null, which `default('')` would keep."""
    put_program(tmp_path, "docker", f"if [ \"$1\" = node ]; then echo 'k7x2mfq1 Ready Active'; else echo '{INFO}'; fi")
    include = str(ROOT / "playbooks/tasks/read_nodes.yml")
    tasks = [{"name": "Look", "ansible.builtin.include_tasks": include}]
    null = {"lab_api_spread": None, "lab_api_placement": None}
    code, said = play(tmp_path, ["lab-api", "lab-api2"], tasks, **null)
    assert code == 0, said


def test_each_playbook_takes_an_empty_spread():
    texts = [file.read_text() for file in (ROOT / "playbooks").rglob("*.yml")]
    fallbacks = [words for text in texts for words in re.findall(r"lab_api_spread \| default\(([^)]*)\)", text)]
    assert len(fallbacks) == 5
    assert {words.replace('"', "'") for words in fallbacks} == {"'', true"}
