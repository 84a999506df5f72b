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
    # Docker shows the number of nodes to a manager alone, and a manager leaves only with --force.
    "more nodes": (
        "3 true 198.18.0.11",
        ["Swarm of 3 nodes", "has 2 API hosts", "docker node rm --force ID", "`docker swarm leave --force` on lab-api"],
    ),
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
    "down": (
        (0, INFO),
        "k7x2mfq1 Down Active",
        [
            "Swarm cannot place replicas on lab-api. In the Swarm of lab-api, this host has the status down and the "
            "availability active; allowed: ready and active. "
            "To see why, run on lab-api: docker node inspect --pretty k7x2mfq1"
        ],
    ),
    "drained": (
        (0, INFO),
        "k7x2mfq1 Ready Drain",
        ["availability drain; ", "Fix: docker node update --availability active k7x2mfq1, on lab-api"],
    ),
    "not a node": ((0, INFO), "r32no4di Ready Active", ["The Swarm of lab-api has no node of this host", "./lab site"]),
    "in no Swarm": ((0, INFO.replace("k7x2mfq1", "")), "r32no4di Ready Active", ["./lab site"]),
    "no Docker": ((1, ""), "k7x2mfq1 Ready Active", ["Docker does not respond", "systemctl status docker"]),
}


# What Docker prints, the group that a node has, and the variables of the inventory.
CASES = {name: (info, nodes, "", {}) for name, (info, nodes, _) in NODES.items()}
GROUPS = {"no group": ("", True), "another group": ("b", True), "its group": ("a", False)}
RACK = {"lab_api_spread": "rack"}
CASES |= {name: ((0, INFO), "k7x2mfq1 Ready Active", found, RACK) for name, (found, _) in GROUPS.items()}
# YAML reads `lab_api_spread:` as null, which `default('')` would keep.
NULL = {"lab_api_spread": None, "lab_api_placement": None}
CASES["null"] = ((0, INFO), "k7x2mfq1 Ready Active", "", NULL)


@pytest.fixture(scope="module")
def looked(tmp_path_factory) -> dict[str, tuple[str, list[str]]]:
    """What each case reports, and how it called docker. All cases are tasks of one play."""
    root = tmp_path_factory.mktemp("nodes")
    tasks = []
    for number, ((code, text), nodes, found, given) in enumerate(CASES.values()):
        folder = root / f"{number}"
        folder.mkdir()
        put_program(
            folder,
            "docker",
            f'echo "$*" >> "{folder}/calls"\n'
            f"case \"$1 $2\" in 'node ls') echo '{nodes}' ;; 'node inspect') echo '{found}' ;; "
            f"info*) echo '{text}'; exit {code} ;; esac",
        )
        look = {"name": "Look", "ansible.builtin.include_tasks": str(ROOT / "playbooks/tasks/read_nodes.yml")}
        tell = {"name": "Keep it", "ansible.builtin.set_fact": {f"told_{number}": "{{ ansible_failed_result.msg }}"}}
        path = f"{folder / 'bin'}:{playing.environment(folder)['PATH']}"
        tasks.append({"block": [look], "rescue": [tell], "vars": given, "environment": {"PATH": path}})
    told = ", ".join(f"told_{number} | default('')" for number in range(len(CASES)))
    content = {"content": f"{{{{ [{told}] | to_json }}}}", "dest": f"{root}/told.json"}
    tasks.append({"name": "Write it", "ansible.builtin.copy": content})
    # Only a case with a spread reads the labels.
    code, said = play(root, ["lab-api", "lab-api2"], tasks, LOCAL | {"lab_labels": {"rack": "a"}})
    assert code == 0, said
    messages = json.loads((root / "told.json").read_text())
    calls = [(root / f"{number}/calls").read_text().splitlines() for number in range(len(CASES))]
    return dict(zip(CASES, zip(messages, calls, strict=True), strict=True))


@pytest.mark.parametrize("name", NODES)
def test_a_sweep_needs_all_of_its_api_hosts(looked, name):
    said, _ = looked[name]
    words = NODES[name][-1]
    assert bool(said) == bool(words), said
    assert [word for word in words if word not in " ".join(said.split())] == [], said


@pytest.mark.parametrize("name", GROUPS)
def test_the_node_has_the_group_of_the_inventory(looked, name):
    said, calls = looked[name]
    assert not said
    updates = [line for line in calls if line.startswith("node update")]
    changes = GROUPS[name][1]
    assert updates == (["node update --label-add swarmsweep.spread=a k7x2mfq1"] if changes else [])


def test_an_empty_spread_of_the_inventory_needs_no_group(looked):
    said, calls = looked["null"]
    assert not said
    assert [line for line in calls if line.startswith("node update")] == []


def test_each_playbook_takes_an_empty_spread():
    texts = [file.read_text() for file in (ROOT / "playbooks").rglob("*.yml")]
    fallbacks = [words for text in texts for words in re.findall(r"lab_api_spread \| default\(([^)]*)\)", text)]
    assert len(fallbacks) == 5
    assert {words.replace('"', "'") for words in fallbacks} == {"'', true"}
