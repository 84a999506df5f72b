"""`./lab stop` on a load host: when the secrets of the load go. The units are those that systemctl would list."""

import json
import os
import sys
import time
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from swarmsweep.lab.lock_holder import LEASE_SECONDS, holder_of

ROOT = Path(__file__).parents[2]
RUNS = "loaded active running Locust"
WORKER = f"swarmsweep-stop-locust-worker-0-7.service {RUNS}"
PAGE = f"swarmsweep-stop-locust-page-secrets-7.service {RUNS}"

NEAR = holder_of(
    os.getpid(), ["ansible-playbook", "sweep.yml"], Path("/srv/other"), 1795000000, "/r/20261129T120000Z-quick"
)
ENDED = replace(NEAR, started="1")
FAR = replace(NEAR, place="another-boot pid:[1]", process=4711, where="eva@far:/home/eva/lab")
OLD = LEASE_SECONDS + 60


@pytest.mark.parametrize(
    ("listed", "process", "holder", "age_seconds", "unlock", "stays"),
    [
        # A command of this clone goes on, or none does.
        (WORKER, 4711, None, 0, False, True),
        (WORKER, None, None, 0, False, False),
        ("", 4711, None, 0, False, True),
        ("", None, None, 0, False, False),
        # One of another clone or of another controller does.
        (WORKER, None, NEAR, 0, False, True),
        (WORKER, None, FAR, 0, False, True),
        # They have ended.
        (WORKER, None, ENDED, 0, False, False),
        (WORKER, None, FAR, OLD, False, False),
        (WORKER, None, FAR, 0, True, False),
        # No sweep measures beside a page, whatever else runs.
        (PAGE, 4711, None, 0, False, False),
        (PAGE, None, FAR, 0, False, False),
        (PAGE, None, None, 0, False, False),
    ],
)
def test_secrets_stay_for_a_sweep_that_goes_on_alone(
    play, tmp_path, listed, process, holder, age_seconds, unlock, stays
):
    secrets = tmp_path / "run/swarmsweep-stop-load-secrets"
    secrets.mkdir(parents=True)
    (secrets / "TOKEN").touch()
    lock = tmp_path / "host.lock"
    lock.write_text(holder.text() if holder else "")
    os.utime(lock, (time.time() - age_seconds,) * 2)
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
    given = {"lab_name": "stop", "lab_host_directory": str(tmp_path / "host"), "stop_unlock": unlock}
    done = play(tmp_path / "play.yml", tmp_path / "hosts.yml", "-e", json.dumps(given))
    assert done.returncode == 0, done.stdout + done.stderr
    assert secrets.exists() is stays
    said = " ".join(done.stdout.split())
    assert ("This command still runs, so the secrets of its load were kept: " in said) is stays
    if stays and holder:
        assert holder.words() in said
