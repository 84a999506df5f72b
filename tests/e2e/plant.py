"""Plants a cause that holds an API back, or a fault of a measurement, while a cell is loaded.

    python3 plant.py api LAB TRIAL_FOLDER      on the API's machine, as the cell's variable PLANT says
    python3 plant.py load LAB TRIAL_FOLDER     on the load machine, for a scenario
    python3 plant.py beside CORE               on the computer that both share, for a scenario

When its standard input ends, it removes what is planted, and ends. Standard library only. Prints what it planted.
A fault of a measurement is planted once, so the retry is sound.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LOOK_SECONDS = 0.2
# Ramp, warm-up and window of the sweeps, and the start of the load after the replicas were found ready.
PLANTED_SECONDS = 16.0
# Seconds after the replicas were ready: within the measured window, with more than a third of it to come.
IN_THE_WINDOW_SECONDS = 6.5
# CPU limits in cores. The first is the lowest that Docker allows. With the second, HAProxy forwards some hundreds of
# requests/s.
LEAST, SLOW_PROXY, ALL = 0.01, "0.05", "1"
# What a replica needs depends on the machine: from 0.2 to 1 ms of CPU for a request, and up to 0.03 cores without any.
# A quarter of what both used, so half of what one needs, is too little for its requests and enough for some.
SLOW_SHARE = 0.25
# After the replicas were ready, so that their start does not count. The load begins within a second.
SETTLED_SECONDS, USE_SECONDS = 1.0, 1.0
# Share of lost packets: enough for visible retransmissions, too few to break a connection.
LOST_SHARE = "0.05"
HOG = "while True: pass"


def run(*command: str) -> str:
    """Output of a command that must succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def processes(pattern: str) -> list[int]:
    """Numbers of those whose command line has the pattern, in ascending order."""
    found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True, check=False).stdout
    return sorted(map(int, found.split()))


def rule(share: str, *target: str) -> list[str]:
    """Of a share of the packets that come from outside for the containers."""
    chance = ["-m", "statistic", "--mode", "random", "--probability", share]
    return ["DOCKER-USER", "-i", "host0", "-p", "tcp", *chance, "-j", *target]


def usage_of(container: str) -> Callable[[], float]:
    """Reads its CPU seconds since its start, from its control group of version 1 or 2."""
    groups = Path("/sys/fs/cgroup")
    for path in groups.glob(f"**/*{container}*/cpuacct.usage"):
        return lambda: int(path.read_text()) / 1e9
    (path,) = groups.glob(f"**/*{container}*/cpu.stat")
    return lambda: int(path.read_text().split()[1]) / 1e6


class SlowReplica:
    """Gives the first replica a share of what all of them use. Its limit grows until all users have started."""

    def __init__(self, replicas: list[str]) -> None:
        self.replica, self.limit_cores = replicas[0], 0.0
        self.limit(LEAST)
        self.usages = [usage_of(replica) for replica in replicas]
        self.begin = time.monotonic() + SETTLED_SECONDS
        self.used: list[tuple[float, float]] = []

    def limit(self, cores: float) -> None:
        self.limit_cores = cores
        run("docker", "update", "--cpus", f"{cores:.3f}", self.replica)

    def look(self) -> None:
        now = time.monotonic()
        if now < self.begin:
            return
        self.used.append((now, sum(usage() for usage in self.usages)))
        (since, before), (_, after) = self.used[0], self.used[-1]
        if now - since < USE_SECONDS:
            return
        del self.used[0]
        share = SLOW_SHARE * (after - before) / (now - since)
        if share > 1.1 * self.limit_cores:
            self.limit(share)


