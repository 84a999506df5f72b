"""What `./lab ui` prints: how to open Locust's page, which listens on the loopback address of a load host."""

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"
# Connections of Ansible that do not use SSH: the load host is this machine.
LOCAL = "local"


def ssh_line(address: str, port: int, connection: Mapping[str, Any]) -> str:
    """The command for a tunnel to a port of the loopback address of a host, as Ansible reaches this host.

    Args:
        address: of the host.
        port: at both ends of the tunnel.
        connection: variables of the inventory by their names: ansible_user, ansible_port, ansible_ssh_common_args and
            so on. The last ones are words for a shell, and are passed on as they are.
    """
    given = {name: str(value).strip() for name, value in connection.items() if value not in (None, "")}
    words = [given.get("ansible_ssh_executable") or "ssh", "-N", "-L", f"{port}:{LOOPBACK}:{port}"]
    if key := given.get("ansible_ssh_private_key_file") or given.get("ansible_private_key_file"):
        words += ["-i", str(Path(key).expanduser())]
    if ssh_port := given.get("ansible_port"):
        words += ["-p", ssh_port]
    options = [given[name] for name in ("ansible_ssh_common_args", "ansible_ssh_extra_args") if name in given]
    user = given.get("ansible_user")
    return " ".join([shlex.join(words), *options, shlex.quote(f"{user}@{address}" if user else address)])


def page_lines(
    host: str, address: str, port: int, page: Mapping[str, Any], workers: int, connection: Mapping[str, Any]
) -> list[str]:
    """How to open the page, and how to go on. ``page`` is what the module locust_page returned."""
    end = f"{datetime.fromtimestamp(page['ends_at'], UTC):%H:%M} UTC"
    count = f"{workers} worker{'' if workers == 1 else 's'}"
    url = f"http://{LOOPBACK}:{port}"
    if str(connection.get("ansible_connection") or "ssh") == LOCAL:
        opening = [f"Open it in a browser of this machine: {url}"]
    else:
        opening = [
            f"Open a tunnel in a second terminal, and leave it open: {ssh_line(address, port, connection)}",
            f"Then open this in a browser of this machine: {url}",
        ]
    return [
        f"Locust's page runs on {host} with {count}, until {end}. It loads {page['target']} with {page['locustfile']}.",
        *opening,
        f"To add workers, also while a test runs: ./lab ui --workers {workers + 1}. To end all: ./lab stop",
    ]
