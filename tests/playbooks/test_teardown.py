"""The playbook that removes the lab from real machines: rules of real iptables in a network namespace, and folders."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest
import yaml

ROOT = Path(__file__).parents[2]
UNIT = Path("/etc/systemd/system/swarmsweep-load-firewall.service")
SCRIPT = ROOT / "roles/locust_host/templates/firewall.sh.j2"


def inside(space, *command):
    done = subprocess.run(["ip", "netns", "exec", space, *command], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def space():
    """The name of a network namespace."""
    if os.geteuid() != 0:
        pytest.skip("this machine gives no root, who makes network namespaces")
    if tools := [tool for tool in ("ip", "iptables") if not shutil.which(tool)]:
        pytest.skip(f"not installed: {', '.join(tools)}")
    if UNIT.exists():
        pytest.skip("this machine is a load host")
    name = f"sweep-down-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine makes no network namespace")
    try:
        inside(name, "ip", "link", "set", "lo", "up")
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_rules_go_where_no_unit_would_take_them_away(play, space, tmp_path):
    """The firewall unit failed, and a load applied the rules. The second time, there are no rules any more."""
    script = tmp_path / "locust/firewall.sh"
    script.parent.mkdir()
    script.write_text(
        jinja2.Environment(trim_blocks=True).from_string(SCRIPT.read_text()).render(
            locust_host_user="65533", locust_host_proxy_port=8080, locust_host_page_port=8010,
            locust_host_api_hosts=["api"],
            locust_host_load_hosts=["load"], hostvars={"api": {"ansible_host": "198.18.255.11"}, "load": {}},
        )
    )  # fmt: skip
    script.chmod(0o755)
    (script.parent / "word").touch()
    inside(space, str(script), "ensure")
    assert "SWARMSWEEP-LOAD" in inside(space, "iptables", "-S")
    # Only the last play, because the others need Docker.
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump(yaml.safe_load((ROOT / "playbooks/teardown.yml").read_text())[-1:]))
    enter = tmp_path / "python"
    enter.write_text(f'#!/bin/sh\nexec ip netns exec {space} /usr/bin/python3 "$@"\n')
    enter.chmod(0o755)
    host = {"ansible_connection": "local", "ansible_python_interpreter": str(enter)}
    (tmp_path / "hosts.yml").write_text(json.dumps({"load": {"hosts": {"lab-load": host}}}))
    for changed in (2, 0):
        done = play(playbook, tmp_path / "hosts.yml", "-e", f"lab_host_directory={tmp_path} lab_name=teardown")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f", {changed} changed\n" in done.stdout
        assert "SWARMSWEEP-LOAD" not in inside(space, "iptables", "-S")
    assert list(script.parent.iterdir()) == []


def test_folders_of_certificates_that_the_lab_made_are_removed(play, tmp_path):
    folders = tmp_path / "certs.d"
    for name, files in {
        "10.0.0.11:5000": ["swarmsweep.crt"],
        "shared.example": ["swarmsweep.crt", "ca.crt"],
        "other.example": ["ca.crt"],
        "empty.example": [],
    }.items():
        (folders / name).mkdir(parents=True)
        for file in files:
            (folders / name / file).touch()
    text = (ROOT / "playbooks/teardown.yml").read_text()
    assert "paths: /etc/docker/certs.d\n" in text
    plays = yaml.safe_load(text.replace("/etc/docker/certs.d", str(folders)))
    tasks = next(entry["tasks"] for entry in plays if entry["name"] == "Open the ports again")
    first = next(number for number, task in enumerate(tasks) if task["name"] == "Look for certificates of registries")
    # Neither the task before them nor those after them, because these change the machine.
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([{"name": "Play", "hosts": "api", "tasks": tasks[first : first + 3]}]))
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(json.dumps({"api": {"hosts": {"lab-api": host}}}))
    for changed in (2, 0):
        done = play(playbook, tmp_path / "hosts.yml")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f", {changed} changed\n" in done.stdout
        left = sorted(str(path.relative_to(folders)) for path in folders.rglob("*"))
        assert left == [
            "empty.example",
            "other.example",
            "other.example/ca.crt",
            "shared.example",
            "shared.example/ca.crt",
        ]
