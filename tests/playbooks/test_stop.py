"""`./lab stop` on a load host: when the secrets of the load go. The units are those that systemctl would list."""

import json
import os
import re
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


CASES = [
    # Units, process of this clone, holder of the lock, age of the lock, --unlock, and whether the secrets stay.
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
]


def parts_of(folder, listed, process, holder, age_seconds, unlock):
    """The plays of one case, with the files of its host in a folder."""
    secrets = folder / "run/swarmsweep-stop-load-secrets"
    secrets.mkdir(parents=True)
    (secrets / "TOKEN").touch()
    lock = folder / "host.lock"
    lock.write_text(holder.text() if holder else "")
    os.utime(lock, (time.time() - age_seconds,) * 2)
    program = folder / "bin/systemctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n[ $1 = kill ] || echo '{listed}'\n")
    program.chmod(0o755)
    plays = yaml.safe_load((ROOT / "playbooks/stop.yml").read_text())
    (stop,) = (part for part in plays if part.get("hosts") == "api:load")
    stop["environment"] = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    stop["vars"] |= {"phase": folder.name, "lab_host_directory": str(folder / "host"), "stop_unlock": unlock}
    known = {"ansible.builtin.set_fact": {"stop_lock": {"process": process}}}
    parts = [{"hosts": "localhost", "gather_facts": False, "tasks": [known]}, stop]
    return json.loads(json.dumps(parts).replace('"/run/swarmsweep', f'"{folder}/run/swarmsweep'))


@pytest.fixture(scope="module")
def stopped(play, tmp_path_factory):
    """The folder of each case, and what was printed in it. All cases are plays of one run."""
    root = tmp_path_factory.mktemp("stop")
    folders = [root / f"case-{number}." for number in range(len(CASES))]
    book = [part for folder, (*case, _) in zip(folders, CASES, strict=True) for part in parts_of(folder, *case)]
    (root / "play.yml").write_text(json.dumps(book))
    host = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    groups = {name: {"hosts": {"lab-load": host}} for name in ("api", "load")}
    (root / "hosts.yml").write_text(json.dumps(groups))
    done = play(root / "play.yml", root / "hosts.yml", "-e", "lab_name=stop")
    assert done.returncode == 0, done.stdout + done.stderr
    # Each phase begins with its name.
    parts = re.split(r"^(?=  case-\d+\.)", done.stdout, flags=re.MULTILINE)[1:]
    assert [part.split()[0] for part in parts] == [folder.name for folder in folders], done.stdout
    return list(zip(folders, parts, strict=True))


@pytest.mark.parametrize("number", range(len(CASES)))
def test_secrets_stay_for_a_sweep_that_goes_on_alone(stopped, number):
    folder, output = stopped[number]
    *_, holder, _, _, stays = CASES[number]
    assert (folder / "run/swarmsweep-stop-load-secrets").exists() is stays
    said = " ".join(output.split())
    assert ("This command still runs, so the secrets of its load were kept: " in said) is stays
    if stays and holder:
        assert holder.words() in said
