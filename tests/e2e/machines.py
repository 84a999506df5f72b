"""A lab of the tests' own: other name, bridge and subnet than the one a developer has."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ansible_runner

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "e2e"
BRIDGE = "sweepe2e"
SUBNET = "198.18.7"
HOSTS = {"api": f"{SUBNET}.11", "load": f"{SUBNET}.12"}
STATE = Path("/var/lib/swarmsweep") / NAME
# A playbook that takes longer hangs. The longest, site.yml on fresh machines, takes about four minutes.
PLAY_SECONDS = 2400
# From the end of a roll-out until the old replica has gone: Swarm waits 2 s, then it answers for 4 more.
FAREWELL_SECONDS = 10


@dataclass(frozen=True)
class Play:
    """The results of a playbook."""

    status: str
    changed: dict[str, int]
    failed: dict[str, int]
    output: str


class Lab:
    """The lab of the tests, driven by the playbooks that a user runs."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.inventory = folder / "inventory"
        self.reports = folder / "reports"
        self.sweep = shutil.copy(Path(__file__).with_name("sweep.yml"), folder / "e2e.yml")
        shutil.copytree(REPOSITORY / "inventory/lab", self.inventory)
        hosts = (self.inventory / "hosts.yml").read_text()
        hosts = hosts.replace("198.18.0.", f"{SUBNET}.").replace("lab-api", "e2e-api").replace("lab-load", "e2e-load")
        (self.inventory / "hosts.yml").write_text(hosts)
        settings = (self.inventory / "group_vars/all/lab.yml").read_text()
        for key, value in {
            "lab_name": NAME,
            "lab_bridge": BRIDGE,
            "lab_subnet": f"{SUBNET}.0/24",
            "lab_reports": self.reports,
        }.items():
            settings, count = re.subn(rf"^{key}: .*$", f"{key}: {value}", settings, flags=re.MULTILINE)
            assert count == 1, key
        (self.inventory / "group_vars/all/lab.yml").write_text(settings)

    def play(self, playbook: str, *arguments: str, **variables: object) -> Play:
        """Run a playbook as a user would, and read what it did on which host."""
        run = ansible_runner.run(
            # A folder each: ansible-runner would find the variables of the play before in its own.
            private_data_dir=tempfile.mkdtemp(dir=self.folder, prefix="play-"),
            project_dir=str(REPOSITORY),
            playbook=playbook,
            inventory=str(self.inventory),
            extravars=variables,
            cmdline=" ".join(arguments) or None,
            envvars={
                "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
                # ansible-runner would switch it off.
                "ANSIBLE_HOST_KEY_CHECKING": "True",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            quiet=False,
            timeout=PLAY_SECONDS,
        )
        stats = run.stats or {}
        unreached = {**stats.get("failures", {}), **stats.get("dark", {})}
        return Play(run.status, dict(stats.get("changed", {})), unreached, Path(run.stdout.name).read_text())

    def ssh(self, side: str, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command on a machine, by the keys that the playbooks use; `text` is its standard input."""
        return subprocess.run(
            ssh_command(side, *command), input=text, capture_output=True, text=True, check=False, timeout=120
        )

    @contextlib.contextmanager
    def steady_requests(self, per_second: float, most_seconds: float) -> Iterator[dict]:
        """One-row predictions from the load machine while the block runs, and some seconds longer, until a replica that
        was stopped has ended. When the block is over, the dict gets what `steady_requests.py` counted."""
        script = "/root/steady_requests.py"
        copied = self.ssh("load", f"cat > {script}", text=Path(__file__).with_name("steady_requests.py").read_text())
        assert copied.returncode == 0, copied.stderr
        command = ssh_command("load", "python3", script, HOSTS["api"], "8080", str(per_second), str(most_seconds))
        counted: dict = {}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            try:
                yield counted
                time.sleep(FAREWELL_SECONDS)
            finally:
                # The end of its standard input ends it; so does the end of this process, whatever ended that.
                out, errors = running.communicate(timeout=60)
        assert running.returncode == 0, errors
        counted.update(json.loads(out))


def ssh_command(side: str, *command: str) -> list[str]:
    """ssh to a machine, with the keys that the playbooks use and no others."""
    keys = REPOSITORY / ".lab" / NAME / "ssh"
    return [
        "ssh", "-i", str(keys / "id_ed25519"), "-o", f'UserKnownHostsFile="{keys / "known_hosts"}"',
        "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", f"root@{HOSTS[side]}", *command,
    ]  # fmt: skip


def leftovers() -> list[str]:
    """What a lab of the tests would leave on this machine."""
    found = [str(path) for path in Path("/sys/fs/cgroup").glob("**/swarmsweep-e2e-*")]
    found += [str(path) for path in Path("/proc").glob("[0-9]*/cmdline") if _is_machine(path)]
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if str(STATE) in line]
    for table in ("nat", "filter") if shutil.which("iptables") else ():
        rules = subprocess.run(["iptables", "-t", table, "-S"], capture_output=True, text=True, check=True).stdout
        found += [rule for rule in rules.splitlines() if f"swarmsweep:{NAME}" in rule]
    return found + [str(path) for path in (Path("/sys/class/net") / BRIDGE, STATE) if path.exists()]


def _is_machine(cmdline: Path) -> bool:
    try:
        return f"-D\0{STATE}".encode() in cmdline.read_bytes()
    except OSError:
        return False
