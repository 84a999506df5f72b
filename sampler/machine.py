"""One line of samples: all values of a machine at a tick."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sampler.cgroups import CgroupMount
from sampler.containers import Container, read_containers
from sampler.core_users import CoreUsers
from sampler.disks import read_disks
from sampler.host import read_host
from sampler.kernel_files import read_text
from sampler.network import Links, TcpCounters


class Machine:
    """All fields of a line, read once per tick."""

    def __init__(self, proc: Path, mounts: Sequence[CgroupMount]) -> None:
        self.proc, self.mounts = proc, mounts
        self.users = CoreUsers(mounts, read_text(proc / "self" / "cgroup") or "")
        self.tcp, self.links = TcpCounters(proc), Links(proc)

    def make_line(self, containers: Mapping[str, Container], cpus: set[int]) -> str:
        """One JSON line with its newline."""
        now = time.time()
        counters = read_containers(containers)
        host = {
            **read_host(self.proc, self.mounts, cpus),
            **self.users.read({name: values["cpu_seconds"] for name, values in counters.items()}),
            "sampler_cpu_seconds": round(time.process_time(), 6),
            "tcp": self.tcp.read({name: container.pid for name, container in containers.items()}),
            "network": self.links.read(),
            "disks": read_disks(self.proc),
        }
        return json.dumps({"t": round(now, 6), "host": host, "containers": counters}, separators=(",", ":")) + "\n"
