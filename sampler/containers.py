"""The running containers of some Swarm stacks, and their counters."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sampler.cgroups import CgroupMount, ContainerCgroup, locate_container
from sampler.counters import read_container
from sampler.docker_engine import DockerEngine
from sampler.kernel_files import read_text

# Seconds between two requests to the Docker daemon for the running containers. A replica that starts in between is
# noticed at most this late. No data are lost, because its counters begin with the container.
DISCOVERY_SECONDS = 2.0
STACK_LABEL = "com.docker.stack.namespace"
SERVICE_LABEL = "com.docker.swarm.service.name"


@dataclass(frozen=True)
class Container:
    """One running container: the place of its counters, its labels, and whether its memory is read."""

    cgroup: ContainerCgroup
    service: str | None = None
    pid: int | None = None  # of its first process
    memory: bool = True


class ContainerWatch(threading.Thread):
    """Keeps `containers` ({container id: Container}) equal to the running containers of some stacks.

    `stacks` maps a stack's name to whether the memory of its containers is read too.
    """

    def __init__(
        self, engine: DockerEngine, stacks: Mapping[str, bool], proc: Path, mounts: Sequence[CgroupMount]
    ) -> None:
        super().__init__(daemon=True, name="container-watch")
        self.engine, self.stacks, self.proc, self.mounts = engine, stacks, proc, mounts
        self.containers: Mapping[str, Container] = {}
        self.problem: str | None = None

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
        self.containers = {name: container for name, container in located.items() if container is not None}

    def locate(self, container_id: str, labels: Mapping[str, str]) -> Container | None:
        pid = self.engine.pid(container_id)
        membership = read_text(self.proc / str(pid) / "cgroup") if pid else None
        cgroup = locate_container(container_id, membership, self.mounts) if membership is not None else None
        if cgroup is None:
            return None
        return Container(cgroup, labels.get(SERVICE_LABEL), pid, self.stacks[labels[STACK_LABEL]])

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
    read = {name: read_container(container.cgroup, container.memory) for name, container in containers.items()}
    return {
        name: {"service": containers[name].service, **values} for name, values in read.items() if values is not None
    }
