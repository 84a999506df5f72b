"""The lines of `./lab status` on a load, from units of a real systemd in a mount namespace of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible.module_utils.unit_log import LINE_CHARACTERS, last_line

MODULES = Path(__file__).parents[2] / "plugins" / "modules"
# A manager of units for one user. It needs no boot by systemd, only the folder that systemd makes at a boot.
BEGIN = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && mkdir -m 700 /run/user-0
export XDG_RUNTIME_DIR=/run/user-0
exec systemd --user > {folder}/systemd.log 2>&1
"""
# The module and what it needs, as Ansible would run it on a host.
RUN = """
import runpy, ansible.module_utils
ansible.module_utils.__path__.append({utils!r})
runpy.run_path({module!r}, run_name="__main__")
"""
# A busy machine starts a systemd in several seconds.
WAIT_SECONDS = 60


@pytest.fixture
def systemd(tmp_path):
    """Return run(*command), which runs a command beside a fresh systemd; systemctl and systemd-run are for it."""
    if os.geteuid() != 0:
        pytest.skip("this machine lets only root make a mount namespace")
    if not shutil.which("systemd-run"):
        pytest.skip("this machine has no systemd")
    line = ["unshare", "--mount", "bash", "-c", BEGIN.format(folder=tmp_path)]
    manager = subprocess.Popen(line, start_new_session=True)
    for name in ("systemctl", "systemd-run"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {shutil.which(name)} --user "$@"\n')
        path.chmod(0o755)
    environment = {"XDG_RUNTIME_DIR": "/run/user-0", "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def run(*command, check=True, given=None):
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{manager.pid}/ns/mnt", *command],
            env=os.environ | environment, capture_output=True, text=True, check=check, input=given,
        )  # fmt: skip

    try:
        wait_until(lambda: run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"))
        yield run
    finally:
        run("systemctl", "kill", "--signal=KILL", "swarmsweep-*", check=False)
        manager.send_signal(signal.SIGTERM)
        manager.wait(WAIT_SECONDS)


def wait_until(true):
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline, "systemd did not get there"
        time.sleep(0.1)


def has_text(path):
    return path.exists() and path.read_text() != ""


def status(run, folder):
    """The lines of the module, run by Python as Ansible does."""
    program = RUN.format(utils=str(MODULES.parent / "module_utils"), module=str(MODULES / "load_status.py"))
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {"slice": "swarmsweep-lab", "units_directory": str(folder)}})
    done = run(sys.executable, "-c", program, given=given, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["lines"]


def test_units_are_shown_with_state_since_and_last_error(systemd, tmp_path):
    def begin(name, program, log="other.log"):
        output = f"--property=StandardOutput=file:{tmp_path / log}"
        systemd("systemd-run", "--quiet", f"--unit={name}", output, "/bin/sh", "-c", program)

    assert status(systemd, tmp_path) == []
    begin("swarmsweep-lab-locust-master-17", "echo '[x] load/INFO/a: b'; exec sleep 600", "master.log")
    begin("swarmsweep-lab-locust-worker-0-17", "echo 'Traceback'; echo 'KeyError: 1'; exit 3", "worker-0.log")
    begin("swarmsweep-lab-locust-worker-1-17", "echo '[x] load/ERROR/a: no master'; exec sleep 600", "worker-1.log")
    begin("swarmsweep-lab-sampler-17", "exec sleep 600")
    begin("swarmsweep-lab_other-locust-master-17", "exec sleep 600")
    wait_until(
        lambda: systemd("systemctl", "is-failed", "swarmsweep-lab-locust-worker-0-17", check=False).returncode == 0
    )
    # systemd makes the file in the process of the unit, so it may come after systemd-run has ended.
    wait_until(lambda: all(has_text(tmp_path / log) for log in ("master.log", "worker-1.log")))
    lines = dict(line.split(": ", 1) for line in status(systemd, tmp_path))
    since = r" since \w+ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+"
    expected = {
        "swarmsweep-lab-locust-master-17": f"running{since}",
        "swarmsweep-lab-locust-worker-0-17": rf"failed \(exit-code, exit status 3\){since}; last error: KeyError: 1",
        "swarmsweep-lab-locust-worker-1-17": rf"running{since}; last error: \[x\] load/ERROR/a: no master",
        "swarmsweep-lab-sampler-17": f"running{since}",
    }
    assert lines.keys() == expected.keys()
    for name, pattern in expected.items():
        assert re.fullmatch(pattern, lines[name]), lines[name]


@pytest.mark.parametrize(
    ("log", "last", "last_error"),
    [
        ("", "", ""),
        ("\n \n", "", ""),
        ("[t] h/ERROR/m: a\n[t] h/INFO/m: b\n\n", "[t] h/INFO/m: b", "[t] h/ERROR/m: a"),
        ("[t] h/CRITICAL/m: a", "[t] h/CRITICAL/m: a", "[t] h/CRITICAL/m: a"),
        ("x" * 5000, "x" * LINE_CHARACTERS, ""),
    ],
)
def test_the_last_line_of_a_log(log, last, last_error, tmp_path):
    (tmp_path / "a.log").write_text(log)
    assert last_line(tmp_path / "a.log") == last
    assert last_line(tmp_path / "a.log", error=True) == last_error


def test_a_log_that_is_missing_has_no_line(tmp_path):
    assert last_line(tmp_path / "a.log") == ""
