"""The nodes of the Swarm on which replicas run: their names in the inventory, and which of them are lost.

Pure functions of the node documents of the Docker Engine API (GET /nodes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Node = Mapping[str, Any]


def names_of(nodes: Iterable[Node], names: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each node by its id: that of the inventory, else that of the host itself."""
    return {node["ID"]: names.get(node["ID"], node["Description"]["Hostname"]) for node in nodes}


def lost_nodes(nodes: Iterable[Node], names: Mapping[str, str]) -> dict[str, str]:
    """Return why Swarm has lost a node, by the name of the node. A node that is ready is not among them."""
    nodes = list(nodes)
    known = names_of(nodes, names)
    lost = {}
    for node in nodes:
        status = node.get("Status") or {}
        if status.get("State") != "ready":
            message = status.get("Message") or "no reason given"
            lost[known[node["ID"]]] = f"Swarm reports the host as {status.get('State', 'unknown')} ({message})"
    return lost


def explain_lost(lost: Mapping[str, str]) -> str:
    """Return a sentence on lost nodes, as 'API host lab-api2: Swarm reports the host as down (heartbeat failure)'."""
    return "; ".join(f"API host {name}: {why}" for name, why in sorted(lost.items()))
