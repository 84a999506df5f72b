#!/usr/bin/python
"""Ansible module: report what a host may use. In a container, this is less than what the host shows."""

from __future__ import annotations

import os
import re
import resource
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.docker_found import describe_docker
from ansible.module_utils.machine_memory import total_memory_bytes

DOCUMENTATION = r"""
module: host_capacity
short_description: Report cores, memory, disk and system of a host within the limits of its cgroups
description:
  - In a container, C(/proc/meminfo) and the number of processors are those of the machine. So this module reads the
    cgroups too.
options:
  directory: {description: The lab's folder on the host., type: path, default: /opt/swarmsweep}
  docker: {description: Whether to report what of Docker is there., type: bool, default: false}
author: [swarmsweep]
"""

EXAMPLES = r"""
- host_capacity:
"""

RETURN = r"""
cpus: {description: Cores that processes may run on., type: int, returned: always}
memory_bytes: {description: The lesser of the memory and of its cgroup limit., type: int, returned: always}
swap_bytes: {description: Swap of the machine., type: int, returned: always}
open_files: {description: Files that a process of root may open., type: int, returned: always}
disk_free_bytes: {description: Free disk below /var., type: int, returned: always}
os_id: {description: ID of os-release., type: str, returned: always}
os_version: {description: VERSION_ID of os-release., type: str, returned: always}
kernel: {description: Release of the kernel., type: str, returned: always}
boot_time:
  description: Start of the kernel in epoch seconds; the same on machines that share it.
  type: int
  returned: always
machine_id: {description: machine-id., type: str, returned: always}
cgroup_version: {description: 1 or 2., type: int, returned: always}
ipvs:
  description: Whether the kernel has IPVS, loaded or not; the ingress mesh needs it.
  type: bool
  returned: always
cpu_model: {description: Name of the processor., type: str, returned: always}
machine: {description: Kind of the processor as the kernel names it., type: str, sample: x86_64, returned: always}
docker:
  description: Package, versions, buildx, settings of the daemon, and containers that no service of Swarm has.
  type: dict
  returned: with docker
cpu_flags_missing:
  description: What the processor lacks of x86-64-v2; empty where that level does not apply.
  type: list
  elements: str
  returned: always
provisioned: {description: Whether the lab's folder is on the host., type: bool, returned: always}
provisioned_by:
  description: Content of the file that says which version of the lab provisioned the host. Empty without the file.
  type: str
  returned: always
"""

# Features that the level x86-64-v2 adds, as /proc/cpuinfo names them (pni is SSE3).
X86_64_V2 = ("cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3")


def read(path):
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def meminfo_bytes(key):
    match = re.search(rf"^{key}:\s+(\d+) kB$", read("/proc/meminfo"), re.MULTILINE)
    return int(match.group(1)) * 1024 if match else 0


def os_release():
    pairs = (line.split("=", 1) for line in read("/etc/os-release").splitlines() if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def first(pattern, path):
    match = re.search(pattern, read(path), re.MULTILINE)
    return match.group(1) if match else ""


def missing_cpu_flags():
    flags = first(r"^flags\s*:\s*(.+)$", "/proc/cpuinfo").split()
    return [flag for flag in X86_64_V2 if flags and flag not in flags]


def has_ipvs(release):
    """Return whether IPVS is available. Docker loads the module when needed, so an unloaded module counts too."""
    if Path("/proc/net/ip_vs").exists():
        return True
    lists = (Path("/lib/modules", release, name) for name in ("modules.dep", "modules.builtin"))
    return any(re.search(r"/ip_vs\.ko\b", read(path)) for path in lists)


def open_files():
    """Return how many files a process may open at most. In some containers, not even root may raise its limit."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = int(first(r"^(\d+)$", "/proc/sys/fs/nr_open") or hard)
    try:
        # This process ends at once, so it can try.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, most))
    except (OSError, ValueError):
        return hard
    return most


def main():
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "default": "/opt/swarmsweep"},
            "docker": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    release = os_release()
    module.exit_json(
        changed=False,
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=total_memory_bytes(),
        swap_bytes=meminfo_bytes("SwapTotal"),
        open_files=open_files(),
        disk_free_bytes=shutil.disk_usage("/var").free,
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        kernel=os.uname().release,
        boot_time=int(first(r"^btime (\d+)$", "/proc/stat") or 0),
        machine_id=read("/etc/machine-id").strip(),
        cgroup_version=2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
        ipvs=has_ipvs(os.uname().release),
        cpu_model=first(r"^model name\s*:\s*(.+)$", "/proc/cpuinfo"),
        machine=os.uname().machine,
        cpu_flags_missing=missing_cpu_flags(),
        provisioned=Path(module.params["directory"]).is_dir(),
        provisioned_by=read(Path(module.params["directory"]) / "provisioned.json"),
        **({"docker": describe_docker()} if module.params["docker"] else {}),
    )


if __name__ == "__main__":
    main()
