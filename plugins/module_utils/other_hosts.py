"""Replicas on other API hosts than the manager: when the wait stops so that these hosts say what listens there.

The manager reads the ports of its own containers alone. It does not reach another host, but Ansible does. So the wait
ends with "undecided", each other host looks at its own replicas, and the wait goes on with what they found. The same
happens if a replica there was killed: its own host alone knows whether memory was the reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.module_utils import swarm_tasks
from ansible.module_utils.haproxy_stats import Server
from ansible.module_utils.listening_ports import Listener, listeners_of
from ansible.module_utils.ready_check import Refusal, describe_elsewhere

# Between two looks at the ports of a replica. A look reads two small files of the kernel for each.
LOOK_SECONDS = 0.5
# The options of a module that waits, beside the ready check.
ARGUMENTS = {
    "has_other_hosts": {"type": "bool", "default": False},
    "resumed": {"type": "dict", "default": {}},
    "elsewhere": {"type": "dict", "default": {}},
}


class OtherHosts:
    """Watches the replicas whose ports are not known here, and to which HAProxy cannot connect.

    Args:
        settled_seconds: how long this must be so before the other hosts are asked. Each further time takes twice as
            long, so that a slow start is seldom interrupted, and the number of times is small.
        are_there: whether there are other API hosts. Without them, nothing is asked.
        asked: how often they were asked in this wait.
        elsewhere: what they found, by the id of the container: the text of `describe_elsewhere`.
        killed: the containers that the kernel killed for memory there.
    """

    def __init__(
        self,
        settled_seconds: float,
        are_there: bool = False,
        asked: int = 0,
        elsewhere: Mapping[str, str] | None = None,
        killed: Iterable[str] = (),
    ) -> None:
        self.are_there, self.asked, self.elsewhere = are_there, asked, dict(elsewhere or {})
        self.killed = frozenset(killed)
        self.patience_seconds = settled_seconds * 2**asked
        self.since: float | None = None
        self.unread: list[str] = []
        self.is_due = False

    def observe(
        self,
        servers: Iterable[Server],
        tasks: Iterable[dict[str, Any]],
        listeners: Mapping[str, list[Listener] | None],
        now: float,
    ) -> Refusal | None:
        """Return what another host found, if HAProxy still cannot connect to that replica. Else note whether to ask.

        Args:
            servers: the servers of the backend that are not unused slots.
            tasks: the running replicas.
            listeners: what listens in each replica, by its name. None: on another node, or not readable.
            now: monotonic seconds.
        """
        refused = [server.address for server in servers if server.check_result.startswith("L4")]
        unread = []
        for task in tasks:
            container, name = swarm_tasks.container_id_of(task), swarm_tasks.name_of(task)
            addresses = swarm_tasks.addresses_of(task)
            if not container or listeners.get(name) is not None:
                continue
            # HAProxy hides the addresses on a socket of a low level.
            if any(not address or address in addresses for address in refused):
                if container in self.elsewhere:
                    text = self.elsewhere[container]
                    return Refusal(text, name, f"{name} {text}")
                unread.append(container)
        if not unread or not self.are_there:
            self.interrupt()
            return None
        self.since = now if self.since is None else self.since
        self.unread, self.is_due = unread, now - self.since >= self.patience_seconds
        return None

    def interrupt(self) -> None:
        """Note that for a moment nothing could be observed, or that HAProxy could connect to all replicas."""
        self.since, self.unread, self.is_due = None, [], False

    def ask_about(self, container: str) -> bool:
        """Note that the other hosts must be asked about a dead container. Return False if they were asked before."""
        if not self.are_there or self.asked:
            return False
        self.unread, self.is_due = [container], True
        return True

    def question(self) -> dict[str, Any]:
        """Return what the next module needs: the containers to look for, and how often this was asked."""
        return {"unread": self.unread, "asked": self.asked + 1}


def watch(
    processes: Mapping[str, int],
    port: int,
    settled_seconds: float,
    read: Callable[[int], list[Listener] | None] = listeners_of,
) -> dict[str, str]:
    """Return the containers that listened for ``settled_seconds``, but not where HAProxy connects to, with the text.

    It returns at once if no container does so now: then the wait goes on, and nothing may delay it.

    Args:
        processes: the first process of each container on this host, by the container's id.
        port: where the API must listen.
        settled_seconds: as long as this, each text must stay the same.
        read: returns what listens in the network of a process.
    """
    end = time.monotonic() + settled_seconds
    found = look(processes, port, read)
    while found and time.monotonic() < end:
        time.sleep(min(LOOK_SECONDS, max(0.0, end - time.monotonic())))
        now = look(processes, port, read)
        found = {container: text for container, text in found.items() if now.get(container) == text}
    return found


def look(processes: Mapping[str, int], port: int, read: Callable[[int], list[Listener] | None]) -> dict[str, str]:
    """Return the containers that listen elsewhere at this moment."""
    texts = {container: describe_elsewhere(read(pid) or [], port) for container, pid in processes.items()}
    return {container: text for container, text in texts.items() if text is not None}
