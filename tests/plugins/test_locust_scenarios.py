"""The module that loads scenarios once, with the real program. systemd-run is a script that starts it."""

from __future__ import annotations

import getpass
import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from ansible.module_utils.locust_command import MEMORY_PERCENT, confinement, link_scenarios, unlink_scenarios
from ansible.module_utils.machine_memory import total_memory_bytes

from bench.lib import load_host
from swarmsweep.sweep import scenario_text

ROOT = Path(__file__).parents[2]
# Notes its arguments, and runs the given command with the given variables.
SYSTEMD_RUN = """#!/bin/sh
for argument; do printf '%s\\n' "$argument"; done >> {said}
variables=
while [ "${{1#/}}" = "$1" ]; do
  case $1 in
    --setenv=*) variables="$variables ${{1#--setenv=}}" ;;
    --property=WorkingDirectory=*) cd "${{1#--property=WorkingDirectory=}}" ;;
  esac
  shift
done
exec env -i PATH=/usr/bin:/bin $variables "$@"
"""

# An import of Locust would change sockets and threads of all tests.
pytestmark = pytest.mark.skipif(importlib.util.find_spec("locust") is None, reason="locust is not installed")


class Failed(Exception):  # noqa: N818 (of Ansible's name)
    """fail_json was called."""


class Module:
    """What the module uses of AnsibleModule."""

    def __init__(self, **params):
        usual = {"user": getpass.getuser(), "open_files": 1024, "time_limit_seconds": 30, "secrets_directory": None}
        self.params = usual | params

    def fail_json(self, msg, next_command=""):
        assert next_command in msg
        raise Failed(msg)


