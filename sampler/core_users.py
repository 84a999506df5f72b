"""The users of the machine's cores: the machine itself, and the lab's part of that."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from sampler.cgroups import CgroupMount, ContainerCgroup, parse_membership
from sampler.counters import read_cpu
from sampler.last_known import LastKnown

# systemd units that work for the lab where the machine is a whole computer: they start, log and forward for it.
LAB_UNITS = (
    "init.scope",
    "system.slice/docker.service",
    "system.slice/containerd.service",
    "system.slice/ssh.service",
    "system.slice/sshd.service",
)
# Slices with this prefix contain an attempt's processes on a host: load and sampler.
LAB_SLICE = "swarmsweep"


class CoreUsers:
    """Separates the CPU time of this machine and of the lab from the other CPU time of its cores.

    A machine that shares its computer sees only its own cgroup. The CPU time of that cgroup is the machine's, and the
    lab's part is not measured. Where the machine is the whole computer, the cgroups at the top of a v2 tree are all of
    its processes but the kernel's own. The lab's are its containers, its slice and `LAB_UNITS`. A login is not the
    lab's: no login is needed during a measured window. With cgroup v1, systemd keeps no such accounts.
    """

    def __init__(self, mounts: Sequence[CgroupMount], membership: str) -> None:
        self.shared: ContainerCgroup | None = None
        self.tree: Path | None = None
        self.own_path = parse_membership(membership).get("", "/").strip("/")
        self.tops, self.lab = LastKnown(), LastKnown()
        for mount in sorted(mounts, key=lambda mount: mount.unified):
            if "cpuacct" in mount.controllers:
                # Only the top of a whole hierarchy has this file.
                if not (mount.point / "cgroup.sane_behavior").exists():
                    self.shared = ContainerCgroup(cpuacct=mount.point)
                return
            if mount.unified:
                # Every cgroup has this file, except the top of the tree.
                if (mount.point / "cgroup.events").exists():
                    self.shared = ContainerCgroup(unified=mount.point)
                else:
                    self.tree = mount.point
                return

    def read(self, containers: Mapping[str, float | None]) -> dict[str, float | None]:
        """CPU seconds of the machine and of the lab; `containers` are those of the lab, their CPU seconds by id."""
        own = lab = None
        if self.shared is not None:
            own = read_cpu(self.shared)["cpu_seconds"]
        elif self.tree is not None:
            own = self.tops.total({top: self._used(top) for top in self._tops()})
            lab = self.lab.total({**containers, **{group: self._used(group) for group in self._lab_groups()}})
        return {
            "own_cpu_seconds": None if own is None else round(own, 6),
            "lab_cpu_seconds": None if lab is None else round(lab, 6),
        }

    def _tops(self) -> list[str]:
        try:
            with os.scandir(self.tree) as entries:
                return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def _lab_groups(self) -> tuple[str, ...]:
        top = self.own_path.partition("/")[0]
        own = top if top.startswith(LAB_SLICE) else self.own_path
        return (*LAB_UNITS, own) if own else LAB_UNITS

    def _used(self, group: str) -> float | None:
        return read_cpu(ContainerCgroup(unified=self.tree / group))["cpu_seconds"]
