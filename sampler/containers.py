"""The running containers of some Swarm stacks, and their counters."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sampler.cgroups import CgroupMount, ContainerCgroup, locate_container
from sampler.counters import read_container
from sampler.docker_engine import DockerEngine
from sampler.kernel_files import read_text
from sampler.server_processes import Counted, ServerCount, pids_of

# Seconds between two requests to the Docker daemon for the running containers. A replica that starts in between is
# noticed at most this late. No data are lost, because its counters begin with the container.
DISCOVERY_SECONDS = 2.0
# Counting the processes of all replicas takes at most this share of a core. The tables of connections are slow to read
# (10 ms on some kernels), and the sampler must not disturb what it measures.
COUNT_SHARE = 0.005
# A count is shown for at most this long. Without it, a window of a few seconds could lie between two counts. A longer
# time would show a count of before the load in the window.
COUNT_SECONDS = 5.0
STACK_LABEL = "com.docker.stack.namespace"
SERVICE_LABEL = "com.docker.swarm.service.name"
NOT_COUNTED = Counted(None, None)


@dataclass(frozen=True)
class Container:
    """One running container: the place of its counters, its labels, and whether its memory is read.

    `counted` is what was counted of its processes at `counted_seconds` (monotonic).
    """

    cgroup: ContainerCgroup
    service: str | None = None
    pid: int | None = None  # of its first process
    memory: bool = True
    counted: Counted = NOT_COUNTED
    counted_seconds: float = 0.0

    @property
    def counted_now(self) -> Counted:
        """`counted`, while it is not older than COUNT_SECONDS."""
        return self.counted if time.monotonic() - self.counted_seconds <= COUNT_SECONDS else NOT_COUNTED


class ContainerWatch(threading.Thread):
    """Keeps `containers` ({container id: Container}) equal to the running containers of some stacks.

    `stacks` maps a stack's name to whether the memory of its containers is read too. Of these, the processes that serve
    `port` are counted. That is done here and not with the counters, because it takes longer than they do.
    """

    def __init__(
        self,
        engine: DockerEngine,
        stacks: Mapping[str, bool],
        proc: Path,
        mounts: Sequence[CgroupMount],
        port: int | None = None,
    ) -> None:
        super().__init__(daemon=True, name="container-watch")
        self.engine, self.stacks, self.proc, self.mounts, self.port = engine, stacks, proc, mounts, port
        self.containers: Mapping[str, Container] = {}
        self.problem: str | None = None
        self.next_count_seconds = 0.0
        self.counts: dict[str, ServerCount] = {}  # by container id

    def refresh(self) -> None:
        """Update once. The known containers are kept when the daemon does not respond."""
        known = self.containers
        try:
            running = self.engine.running(STACK_LABEL)
            wanted = {name: labels for name, labels in running.items() if labels.get(STACK_LABEL) in self.stacks}
            located = {name: known.get(name) or self.locate(name, labels) for name, labels in wanted.items()}
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            self.report(f"Docker does not respond on {self.engine.connection.path}: {error}")
            return
        self.problem = None
        # A new dict in one assignment, so that the sampling thread never reads a partial one.
        self.containers = self.count({name: one for name, one in located.items() if one is not None})

    def locate(self, container_id: str, labels: Mapping[str, str]) -> Container | None:
        pid = self.engine.pid(container_id)
        membership = read_text(self.proc / str(pid) / "cgroup") if pid else None
        cgroup = locate_container(container_id, membership, self.mounts) if membership is not None else None
        if cgroup is None:
            return None
        return Container(cgroup, labels.get(SERVICE_LABEL), pid, self.stacks[labels[STACK_LABEL]])

    def count(self, containers: dict[str, Container]) -> dict[str, Container]:
        """The containers, with the present numbers of processes when it is time to count them."""
        if self.port is None or time.monotonic() < self.next_count_seconds:
            return containers
        begin, counted = time.thread_time(), dict(containers)
        api = [name for name, container in containers.items() if container.memory]
        self.counts = {name: self.counts.get(name) or ServerCount(self.proc, self.port) for name in api}
        for name, counts in self.counts.items():
            now = counts.count(pids_of(containers[name].cgroup))
            counted[name] = replace(containers[name], counted=now, counted_seconds=time.monotonic())
        self.next_count_seconds = time.monotonic() + (time.thread_time() - begin) / COUNT_SHARE
        return counted

    def report(self, problem: str) -> None:
        """Report a problem once, and not every two seconds: standard error goes to the journal of the unit."""
        if problem != self.problem:
            print(f"sampler: {problem}", file=sys.stderr, flush=True)
        self.problem = problem

    def run(self) -> None:
        while True:
            self.refresh()
            time.sleep(DISCOVERY_SECONDS)


def read_containers(containers: Mapping[str, Container]) -> dict[str, dict[str, object]]:
    """The containers section of a line, without containers that have gone."""
    lines: dict[str, dict[str, object]] = {}
    for name, container in containers.items():
        values = read_container(container.cgroup, container.memory)
        if values is not None:
            counted = container.counted_now
            processes = {"server_processes": counted.servers, "processes": counted.settled}
            lines[name] = {"service": container.service, **values, **processes}
    return lines
