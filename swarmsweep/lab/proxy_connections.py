"""How many connections the lab's HAProxy can take on its host, and which loads need more than the hosts allow."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from swarmsweep.errors import InputError
from swarmsweep.lab.inventory_files import DEFAULT_INVENTORY, settings_of
from swarmsweep.lab.setting_values import is_whole
from swarmsweep.units import quoted

# Each connection to a replica needs a port of HAProxy's container. Linux has 28,232 for it: 32768 to 60999.
MAX_CONNECTIONS = 28_000
# Files of HAProxy beside its connections: sockets to check 100 replicas twice a second, listeners, DNS, statistics.
OTHER_FILES = 1_000
# A connection from a user, and one to a replica.
FILES_PER_CONNECTION = 2
# Files of a Locust worker beside its connections: modules, logs, the connection to its master.
WORKER_FILES = 200


def connections(wanted: int, open_files: int) -> int:
    """The connections that HAProxy is set up for: ``wanted``, or what the files of a process on its host allow."""
    return min(wanted, (open_files - OTHER_FILES) // FILES_PER_CONNECTION)


def proxy_problems(port: Any, wanted: Any, command: str, inventory: str = DEFAULT_INVENTORY) -> list[str]:
    """The mistakes in ``lab_proxy_port`` and ``lab_proxy_max_connections``, one text each.

    With more connections than ports, a search for a number of users would find the limit of HAProxy. HAProxy itself
    reads 0 as no limit of its own. ``command`` uses the corrected settings.
    """
    reason = ". HAProxy has about as many ports for connections to one replica"
    found = [
        ("lab_proxy_port", port, 65535, ""),
        ("lab_proxy_max_connections", wanted, MAX_CONNECTIONS, reason),
    ]
    return [
        f"{name} is {quoted(value)}; allowed: a whole number from 1 to {most}{why}. "
        f"Change it in {settings_of(inventory)}, then run: {command}"
        for name, value, most, why in found
        if not is_whole(value, range(1, most + 1))
    ]


def refuse_too_many_users(
    loads: Iterable[Mapping[str, Any]],
    accepted: int | None,
    hosts: Mapping[str, list[Mapping[str, Any]]],
    inventory: str = DEFAULT_INVENTORY,
) -> None:
    """Refuse loads with more users than HAProxy takes connections, or than a Locust worker may open.

    The loads are as in plan.json, and so are ``hosts``. ``accepted`` is HAProxy's own limit. An unknown limit is not
    judged. ``inventory`` is its folder or file, for the message.

    Raises:
        InputError: the largest load, the limit that it exceeds, and how to raise it.
    """
    counted = [load for load in loads if load.get("users")]
    if not counted:
        return
    users = max(load["users"] for load in counted)
    if accepted is not None and users > accepted:
        raise InputError(
            _too_many_for_proxy(users, accepted, next(iter(hosts.get("api") or []), {}), settings_of(inventory))
        )
    share = max(math.ceil(load["users"] / load["workers"]) for load in counted)
    for host in hosts.get("load") or []:
        open_files = host.get("open_files")
        if open_files is not None and share + WORKER_FILES > open_files:
            raise InputError(
                f"load.users: each Locust worker would have {share:,} users. A process on {host.get('name')} may open "
                f"{open_files:,} files, of which {WORKER_FILES} are for other things. Set load.workers to more"
            )


def _too_many_for_proxy(users: int, accepted: int, manager: Mapping[str, Any], file: str) -> str:
    name, open_files = manager.get("name", "the API host"), manager.get("open_files")
    needed = users * FILES_PER_CONNECTION + OTHER_FILES
    limit = f"load.users: {users:,} users need {users:,} connections, and HAProxy on {name} takes {accepted:,}"
    if open_files is not None and needed > open_files:
        return (
            f"{limit}. {users:,} connections need {needed:,} open files, and a process on {name} may have "
            f"{open_files:,}. Raise the limit of open files where {name} runs, then run: ./lab site. "
            f"Or set load.users to at most {accepted:,}"
        )
    return f"{limit}. Set lab_proxy_max_connections in {file} to {users:,} or more, then run: ./lab site"
