"""How the virtual machines share the machine on which they run."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any, TypedDict

from swarmsweep.errors import LabError
from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, hosts_of

# The range that is reserved for benchmarks (RFC 2544). Packets to it never leave a machine that has it on a bridge.
BENCHMARK_NETWORK = ipaddress.IPv4Network("198.18.0.0/15")

MAX_NAME_CHARACTERS = 253
# Labels of RFC 1123, and the underscore that names in /etc/hosts may have. The last label is not a number, because
# getaddrinfo takes 198.18.5 and 3323069701 and 0xC6120505 for addresses.
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"({_LABEL}\.)*(?!([0-9]+|0x[0-9a-f]*)\.?$){_LABEL}\.?", re.IGNORECASE)

# Enough for MLflow, PostgreSQL, HAProxy and a dozen replicas; more would only be taken from the other machine.
MEMORY_CEILING_BYTES = 8 * 1024**3
# Memory for the machine itself, its file cache and the sweep.
MEMORY_SHARE_PERCENT = 40
# With less memory, MLflow and an image build do not fit at the same time.
MEMORY_FLOOR_BYTES = 3 * 1024**3


def check_address(address: str, host: str) -> None:
    """Refuse a text that is neither an address nor a host name: SSH and a URL would interpret it differently.

    Args:
        address: ansible_host, or the name of a host that has no ansible_host.
        host: name of the host in the inventory.

    Raises:
        LabError: ``address`` of the inventory's ``host`` is not valid: for example a URL, user@host, host:port or
            198.18.5.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        is_good = len(address) <= MAX_NAME_CHARACTERS and _HOST_NAME.fullmatch(address) is not None
    else:
        # An IPv4 address in IPv6 notation would look like another network, and a zone is not allowed in a URL.
        is_good = parsed.version == 4 or (parsed.ipv4_mapped is None and parsed.scope_id is None)
    if is_good:
        return
    allowed = "an address, as 192.0.2.11 or 2001:db8::11, or a host name, as api.example.org"
    if address == host:
        raise LabError(
            f"the host {host!r} has no ansible_host, and its name is not an address; allowed: {allowed}. "
            "Give it an ansible_host in hosts.yml of the inventory"
        )
    raise LabError(
        f"ansible_host of {host!r} is {address!r}; allowed: {allowed}. Correct it in hosts.yml of the inventory"
    )


def url_host(address: str) -> str:
    """An address or a host name as in a URL: an IPv6 address is in brackets (RFC 3986, section 3.2.2)."""
    try:
        return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    except ValueError:
        return address


def is_virtual(address: str) -> bool:
    """Whether the address belongs to a virtual machine of the lab; a host name never does."""
    try:
        return ipaddress.ip_address(address) in BENCHMARK_NETWORK
    except ValueError:
        return False


def cpuset_text(cores: list[int]) -> str:
    """Cores as the kernel writes a cpuset: [0, 1, 2, 5] -> "0-2,5"."""
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][-1] + 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def split_evenly(items: list[int], parts: int) -> list[list[int]]:
    """Divide cores into that many runs, as equal as possible. With fewer cores than parts, parts share cores."""
    if len(items) < parts:
        return [[items[index % len(items)]] for index in range(parts)]
    size, rest = divmod(len(items), parts)
    ends = [(index + 1) * size + min(index + 1, rest) for index in range(parts)]
    return [items[end - size - (1 if index < rest else 0) : end] for index, end in enumerate(ends)]


class MachineShare(TypedDict):
    """A virtual machine. ``cores``: as cpuset text. ``memory_bytes``: its memory limit."""

    name: str
    address: str
    cores: str
    memory_bytes: int


def allocate(
    addresses: dict[str, str],
    sides: dict[str, str],
    cores: list[int],
    memory_bytes: int,
    inventory: str = DEFAULT_INVENTORY,
) -> list[MachineShare]:
    """Virtual machines with their cores and memory.

    Args:
        addresses: host name -> address, in inventory order.
        sides: host name -> "api" or "load". Each side gets half of the cores, so that load and API do not compete for
            cores.
        cores: numbers of the cores that this machine may use; in a container not always 0, 1, 2.
        memory_bytes: memory that this machine may use.
        inventory: its folder or file, for the message.

    Returns:
        Shares of the hosts in the benchmark range.

    Raises:
        LabError: this machine has too little memory.
    """
    virtual = {name: address for name, address in addresses.items() if is_virtual(address)}
    if not virtual:
        return []
    memory_each = min(MEMORY_CEILING_BYTES, memory_bytes * MEMORY_SHARE_PERCENT // 100 * 2 // max(2, len(virtual)))
    if memory_each < MEMORY_FLOOR_BYTES:
        raise LabError(
            f"this machine has {memory_bytes / 1024**3:.1f} GiB of memory: too little for {len(virtual)} "
            f"virtual machines of {MEMORY_FLOOR_BYTES / 1024**3:.0f} GiB each. "
            f"Use real machines: change ansible_host in {hosts_of(inventory)}."
        )
    halves = dict(zip(("api", "load"), split_evenly(sorted(cores), 2), strict=True))
    names = {side: [name for name in virtual if sides[name] == side] for side in halves}
    result: list[MachineShare] = []
    for name, address in virtual.items():
        side = sides[name]
        part = split_evenly(halves[side], len(names[side]))[names[side].index(name)]
        result.append({"name": name, "address": address, "cores": cpuset_text(part), "memory_bytes": memory_each})
    return result


def bridge_of(address: str, routes: list[dict[str, Any]], sys_class_net: Path = Path("/sys/class/net")) -> str | None:
    """The local bridge behind which an address lies.

    Args:
        address: an IPv4 address.
        routes: parsed output of `ip -json route get ADDRESS`.

    Returns:
        Name of the bridge, or None when the packets would leave this machine by another way.
    """
    if len(routes) != 1 or routes[0].get("dst") != address or "gateway" in routes[0]:
        return None
    device: str = routes[0].get("dev", "")
    return device if device and (sys_class_net / device / "bridge").is_dir() else None
