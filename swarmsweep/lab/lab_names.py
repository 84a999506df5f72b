"""Names and addresses of a lab, checked before they become part of paths, interfaces and commands."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, hosts_of, inventory_of, missing_inventories, settings_of
from swarmsweep.lab.virtual_machines import BENCHMARK_NETWORK
from swarmsweep.units import quoted

# The name is part of paths, units and labels on every host. `$` also matches before a trailing newline, so all patterns
# must match the whole text.
_LAB = re.compile(r"[a-z][a-z0-9-]{0,19}", re.ASCII)
# Linux allows 15 bytes and nearly every character; these need no quoting anywhere.
_BRIDGE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}", re.ASCII)
# Folders of /proc/sys/net/ipv4/conf that are not interfaces.
_NO_BRIDGES = ("all", "default")
# RFC 1123, and the underscore that many inventories use. Host names of an inventory become file names.
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_HOST_CHARACTERS = 253
# A virtual machine is called <lab>-<name>, and systemd-nspawn allows 64 characters of RFC 1123. With a dot, lab-api.log
# (the console of lab-api) could also be the name of a machine.
_MACHINE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,38}[A-Za-z0-9])?", re.ASCII)
# Debian releases of the virtual machines: 12 and 13. The roles were tested on both.
RELEASES = ("bookworm", "trixie")
# The lab's network, which has the address of the bridge.
PREFIX_LENGTH = 24


def missing_problems(sources: Sequence[Any]) -> list[str]:
    """The inventories that do not exist, one sentence each."""
    return [
        f"the inventory {quoted(name, 255)} does not exist; allowed: a folder as {DEFAULT_INVENTORY}, or a file with "
        "hosts. Correct LAB_INVENTORY or the option -i"
        for name in missing_inventories(sources)
    ]


def inventory_problems(sources: Sequence[Any], groups: Mapping[str, Sequence[Any]] | None) -> list[str]:
    """The mistakes in the inventories as a whole, one sentence each: one does not exist, or they have no hosts.

    Ansible only warns of these, and then runs a playbook on no host, and without a setting.

    Args:
        sources: the inventories that Ansible read.
        groups: names of hosts by group. None: the command needs no host.
    """
    missing = missing_problems(sources)
    if missing or groups is None or any(groups.get(side) for side in ("api", "load")):
        return missing
    file = hosts_of(inventory_of(sources))
    return [
        f"the group '{side}' of the inventory has no host. Allowed: at least one; edit {file}"
        for side in ("api", "load")
    ]


def name_problems(lab_name: Any, hosts: Iterable[Any], inventory: str = DEFAULT_INVENTORY) -> list[str]:
    """The mistakes in the names of a lab and of its hosts, one sentence each; empty when all names are valid.

    Args:
        lab_name: the setting ``lab_name``, of whatever type YAML made it.
        hosts: names of the hosts in the groups api and load.
        inventory: its folder or file, for the message.
    """
    problems = []
    if not (isinstance(lab_name, str) and _LAB.fullmatch(lab_name)):
        problems.append(
            f"lab_name is {quoted(lab_name)}; allowed: a letter, then up to 19 letters, digits and dashes, "
            f"all lower case. Change it in {settings_of(inventory)}"
        )
    for host in hosts:
        if host == "localhost":
            problems.append(
                "the host 'localhost' is in the group api or load; allowed: another name, because localhost is the "
                f"machine that Ansible runs on. Rename the host in {hosts_of(inventory)}"
            )
        elif not _is_host_name(host):
            problems.append(
                f"the host {quoted(host)} is not a valid host name; allowed: letters, digits, dots, dashes and "
                f"underscores, no dash or dot at either end. Rename the host in {hosts_of(inventory)}, "
                "and give its address as ansible_host"
            )
    return problems


def bridge_problems(bridge: Any, inventory: str = DEFAULT_INVENTORY) -> list[str]:
    """The mistakes in the name of the lab's bridge."""
    if isinstance(bridge, str) and _BRIDGE.fullmatch(bridge) and bridge not in _NO_BRIDGES:
        return []
    return [
        f"lab_bridge is {quoted(bridge)}; allowed: a letter, then up to 14 letters, digits, dots, dashes "
        f"and underscores, for example sweep0. Change it in {settings_of(inventory)}"
    ]


def release_problems(release: Any, inventory: str = DEFAULT_INVENTORY) -> list[str]:
    """The mistakes in the Debian release of the virtual machines."""
    if release in RELEASES:
        return []
    return [
        f"lab_release is {quoted(release)}; allowed: {' or '.join(RELEASES)}. Change it in {settings_of(inventory)}"
    ]


def network_problems(subnet: Any, machines: Iterable[dict[str, Any]], inventory: str = DEFAULT_INVENTORY) -> list[str]:
    """What is wrong with the lab's network, and with names and addresses of its virtual machines.

    Args:
        subnet: the setting ``lab_subnet``.
        machines: [{"name", "address"}] of the virtual machines.
        inventory: its folder or file, for the message.
    """
    network = _network(subnet)
    if network is None:
        return [
            f"lab_subnet is {quoted(subnet)}; allowed: 198.18.N.0/24 or 198.19.N.0/24 with N from 0 to 255. "
            f"Change it in {settings_of(inventory)}"
        ]
    problems: list[str] = []
    seen: dict[str, str] = {}
    for machine in machines:
        name, address = machine["name"], machine["address"]
        if not _MACHINE.fullmatch(name):
            problems.append(
                f"the virtual machine {quoted(name)} has a name that systemd-nspawn refuses; allowed: up to 40 "
                f"letters, digits and dashes, no dash at either end. Rename the host in {hosts_of(inventory)}"
            )
        if not _is_free(address, network):
            first, last = network[2], network[-2]
            problems.append(
                f"ansible_host of {quoted(name)} is {quoted(address)}; allowed for a virtual machine: {first} to "
                f"{last}, as lab_subnet is {network} and {network[1]} is the bridge. Change it in {hosts_of(inventory)}"
            )
        if address in seen:
            problems.append(
                f"ansible_host of {quoted(name)} is {address}, which {quoted(seen[address])} has too; allowed: an "
                f"address of its own for each machine. Change it in {hosts_of(inventory)}"
            )
        seen.setdefault(address, name)
    return problems


def gateway(subnet: str) -> str:
    """Address of the bridge with its prefix length: the first of a network without `network_problems`."""
    network = ipaddress.ip_network(subnet)
    return f"{network[1]}/{network.prefixlen}"


def _network(subnet: Any) -> ipaddress.IPv4Network | None:
    try:
        network = ipaddress.IPv4Network(subnet) if isinstance(subnet, str) else None
    except ValueError:
        return None
    if network is None or str(network) != subnet or network.prefixlen != PREFIX_LENGTH:
        return None
    return network if network.subnet_of(BENCHMARK_NETWORK) else None


def _is_free(address: Any, network: ipaddress.IPv4Network) -> bool:
    try:
        parsed = ipaddress.IPv4Address(address) if isinstance(address, str) else None
    except ValueError:
        return False
    taken = (network.network_address, network[1], network.broadcast_address)
    return parsed is not None and str(parsed) == address and parsed in network and parsed not in taken


def _is_host_name(host: Any) -> bool:
    if not isinstance(host, str) or len(host) > _HOST_CHARACTERS:
        return False
    if _HOST.fullmatch(host):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone may hold anything
