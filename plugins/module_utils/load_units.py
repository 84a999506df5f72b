"""The systemd units of a load on one load host: started, listed, ended, and kept inside the lab."""

from __future__ import annotations

import ipaddress
import json
import shlex
import socket
import time
from pathlib import Path

from ansible.module_utils.lab_word import why_not_loaded
from ansible.module_utils.locust_command import confinement
from ansible.module_utils.machine_memory import total_memory_bytes
from ansible.module_utils.unit_log import last_line

# Files below Locust's folder on this host, written by the role locust_host.
WORD_FILE, FIREWALL = "word", "firewall.sh"
# Under full load, systemd's bus may be late. The host is reported only after this many failed requests.
QUESTIONS = 5
QUESTION_PAUSE_SECONDS = 2
# A worker that waits longer for its master, or a master for its workers, will never be connected.
CONNECT_SECONDS = 60
# Processes of a load by hand: Locust's master with its page, its workers, and what removes their secrets.
PAGE = "page"
PAGE_SECRETS = f"{PAGE}-secrets"


def page_worker(index: int | str) -> str:
    """Return the name of the process of a worker of a load by hand."""
    return f"{PAGE}-worker-{index}"


def numeric_address(name):
    """Return the address that Locust's master binds to, as a number for ZeroMQ. Raises OSError or ValueError."""
    address = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0]
    try:
        given_in_digits = bool(ipaddress.ip_address(name))
    except ValueError:
        given_in_digits = False
    # Debian's installer writes the host's own name beside 127.0.1.1, which no other host can reach.
    if not given_in_digits and ipaddress.ip_address(address).is_loopback:
        raise ValueError(f"on the host itself it resolves to {address}, which no other host can reach")
    return address


class Units:
    """The units of one slice. ``module`` is the Ansible module, whose parameters are read."""

    def __init__(self, module):
        self.module = module
        self.given = module.params
        self.prefix = self.given["slice"].replace("/", "-") + "-locust"
        # Part of every unit's name. The name of an ended unit may still be in use. Under cgroup v1, systemd keeps a
        # unit whose last process was just ending, because the kernel does not report the empty cgroup.
        self.stamp = time.time_ns()

    def systemctl(self, *arguments):
        return self.module.run_command(["systemctl", *arguments])

    def units(self):
        """Return the state of all units of the slice by name, including failed ones."""
        problem = ""
        for question in range(QUESTIONS):
            if question:
                time.sleep(QUESTION_PAUSE_SECONDS)
            code, out, err = self.systemctl("list-units", "--all", "--output=json", f"{self.prefix}-*.service")
            if code == 0:
                return {unit["unit"]: unit["active"] for unit in json.loads(out or "[]")}
            problem = err.strip() or out.strip() or f"exit code {code}"
        # A missing response does not mean "no unit". A load that still runs would count as ended.
        return self.module.fail_json(
            msg=f"systemctl did not list the units of {self.prefix} in {QUESTIONS} attempts: {problem}. "
            "To see why, run on this host: systemctl status"
        )

    def running(self):
        return [
            unit
            for unit, state in self.units().items()
            if state in ("active", "activating", "deactivating", "reloading")
        ]

    def stop(self):
        units = self.units()
        if units:
            self.systemctl("kill", "--signal=KILL", *units)
            self.systemctl("stop", *units)
            self.systemctl("reset-failed", *units)
        return list(units)

    def run_unit(self, name, log, command, env, **changed):
        """Start a unit. ``changed`` are systemd's properties that differ from those of the other units."""
        given = self.given
        options = {
            "RuntimeMaxSec": given["time_limit_seconds"],
            "KillMode": "control-group",
            "TimeoutStopSec": 5,
            "LimitNOFILE": given["open_files"],
            "User": given["user"],
            "WorkingDirectory": given["output_directory"],
            "StandardOutput": f"file:{given['units_directory']}/{log}",
            "StandardError": f"file:{given['units_directory']}/{log}",
            "Slice": f"{given['slice']}.slice",
            **confinement(given["output_directory"], total_memory_bytes()),
            **changed,
        }
        # systemd would make it readable for every user of the host, and a scenario may print a secret.
        Path(given["units_directory"], log).touch(mode=0o600)
        with Path(given["units_directory"], "commands.txt").open("a", encoding="utf-8") as file:
            file.write(f"{name}: {shlex.join(command)}\n")
        code, _out, err = self.module.run_command(
            ["systemd-run", "--quiet", f"--unit={self.prefix}-{name}-{self.stamp}"]
            + [f"--property={key}={value}" for key, value in options.items()]
            + [f"--setenv={key}={value}" for key, value in env.items()]
            + command
        )
        if code != 0:
            self.abandon()
            self.module.fail_json(msg=f"systemd could not start {self.prefix}-{name}: {err.strip()}")

    def abandon(self):
        """End what was started before a unit that systemd could not start."""
        self.stop()

    def process(self, unit):
        """Return the part of a unit's name that names the process: master, worker-0, page-worker-0."""
        return unit.removeprefix(f"{self.prefix}-").rpartition("-")[0]

    def last_line(self, unit):
        name, folder = self.process(unit), self.given["units_directory"]
        last = last_line(Path(folder, f"{name}.log")) if folder else ""
        return f": {last}" if last else ""

    def pages(self):
        """Return the running units of a load by hand."""
        return [unit for unit in self.running() if self.process(unit).partition("-")[0] == PAGE]

    def check(self):
        """Refuse a load that could leave the lab, or that would go to anything but the lab's proxy."""
        self.ensure_firewall()
        word = self.installed(WORD_FILE).read_text(encoding="ascii").strip()
        problem = why_not_loaded(self.given["target"], word, self.given["user"])
        if problem:
            self.module.fail_json(msg=problem)

    def ensure_firewall(self):
        """Make sure that the rules are active. A flush of the host's rules (ufw, firewalld, nft) removes these too."""
        code, out, err = self.module.run_command([str(self.installed(FIREWALL)), "ensure"])
        if code != 0:
            self.module.fail_json(
                msg=f"the firewall that keeps the load inside the lab is not active: {err.strip() or out.strip()}. "
                "To see why, run on this host: iptables -S. Then run: ./lab site",
                next_command="./lab site",
            )

    def installed(self, name):
        """Return the path of a file that the role locust_host writes."""
        path = Path(self.given["directory"], name)
        if not path.is_file():
            self.module.fail_json(
                msg=f"{path} is not on this host, because an earlier version of the lab provisioned this host. "
                "Run: ./lab site",
                next_command="./lab site",
            )
        return path

    def refuse_page(self):
        """Refuse to measure while a person makes a load by hand."""
        if self.pages():
            self.module.fail_json(
                msg="Locust's page runs on this host, and its load would be measured too. End it with: ./lab stop",
                next_command="./lab stop",
            )

    def require_scenario(self, locustfile):
        """Refuse a scenario that this host does not have."""
        path = Path(self.given["directory"], "locustfiles", locustfile)
        if not path.is_file():
            self.module.fail_json(
                msg=f"{path} is not on this host. To copy locustfiles/ to the load hosts, run: ./lab site",
                next_command="./lab site",
            )

    def master_address(self):
        """Return the address that the master binds to."""
        name = self.given["master_host"]
        try:
            return numeric_address(name)
        except (OSError, ValueError) as error:
            return self.module.fail_json(
                msg=f"the master cannot listen at '{name}': {error}. "
                "Fix: set ansible_host of this host in the inventory to its IP address"
            )