class Api:
    """Watches the record of the deployment, which is there once the replicas were inspected, until the next cell."""

    def __init__(self, lab: str, folder: str) -> None:
        self.lab, self.folder = lab, Path(folder)
        # That of the sweep before, whose replicas are gone.
        self.seen = self.record()
        self.known: set[str] = set()
        self.once: set[str] = set()
        self.undo: list[Callable[[], object]] = []
        self.later: Callable[[], object] | None = None
        self.slow: SlowReplica | None = None
        self.since = 0.0
        self.causes = {"hot_replica": self.slow_replica, "proxy": self.slow_proxy, "network": self.lose_packets}
        self.faults = {
            "window_sampled": self.end_the_sampler,
            "replicas_unchanged": self.kill,
        }

    def look(self) -> None:
        after = time.monotonic() - self.since
        if self.undo and after > PLANTED_SECONDS:
            self.end()
        if self.later and after > IN_THE_WINDOW_SECONDS:
            act, self.later = self.later, None
            act()
        # Later, the replicas may be gone. On a fast machine, they are gone before.
        if self.slow and after < PLANTED_SECONDS:
            try:
                self.slow.look()
            except OSError:
                self.slow = None
        record = self.record()
        if record is None:
            self.look_at_new_replicas()
        elif record != self.seen and record["status"] == "ready":
            self.end()
            self.seen, self.since = record, time.monotonic()
            self.plant([container["id"] for container in record["containers"]])

    def record(self) -> dict | None:
        try:
            return json.loads((self.folder / "deploy.json").read_text())
        except OSError:
            return None

    def look_at_new_replicas(self) -> None:
        """Act on replicas before the lab inspects them."""
        for replica in set(self.containers("api_api")) - self.known:
            self.known.add(replica)
            word = self.word(replica)
            if word == "limits_as_labelled" and word not in self.once:
                run("docker", "update", "--cpus", "0.3", replica)
                self.say(word)

    def plant(self, replicas: list[str]) -> None:
        word = self.word(replicas[0])
        if word in self.causes:
            self.causes[word](replicas)
            print(word, flush=True)
        elif word in self.faults and word not in self.once:
            self.faults[word](replicas)
            self.say(word)

    def say(self, fault: str) -> None:
        self.once.add(fault)
        print(fault, flush=True)

    def containers(self, service: str) -> list[str]:
        label = f"label=com.docker.swarm.service.name={self.lab}_{service}"
        return run("docker", "ps", "-q", "--no-trunc", "--filter", label).split()

    def word(self, replica: str) -> str:
        """What is to be planted with a replica; nothing with one that has just gone."""
        command = ["docker", "inspect", "--format", "{{json .Config.Env}}", replica]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        variables = json.loads(found.stdout) if found.returncode == 0 else []
        return next((line.partition("=")[2] for line in variables if line.startswith("PLANT=")), "")

    def slow_replica(self, replicas: list[str]) -> None:
        self.slow = SlowReplica(replicas)

    def slow_proxy(self, _: list[str]) -> None:
        (proxy,) = self.containers("platform_proxy")
        run("docker", "update", "--cpus", SLOW_PROXY, proxy)
        self.undo.append(lambda: run("docker", "update", "--cpus", ALL, proxy))

    def lose_packets(self, _: list[str]) -> None:
        self.filter(rule(LOST_SHARE, "DROP"))

    def filter(self, packets: list[str]) -> None:
        run("iptables", "-I", *packets)
        self.undo.append(lambda: run("iptables", "-D", *packets))

    def end_the_sampler(self, _: list[str]) -> None:
        (sampler,) = processes(f"python3 -m sampler .*{self.folder}/")
        self.later = lambda: os.kill(sampler, signal.SIGTERM)

    def kill(self, replicas: list[str]) -> None:
        self.later = lambda: run("docker", "kill", replicas[0])

    def end(self) -> None:
        self.later = self.slow = None
        while self.undo:
            self.undo.pop()()


class Hog:
    """Fills a core while Locust runs a scenario."""

    def __init__(self, word: str, scenario: str, times: float) -> None:
        self.word, self.times = word, times
        # A worker's: before a sweep deploys anything, each scenario is loaded once by another program.
        self.pattern = f"/locust .*/{scenario}\\.py.* --worker"
        self.process: subprocess.Popen | None = None

    def look(self) -> None:
        runs = bool(processes(self.pattern))
        if runs and self.process is None and self.times > 0:
            self.times -= 1
            self.process = subprocess.Popen([sys.executable, "-c", HOG])
            print(self.word, flush=True)
        elif not runs:
            self.end()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def planter_of(side: str, *arguments: str) -> Api | Hog:
    if side == "api":
        return Api(*arguments)
    if side == "load":
        return Hog("generator", "normalize", times=float("inf"))
    os.sched_setaffinity(0, {int(arguments[0])})
    return Hog("foreign_cpu", "empty", times=1)


def main(*arguments: str) -> None:
    """Look again and again until standard input ends."""
    planter = planter_of(*arguments)
    try:
        while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
            planter.look()
    finally:
        planter.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
