"""`./lab ui` on several load hosts, of which one does not start its part. The hosts are this machine."""

import http.server
import json
import os
import socket
import sys
import threading
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


# One play has both: a port on which nothing listens, and a proxy whose API is not ready.
def test_an_api_that_is_not_ready_is_refused_with_its_response(play, tmp_path):
    class NotReady(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(503)

        def log_message(self, *_arguments):
            pass

    tasks = yaml.safe_load((ROOT / "playbooks/tasks/page_scenario.yml").read_text())
    request = [task for task in tasks if {"ansible.builtin.uri", "ansible.builtin.assert"} & set(task)]
    assert len(request) == 2
    with socket.socket() as bound, http.server.HTTPServer(("127.0.0.1", 0), NotReady) as server:
        bound.bind(("127.0.0.1", 0))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        ports = {"absent": bound.getsockname()[1], "busy": server.server_port}
        hosts = {name: host | {"lab_proxy_port": port} for name, port in ports.items()}
        (tmp_path / "hosts.yml").write_text(json.dumps({"load": {"hosts": hosts}}))
        (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "load", "gather_facts": False, "tasks": request}]))
        given = {"ui_target": {"url_host": "127.0.0.1"}, "lab_api_ready_path": "/ready"}
        done = play(tmp_path / "play.yml", tmp_path / "hosts.yml", "-e", json.dumps(given))
        server.shutdown()
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    begun = "The API is not ready, so there is nothing to load: http://127.0.0.1:{}/ready returned"
    assert f"{begun.format(ports['busy'])} status 503; allowed: status 200. To deploy the API" in said, said
    assert f"{begun.format(ports['absent'])} no response (" in said and "Connection refused" in said, said
