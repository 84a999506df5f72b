"""`./lab stop` on a load host: when the secrets of the load go. The units are those that systemctl would list."""

import json
import os
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RUNS = "loaded active running Locust"
WORKER = f"swarmsweep-stop-locust-worker-0-7.service {RUNS}"
PAGE = f"swarmsweep-stop-locust-page-secrets-7.service {RUNS}"


@pytest.mark.parametrize(
    ("listed", "process", "stays"),
    [
        # A command of this clone goes on, or none does.
        (WORKER, 4711, True),
        (WORKER, None, False),
        ("", 4711, True),
        ("", None, False),
        # No sweep measures beside a page, whatever else runs.
        (PAGE, 4711, False),
        (PAGE, None, False),
    ],
)
def test_secrets_stay_for_a_sweep_that_goes_on_alone(play, tmp_path, listed, process, stays):
    secrets = tmp_path / "run/swarmsweep-stop-load-secrets"
    secrets.mkdir(parents=True)
    (secrets / "TOKEN").touch()
    program = tmp_path / "bin/systemctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n[ $1 = kill ] || echo '{listed}'\n")
    program.chmod(0o755)
    plays = yaml.safe_load((ROOT / "playbooks/stop.yml").read_text())
    (stop,) = (part for part in plays if part.get("hosts") == "api:load")
    stop["environment"] = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    known = {"ansible.builtin.set_fact": {"stop_lock": {"process": process}}}
    book = [{"hosts": "localhost", "gather_facts": False, "tasks": [known]}, stop]
    (tmp_path / "play.yml").write_text(json.dumps(book).replace('"/run/swarmsweep', f'"{tmp_path}/run/swarmsweep'))
    host = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    groups = {name: {"hosts": {"lab-load": host}} for name in ("api", "load")}
    (tmp_path / "hosts.yml").write_text(json.dumps(groups))
    done = play(tmp_path / "play.yml", tmp_path / "hosts.yml", "-e", "lab_name=stop")
    assert done.returncode == 0, done.stdout + done.stderr
    assert secrets.exists() is stays
