"""Shared by every start of Locust on a load host: the files of `locust -f`, the environment, the limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# One unit gets at most this share of the host's memory. A leak is ended before the kernel picks another victim.
MEMORY_PERCENT = 80
# Locust reads its options from these files where it starts. Users, rates and durations come from the sweep file.
LOCUST_SETTINGS = frozenset({"locust.conf", "pyproject.toml"})
# A Locust process has about a dozen threads.
MAX_TASKS = 4096
# A scenario with this name sends requests when they are due (see swarmsweep/sweep/values.py).
OPEN_LOOP_ENDING = "_open.py"
# Of a load that a person makes in Locust's page.
PAGE_MODE = "page"


def scenario_files(home: Path, mode: str, locustfile: str) -> list[Path]:
    """Return the files that a worker loads, in their order. ``home`` has the programs and the folder locustfiles/.

    before_scenario.py sets variables that the scenario may read. A scenario for open_loop.py is loaded after it.
    recorder.py is loaded after all others, in mode capacity with scenarios of users alone. `./lab check` loads an
    open-loop scenario with mode fixed. In mode page, by_hand.py is loaded after a scenario of users.
    """
    if mode == PAGE_MODE:
        return [home / name for name in ("before_scenario.py", f"locustfiles/{locustfile}", "by_hand.py")]
    is_open = locustfile.endswith(OPEN_LOOP_ENDING)
    before = ["before_scenario.py"] + (["open_loop.py"] if is_open else [])
    after = ["recorder.py"] if mode == "fixed" or not is_open else []
    return [home / name for name in (*before, f"locustfiles/{locustfile}", *after)]


def link_scenarios(home: Path, work: Path) -> None:
    """Make a link in the folder ``work`` to each entry of locustfiles/, so that ``open("rows.csv")`` finds its file.

    People start Locust in the folder of their locustfile. A process of the load starts in ``work``, where it may write.
    Call this while only root can write there.
    """
    for entry in (home / "locustfiles").iterdir():
        if entry.name not in LOCUST_SETTINGS:
            (work / entry.name).symlink_to(entry)


def unlink_scenarios(home: Path, work: Path) -> None:
    """Remove the links of `link_scenarios`. Any other entry of the folder stays, also one that replaced a link."""
    folder = home / "locustfiles"
    for entry in work.iterdir() if work.is_dir() else ():
        if entry.is_symlink() and entry.readlink() == folder / entry.name:
            entry.unlink(missing_ok=True)


def environment(output: Path, host_name: str, more: Mapping[str, str], secrets: str | None = None) -> dict[str, str]:
    """Return the environment of a process that writes into ``output``. ``more`` are the variables of the load.

    ``secrets`` is the folder of the secrets on this host. Only its path is in the environment of a unit.
    """
    folder = {"SWEEP_SECRETS_DIRECTORY": secrets} if secrets else {}
    return {"SWEEP_OUTPUT_DIR": str(output), "SWEEP_HOST": host_name, "HOME": str(output), **more, **folder}


def confinement(output_directory: Path | str, memory: int) -> dict[str, object]:
    """Return the properties of a unit that runs a user's code. It may write to its own folder and load, nothing else.

    ``memory`` is the host's memory in bytes.
    """
    return {
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "ProtectSystem": "strict",
        "ReadWritePaths": output_directory,
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        # ZeroMQ gets the host's interfaces from netlink when the master begins to listen, and aborts without it.
        "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX AF_NETLINK",
        "UMask": "0077",
        # A core file would be gathered with the files of the attempt.
        "LimitCORE": 0,
        "TasksMax": MAX_TASKS,
        "MemoryMax": memory * MEMORY_PERCENT // 100,
        # The same limit where systemd has no memory controller for its units (a container under cgroup v1). There,
        # MemoryMax is accepted and has no effect. A process that needs more gets a MemoryError.
        "LimitDATA": memory * MEMORY_PERCENT // 100,
        # A host may have a proxy for all its services. A load through it would measure the proxy.
        "UnsetEnvironment": "http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY",
    }
