"""Runs ansible-playbook as a user does, with an inventory that leads to no host of a lab."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The command of these tests' own environment, however the tests were started.
BIN = Path(sys.executable).parent
PATH = os.pathsep.join([str(BIN), os.environ["PATH"]])


@pytest.fixture(scope="session")
def ansible_playbook() -> str:
    """Path of the command."""
    found = shutil.which("ansible-playbook", path=PATH)
    assert found, f"no ansible-playbook in {PATH}; run: ./lab test"
    return found


@pytest.fixture(scope="session")
def play(ansible_playbook: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess]:
    """Runs a playbook: play(path, inventory, *arguments) -> the finished process."""
    scratch = str(tmp_path_factory.mktemp("ansible"))
    # No variable of the caller's shell may change the result.
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "LAB_"))}
    env |= {
        "PATH": PATH,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": scratch,
        "ANSIBLE_REMOTE_TEMP": scratch,
        "ANSIBLE_NOCOLOR": "1",
        "LAB_LOG_DIRECTORY": f"{scratch}/log",
        # Retries take time. ansible.cfg sets their number.
        "ANSIBLE_SSH_RETRIES": "0",
    }

    def run(playbook: Path, inventory: Path, *arguments: str) -> subprocess.CompletedProcess:
        command = [ansible_playbook, "-i", str(inventory), *arguments, str(playbook)]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    return run
