"""The address by which the other API hosts reach one of them. Swarm stores it, and it cannot be changed later."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from swarmsweep.errors import LabError

# A Swarm of one node works with it. No other host can join.
ALONE = "127.0.0.1"


def swarm_address(
    host: str, inventory_address: str, wanted: str, links: Iterable[Mapping[str, Any]], source: str, *, is_alone: bool
) -> str:
    """The address that a host advertises to the other API hosts.

    It must be an address of the host itself: Swarm also sends the overlay's packets from it. Behind address
    translation, as in many clouds, that is not the address by which the controller reaches the host. Then it is the one
    from which the host reaches others.

    Args:
        host: name of the host in the inventory.
        inventory_address: its ansible_host, or its name.
        wanted: lab_swarm_address of the host. Empty: not set.
        links: what ``ip -json -4 address show`` prints.
        source: the address from which the host sends to others. Empty: it has no route.
        is_alone: whether it is the only API host. Then any address does.

    Raises:
        LabError: the host has not the wanted address, or none that another host could reach.
    """
    own = list(own_addresses(links))
    named = ", ".join(own) or "none"
    if wanted:
        if wanted in own:
            return wanted
        raise LabError(
            f"lab_swarm_address of {host} is {wanted!r}; allowed: an IPv4 address that the host itself has ({named}). "
            "Correct it in hosts.yml of the inventory"
        )
    for address in (inventory_address, source):
        if address in own:
            return address
    if is_alone:
        return ALONE
    raise LabError(
        f"{host} has no IPv4 address by which the other API hosts could reach it. Its addresses: {named}. "
        f"Give it one with lab_swarm_address: ADDRESS below {host} in hosts.yml of the inventory"
    )


def own_addresses(links: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """The IPv4 addresses of a host that another host may reach, in the order of its interfaces."""
    for link in links:
        for entry in link.get("addr_info", ()):
            address = ipaddress.ip_address(entry.get("local", ALONE))
            if address.version == 4 and not address.is_loopback and not address.is_link_local:
                yield str(address)