@pytest.fixture
def locust_scenarios():
    path = ROOT / "plugins/modules/locust_scenarios.py"
    spec = importlib.util.spec_from_file_location("locust_scenarios", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """The folder of a load host, with the scenarios of the repository."""
    home = tmp_path / "locust"
    shutil.copytree(ROOT / "locustfiles", home / "locustfiles", ignore=shutil.ignore_patterns("__pycache__"))
    load_host.make(home)
    (home / "venv/bin").mkdir(parents=True)
    python = home / "venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    script = tmp_path / "bin/systemd-run"
    script.parent.mkdir()
    script.write_text(SYSTEMD_RUN.format(said=tmp_path / "said"))
    for path in (python, script):
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    return home


def ask(locust_scenarios, home: Path, text: str | None = None, **params) -> dict:
    """The report on predict.py, or on this text."""
    name = "predict.py"
    if text is not None:
        name = "mine.py"
        (home / "locustfiles/mine.py").write_text(text)
    module = Module(directory=str(home), slice="swarmsweep-lab", host_name="lab-load", **params)
    scenario = {"locustfile": name, "mode": "fixed", "env": {"LOCUST_WAIT_MAX_SECONDS": "0.5"}}
    return locust_scenarios.load_scenario(module, scenario)


def test_a_good_scenario_is_tried_as_the_user_of_the_load_and_within_limits(locust_scenarios, home, tmp_path):
    assert ask(locust_scenarios, home) == {"locustfile": "predict.py", "problem": None, "users": ["PredictUser"]}
    said = (tmp_path / "said").read_text().splitlines()
    for option in (
        *("--wait", "--pipe", "--collect", f"--property=User={getpass.getuser()}", "--property=NoNewPrivileges=yes"),
        *("--property=Slice=swarmsweep-lab.slice", "--property=LimitNOFILE=1024", "--property=OOMPolicy=continue"),
        *("--setenv=LOCUST_WAIT_MAX_SECONDS=0.5", "--setenv=SWEEP_HOST=lab-load"),
    ):
        assert option in said
    scenario = str(home / "locustfiles/predict.py")
    assert said[-4:] == [scenario, str(home / "before_scenario.py"), scenario, str(home / "recorder.py")]
    (folder,) = [line.rpartition("=")[2] for line in said if "=WorkingDirectory=" in line]
    # The load itself has the same limits.
    for name, value in confinement(folder, total_memory_bytes()).items():
        assert f"--property={name}={value}" in said
    assert not list(home.glob("check-*"))


def test_a_user_reads_of_the_share_of_memory_that_a_unit_gets():
    assert f" {MEMORY_PERCENT} % " in scenario_text.MEMORY


def test_it_runs_in_a_folder_of_its_own_with_links_to_the_scenarios(locust_scenarios, home):
    (home / "locustfiles/locust.conf").write_text("users = 5\n")
    (home / "locustfiles/samples").mkdir()
    (home / "locustfiles/samples/1.png").write_text("png")
    found = (
        "sorted({'locust.conf', 'mine.py', 'samples'} & set(os.listdir())), open('samples/1.png').read(), "
        "os.getcwd() == os.environ['HOME'], os.environ['SWEEP_HOST']"
    )
    report = ask(locust_scenarios, home, f"import os\nraise ValueError({found})\n")
    # A user's locust.conf would set options of the load.
    assert report["text"] == "ValueError: (['mine.py', 'samples'], 'png', True, 'lab-load')"


def test_links_are_removed_and_what_the_scenario_made_stays(tmp_path):
    home, work = tmp_path / "locust", tmp_path / "work"
    (home / "locustfiles").mkdir(parents=True)
    work.mkdir()
    for name in ("mine.py", "rows.csv", "other.csv"):
        (home / "locustfiles" / name).touch()
    link_scenarios(home, work)
    assert {path.name for path in work.iterdir()} == {"mine.py", "rows.csv", "other.csv"}
    # A scenario may put anything in the place of a link.
    (work / "rows.csv").unlink()
    (work / "rows.csv").write_text("its own\n")
    (work / "other.csv").unlink()
    (work / "other.csv").symlink_to("/etc/passwd")
    (work / "latest.log").symlink_to("mine.py")
    unlink_scenarios(home, work)
    assert {path.name for path in work.iterdir()} == {"rows.csv", "other.csv", "latest.log"}
    unlink_scenarios(home, tmp_path / "gone")


CANARY = "canary-7f3a"


def test_a_secret_is_there_when_the_scenario_is_imported_and_in_no_command(locust_scenarios, home, tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "API_TOKEN").write_text(f"{CANARY}\n")
    (folder / "KEY_PEM").write_text(f"{CANARY}\nsecond line")
    found = (
        (
            f"import os, subprocess, pathlib\nassert os.environ['API_TOKEN'] == {CANARY!r}\n"
            f"assert os.environ['KEY_PEM'] == {CANARY!r} + '\\nsecond line'\n"
            "assert pathlib.Path(os.environ['API_TOKEN_FILE']).read_text() == os.environ['API_TOKEN'] + '\\n'\n"
            f"assert {CANARY.encode()!r} not in pathlib.Path('/proc/self/environ').read_bytes()\n"
            f"assert {CANARY.encode()!r} not in pathlib.Path('/proc/self/cmdline').read_bytes()\n"
            "raise ValueError('all as expected')\n"
        )
        .replace("canary-7f3a'", "canary-' + '7f3a'")
        .replace("b'canary-' + '7f3a'", "b'canary-' + b'7f3a'")
    )
    report = ask(locust_scenarios, home, found, secrets_directory=str(folder))
    assert report["text"] == "ValueError: all as expected"
    said = (tmp_path / "said").read_text()
    assert f"--setenv=SWEEP_SECRETS_DIRECTORY={folder}" in said.splitlines()
    assert CANARY not in said


def test_a_scenario_that_waits_is_a_report(locust_scenarios, home):
    report = ask(locust_scenarios, home, "import time\ntime.sleep(3600)\n", time_limit_seconds=1)
    assert report == {"locustfile": "mine.py", "problem": "time", "seconds": 1.0}


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("check_scenario.py", r"could not be run: (?s:.*)check_scenario.py(?s:.*)run: ./lab site"),
        ("locustfiles/predict.py", "is not on this host. To copy locustfiles/ to the load hosts, run: ./lab site"),
    ],
)
def test_a_host_that_lacks_something_fails_with_the_reason(locust_scenarios, home, missing, words):
    (home / missing).unlink()
    with pytest.raises(Failed, match=words):
        ask(locust_scenarios, home)
    assert not list(home.glob("check-*"))
