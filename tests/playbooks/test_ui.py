"""`./lab ui` on several load hosts, of which one does not start its part. The hosts are this machine."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOSTS = ("lab-load", "lab-load2")
UNIT = {"unit": "swarmsweep-lab-locust-page-7.service", "active": "active"}


def playbook(name):
    return yaml.safe_load((ROOT / f"playbooks/{name}.yml").read_text())


@pytest.mark.parametrize(
    ("fault", "begins", "stays"),
    [
        (None, True, True),
        ("fails", True, False),
        ("unreachable", True, False),
        # Workers that cannot join leave the page that runs as it is.
        ("fails", False, True),
    ],
)
def test_nothing_of_a_page_stays_where_a_load_host_cannot_start_it(play, tmp_path, fault, begins, stays):
    (start,) = [part for part in playbook("ui") if part["name"] == "Start Locust"]
    (task,) = start["tasks"]
    # The parts that need a load host.
    copied = {"ansible.builtin.file": {"path": "{{ locust_host_secrets_directory }}", "state": "directory"}}
    started = {
        "ansible.builtin.command": {"argv": ["test", "{{ inventory_hostname }}", "!=", "lab-load2" if fault else ""]}
    }
    secrets, locust = task["block"]
    assert (
        secrets["ansible.builtin.include_role"]["tasks_from"] == "secrets"
        and locust["locust_page"]["state"] == "started"
    )
    task["block"] = [
        {"name": secrets["name"]} | copied,
        {"name": locust["name"], "register": locust["register"], "changed_when": False} | started,
    ]
    start["vars"] = {
        name: "{{ secrets_root }}/{{ inventory_hostname }}" if name == "locust_host_secrets_directory" else value
        for name, value in start["vars"].items()
    }
    program = tmp_path / "bin/systemctl"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\necho $1 >> {tmp_path}/called\n[ $1 != list-units ] || echo '{json.dumps([UNIT])}'\n"
    )
    program.chmod(0o755)
    start["environment"] = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    known = {"ansible.builtin.set_fact": {"ui_order": {"begins": begins, "load": {}, "secrets": []}}}
    book = [
        {"hosts": "localhost", "gather_facts": False, "tasks": [{"name": "Know it"} | known]},
        start | {"become": False},
    ]
    (tmp_path / "play.yml").write_text(json.dumps(book))
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        # Nothing listens there.
        closed = {"ansible_host": "127.0.0.1", "ansible_port": bound.getsockname()[1], "ansible_connection": "ssh"}
        hosts = {name: host | (closed if (name, fault) == ("lab-load2", "unreachable") else {}) for name in HOSTS}
        (tmp_path / "hosts.yml").write_text(json.dumps({"load": {"hosts": hosts}}))
        given = {
            "lab_name": "lab",
            "lab_host_directory": str(tmp_path / "host"),
            "secrets_root": str(tmp_path / "secrets"),
        }
        done = play(tmp_path / "play.yml", tmp_path / "hosts.yml", "-e", json.dumps(given))
    said = " ".join(done.stdout.split())
    assert (done.returncode == 0) is (fault is None), said
    expected = [name for name in HOSTS if stays and (name, fault) != ("lab-load2", "unreachable")]
    assert sorted(path.name for path in tmp_path.glob("secrets/*")) == expected, said
    assert ("kill" in (tmp_path / "called").read_text() if (tmp_path / "called").exists() else False) is not stays
    # The other host did not fail.
    assert "lab-load failed" not in said
