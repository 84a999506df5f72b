"""Plants bottlenecks on a machine of the lab while a cell is loaded, as the cell's variable PLANT says.

    python3 plant.py api LAB TRIAL_FOLDER      on the API's machine: proxy, hot_replica, network
    python3 plant.py load                      on the load machine: generator

Ends, and takes back what is planted, when its standard input ends. Standard library only. Prints what it planted.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from pathlib import Path

LOOK_SECONDS = 0.2
# Ramp, warm-up and window of bottlenecks.yml, and the start of the load after the replicas were found ready.
PLANTED_SECONDS = 16.0
# Of a core. With the smallest that Docker allows, a replica answers some 30 requests/s; with a twentieth, HAProxy hands
# on some hundreds.
SLOW_REPLICA, SLOW_PROXY, ALL = "0.01", "0.05", "1"
# Enough that the retransmissions cannot be overlooked, too few to break a connection.
LOST_SHARE = "0.05"
LOSS = ["DOCKER-USER", "-i", "host0", "-p", "tcp", "-m", "statistic", "--mode", "random", "--probability", LOST_SHARE]
HOG = "while True: pass"


def run(*command: str) -> str:
    """Output of a command that must succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Api:
    """Watches the record of the deployment, which is there once the replicas were inspected, until the next cell."""

    def __init__(self, lab: str, folder: str) -> None:
        self.lab, self.deployment = lab, Path(folder) / "deploy.json"
        self.seen: object = None
        self.undo: list[list[str]] = []
        self.until = 0.0

    def look(self) -> None:
        if self.undo and time.monotonic() > self.until:
            self.end()
        try:
            record = self.deployment.read_text()
        except OSError:
            return
        if record != self.seen and json.loads(record)["status"] == "ready":
            self.end()
            self.seen = record
            self.plant([container["id"] for container in json.loads(record)["containers"]])

    def plant(self, replicas: list[str]) -> None:
        variables = json.loads(run("docker", "inspect", replicas[0]))[0]["Config"]["Env"]
        word = next((line.partition("=")[2] for line in variables if line.startswith("PLANT=")), "")
        if word == "hot_replica":
            self.do(["docker", "update", "--cpus", SLOW_REPLICA, replicas[0]])
        elif word == "proxy":
            service = f"com.docker.swarm.service.name={self.lab}_platform_proxy"
            proxy = run("docker", "ps", "-q", "--filter", f"label={service}").strip()
            self.do(["docker", "update", "--cpus", SLOW_PROXY, proxy], ["docker", "update", "--cpus", ALL, proxy])
        elif word == "network":
            self.do(["iptables", "-I", *LOSS, "-j", "DROP"], ["iptables", "-D", *LOSS, "-j", "DROP"])
        else:
            return
        print(word, flush=True)

    def do(self, command: list[str], undo: list[str] | None = None) -> None:
        run(*command)
        self.until = time.monotonic() + PLANTED_SECONDS
        if undo is not None:
            self.undo.append(undo)

    def end(self) -> None:
        while self.undo:
            run(*self.undo.pop())


class Load:
    """Takes half of the core from the scenario that asks for nearly no work of the API."""

    def __init__(self) -> None:
        self.hog: subprocess.Popen | None = None

    def look(self) -> None:
        runs = (
            subprocess.run(["pgrep", "-f", "locust.*normalize\\.py"], capture_output=True, check=False).returncode == 0
        )
        if runs and self.hog is None:
            self.hog = subprocess.Popen([sys.executable, "-c", HOG])
            print("generator", flush=True)
        elif not runs:
            self.end()

    def end(self) -> None:
        if self.hog is not None:
            self.hog.kill()
            self.hog.wait()
            self.hog = None


def main(side: str, *arguments: str) -> None:
    """Look again and again until standard input ends."""
    planter = Api(*arguments) if side == "api" else Load()
    try:
        while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
            planter.look()
    finally:
        planter.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
