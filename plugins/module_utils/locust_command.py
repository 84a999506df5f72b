"""What every start of Locust on a load host has in common: the files of `locust -f`, the environment, the limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# One unit gets at most this share of the host's memory: what leaks is killed before the kernel picks a victim anywhere.
MEMORY_PERCENT = 80
# A Locust process has some dozen threads.
MAX_TASKS = 4096


def scenario_files(home: Path, mode: str, locustfile: str) -> list[Path]:
    """The files that a worker loads, in their order; ``home`` is the folder of the programs and of locustfiles/.

    A scenario for open_loop.py is loaded after it; recorder.py is loaded after any other.
    """
    scenario = home / "locustfiles" / locustfile
    return [home / "open_loop.py", scenario] if mode == "capacity" else [scenario, home / "recorder.py"]


def environment(output: Path, host_name: str, more: Mapping[str, str]) -> dict[str, str]:
    """Environment variables of a process that writes into ``output``; ``more`` are those of the load."""
    return {"SWEEP_OUTPUT_DIR": str(output), "SWEEP_HOST": host_name, "HOME": str(output), **more}


def confinement(output_directory: Path | str, memory: int) -> dict[str, object]:
    """Properties of a unit that runs what a user wrote: it may write its own folder, and load; nothing else.

    ``memory`` is that of the host, in bytes.
    """
    return {
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ReadWritePaths": output_directory,
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        # ZeroMQ asks netlink for the host's interfaces when the master begins to listen, and aborts without it.
        "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX AF_NETLINK",
        "UMask": "0077",
        # A core would be gathered with the files of the attempt.
        "LimitCORE": 0,
        "TasksMax": MAX_TASKS,
        "MemoryMax": memory * MEMORY_PERCENT // 100,
        # The same where systemd has no memory controller for its units (a container under cgroup v1): there, MemoryMax
        # is accepted and does nothing. A process that needs more gets a MemoryError.
        "LimitDATA": memory * MEMORY_PERCENT // 100,
        # A host may have a proxy for all its services: a load through it would measure that.
        "UnsetEnvironment": "http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY",
    }
