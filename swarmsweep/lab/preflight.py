"""The reasons why a lab cannot work, host by host, each with the command that fixes it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, TypedDict

from swarmsweep.errors import LabError
from swarmsweep.lab import engine, provisioned
from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, hosts_of, settings_of
from swarmsweep.lab.provisioned import Provisioned
from swarmsweep.lab.virtual_machines import check_address, is_virtual

# The systems on which the roles were tested. The version is the oldest that has Python 3.11 for Locust.
SUPPORTED = {"debian": 12, "ubuntu": 24}
ALLOWED = "Debian 12 or newer, Ubuntu 24.04 or newer"
# As `uname -m` has it. The lock files have the hashes of the builds for both.
TESTED_MACHINE = "x86_64"
UNTESTED_MACHINES = ("aarch64",)
# Space for images (2.5 GB with their build cache), packages, the model and the logs of a sweep.
API_DISK_BYTES = 8 * 1024**3
# Space for Locust's environment and the raw files of the newest attempts.
LOAD_DISK_BYTES = 2 * 1024**3
# MLflow needs 1.2 GB while it trains. PostgreSQL, HAProxy and one replica need the rest.
API_MEMORY_BYTES = 2 * 1024**3
# The sampler writes a line a second. An offset of half a second moves no sample into or out of a window of some
# seconds.
CLOCK_SECONDS = 0.5


# The return value of an Ansible module.
Result = Mapping[str, Any]


class HostFacts(TypedDict):
    """``reach``: the result of a raw command. ``capacity``: the result of host_capacity."""

    address: str
    reach: Result
    capacity: Result


def find_problems(
    facts: Mapping[str, HostFacts],
    sides: dict[str, list[str]],
    needed: Provisioned | None = None,
    *,
    is_manager_used: bool = True,
    docker_engines: Mapping[str, str] | None = None,
    is_registry_used: bool = False,
    inventory: str = DEFAULT_INVENTORY,
) -> list[str]:
    """Problems of all hosts, in inventory order.

    Args:
        facts: what each host reported, by host name.
        sides: {"api": [host names], "load": [host names]}.
        needed: the version that must have provisioned the hosts; None where this command does it.
        is_manager_used: lab_api_on_manager.
        docker_engines: lab_docker_engine by API host, where this command installs Docker or uses it for the first time.
        is_registry_used: lab_registry. The first API host then builds the images of all.
        inventory: its folder or file, for the messages.

    Returns:
        One sentence a problem: host, cause, command that fixes it. Empty when all is well.
    """
    problems = [
        f"the group '{side}' of the inventory has no host. Allowed: at least one; edit {hosts_of(inventory)}"
        for side, names in sides.items()
        if not names
    ]
    if not is_manager_used and len(sides["api"]) == 1:
        problems.append(
            "lab_api_on_manager is false, but the group 'api' has one host, which is the manager. Allowed: true, or "
            f"more API hosts. Fix: add a host below api: in {hosts_of(inventory)}, or set lab_api_on_manager: true"
        )
    for name, host in facts.items():
        is_api = name in sides["api"]
        problems += host_problems(name, host, is_api=is_api, needed=needed, inventory=inventory)
        found = host["capacity"].get("docker")
        chosen = (docker_engines or {}).get(name)
        if not (is_api and chosen and found):
            continue
        is_builder = not is_registry_used or name == sides["api"][0]
        if problem := engine.engine_problem(chosen, found, inventory, is_builder=is_builder):
            problems.append(f"{name} ({host['address']}) {problem}")
    return problems


def host_problems(
    name: str,
    host: HostFacts,
    *,
    is_api: bool,
    needed: Provisioned | None = None,
    inventory: str = DEFAULT_INVENTORY,
) -> list[str]:
    """Problems of one host; if one hides others, only the first is named."""
    address, reach, capacity = host["address"], host["reach"], host["capacity"]
    # SSH accepts user@host and other forms, but the load needs a host for its URL.
    if is_api and (problem := address_problem(name, address)):
        return [problem]
    if reach.get("unreachable"):
        return [unreachable(name, address, reach, inventory)]
    if reach.get("rc") != 0:
        return [f"{name} ({address}) has no python3. Fix: ssh {address} sudo apt-get install --yes python3"]
    if "cpus" not in capacity:
        text = str(capacity.get("module_stderr") or capacity.get("msg") or "").strip()
        cause = text.splitlines()[-1].rstrip(".") if text else "no response"
        return [
            f"{name} ({address}) refused a command as root: {cause}. "
            "Fix: let the user who logs in there run sudo, or add -K to the command"
        ]
    checks = (check_system, check_machine, check_disk, check_memory, check_processor)
    problems = [f"{name} ({address}) {problem}" for check in checks if (problem := check(capacity, is_api))]
    if needed is not None:
        there, is_there = str(capacity.get("provisioned_by", "")), bool(capacity["provisioned"])
        outdated = provisioned.problem(there, needed, is_provisioned=is_there)
        problems += [f"{name} ({address}) {outdated}"] if outdated else []
    return problems


def address_problem(name: str, address: str) -> str | None:
    """Why the address of an API host cannot be used for a load, or None."""
    try:
        check_address(address, name)
    except LabError as error:
        return str(error)
    return None


def clock_offset(before: float, there: float, after: float) -> tuple[float, float]:
    """(offset, bound) in seconds of another clock that showed ``there`` between ``before`` and ``after`` of this one.

    The other clock was read at some moment between the two. The offset from the middle is therefore wrong by at most
    half of that time (Cristian, Probabilistic clock synchronization, 1989).
    """
    return there - (before + after) / 2, (after - before) / 2


def clock_problem(offsets: dict[str, tuple[float, float]]) -> str | None:
    """The two hosts whose clocks certainly differ too much, or None.

    Args:
        offsets: host name -> (offset_seconds from the controller, bound_seconds), see `clock_offset`.

    Returns:
        One sentence about the pair that is furthest apart beyond `CLOCK_SECONDS` and both bounds.
    """

    def beyond(pair: tuple[str, str]) -> float:
        (first, first_bound), (second, second_bound) = (offsets[name] for name in pair)
        return abs(first - second) - CLOCK_SECONDS - first_bound - second_bound

    worst = max(combinations(offsets, 2), key=beyond, default=None)
    if worst is None or beyond(worst) <= 0:
        return None
    first, second = (offsets[name][0] for name in worst)
    bound = sum(offsets[name][1] for name in worst)
    return (
        f"the clocks of {worst[0]} and {worst[1]} differ by {abs(first - second):.2f} s (uncertainty {bound:.2f} s). "
        f"Allowed: {CLOCK_SECONDS:g} s. The times of the load are compared with those of the resource samples. "
        "Fix: run timedatectl set-ntp true on both hosts"
    )


def unreachable(name: str, address: str, reach: Result, inventory: str = DEFAULT_INVENTORY) -> str:
    """Why SSH failed, and what to do about it."""
    cause = " ".join(str(reach.get("msg", "")).split()).rstrip(".") or "no response"
    if "Host key verification failed" in cause or "IDENTIFICATION HAS CHANGED" in cause:
        fix = f"compare its host key with the one you expect, then: ssh-keyscan {address} >> ~/.ssh/known_hosts"
        if is_virtual(address):
            fix = "./lab down && ./lab up"
    elif is_virtual(address):
        fix = "./lab up"
    else:
        fix = f"make this work: ssh {address} true (the user is lab_remote_user in {settings_of(inventory)})"
    return f"{name} ({address}) cannot be reached: {cause}. Fix: {fix}"


def check_system(capacity: Result, _is_api: bool) -> str | None:
    """Operating system and its version."""
    system: str = capacity["os_id"]
    version: str = capacity["os_version"]
    least = SUPPORTED.get(system)
    major = version.split(".")[0]
    if least is not None and major.isdigit() and int(major) >= least:
        return None
    name = f"{system or 'an unknown system'} {version}".rstrip()
    return f"runs {name}; allowed: {ALLOWED}. Fix: install one of these systems on the host"


def check_machine(capacity: Result, _is_api: bool) -> str | None:
    """Kind of the processor: of others, the pinned packages of Python have no builds."""
    machine = capacity.get("machine", TESTED_MACHINE)
    if machine in (TESTED_MACHINE, *UNTESTED_MACHINES):
        return None
    allowed = f"{TESTED_MACHINE}, and {', '.join(UNTESTED_MACHINES)} (untested)"
    return f"has a processor of the kind {machine or 'unknown'}; allowed: {allowed}. Fix: use another machine"


def untested_machines(facts: Mapping[str, HostFacts]) -> list[str]:
    """A sentence for each host with a kind of processor that was never tested."""
    kinds = {name: str(host["capacity"].get("machine", TESTED_MACHINE)) for name, host in facts.items()}
    return [
        f"{name} has a processor of the kind {kind}, on which swarmsweep was never tested. "
        f"The image of your API must be built for {kind}"
        for name, kind in kinds.items()
        if kind in UNTESTED_MACHINES
    ]


def check_disk(capacity: Result, is_api: bool) -> str | None:
    """Free disk space below /var, where Docker and the package manager write."""
    wanted = API_DISK_BYTES if is_api else LOAD_DISK_BYTES
    free = capacity["disk_free_bytes"]
    # On a provisioned host, most of the space is already used by the lab itself.
    if free >= wanted or (capacity["provisioned"] and free >= wanted // 4):
        return None
    return (
        f"has {free / 1024**3:.1f} GiB free below /var; needed: {wanted / 1024**3:.0f} GiB. "
        "Fix: run docker system prune and apt-get clean, or use a larger disk"
    )


def check_memory(capacity: Result, is_api: bool) -> str | None:
    """Memory of the API host."""
    memory = capacity["memory_bytes"]
    if not is_api or memory >= API_MEMORY_BYTES:
        return None
    needed = f"{API_MEMORY_BYTES / 1024**3:.0f} GiB"
    return f"has {memory / 1024**3:.1f} GiB of memory; needed: {needed}. Fix: use a larger machine"


def check_processor(capacity: Result, is_api: bool) -> str | None:
    """Processor of the API host. Some hypervisors emulate a model of 2003, on which every replica would die."""
    missing = capacity.get("cpu_flags_missing")
    if not is_api or not missing:
        return None
    return (
        f"has a processor without {', '.join(missing)}; needed: the level x86-64-v2, which NumPy and PyArrow are "
        "built for (without it they exit with code 132). Fix: pass the host's processor to the virtual machine "
        "(QEMU: -cpu host, Proxmox: CPU type host)"
    )
