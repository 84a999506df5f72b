"""HAProxy's runtime socket: `show stat`, and which servers of a backend are proven to be up."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

from ansible.module_utils.show_stat import HEADER, parse_show_stat

# What a check got, by HAProxy's word for it (management guide, "check_status"), if the statistics have no text.
RESULTS = {
    "L4TOUT": "no connection in time",
    "L6TOUT": "no connection in time",
    "L7TOUT": "no response in time",
    "L7RSP": "no valid HTTP response",
    "L4CON": "connection failed",
}
# HAProxy responds from memory. If it takes longer than this, it hangs or gets no CPU.
SOCKET_TIMEOUT_SECONDS = 5.0


class HaproxyError(Exception):
    """HAProxy does not respond, or refuses the command. The text names the socket and the reason."""


@dataclass(frozen=True)
class Server:
    """One server line of `show stat`."""

    name: str
    status: str  # "UP", "UP 1/5" (a check failed, or none has passed yet), "DOWN", "MAINT (resolution)", "no check"
    check_status: str  # "L7OK", "L4CON" ...; "* " before it: a check is running
    address: str  # "10.0.1.5", or "" when the socket's level hides it
    sessions: int = 0  # that are open now
    check_code: int | None = None  # HTTP status of the last check; 0 while the next one runs
    check_text: str = ""  # "Not Found", "Connection refused"; empty while a check runs

    @property
    def is_checking(self) -> bool:
        """Return whether a check runs now. Until it ends, the last one's status is unknown."""
        return self.check_status.startswith("* ")

    @property
    def check_result(self) -> str:
        """Return the result of the last check, such as L7OK, L7STS, L4CON."""
        return self.check_status.replace("* ", "")

    @property
    def got(self) -> str:
        """Return in words what the last check got. Empty if there was none, or it passed."""
        if self.check_result in ("", "INI") or self.check_result.endswith(("OK", "OKC")):
            return ""
        if self.check_code:
            return f"status {self.check_code}" + (f" ({self.check_text})" if self.check_text else "")
        return self.check_text.lower() or RESULTS.get(self.check_result, "")

    @property
    def proven_up(self) -> bool:
        """Return whether a health check has passed since the server came up.

        HAProxy counts a server that it just resolved as up before the first check, and shows that as a fraction.
        So a status that only starts with UP proves nothing.
        """
        return self.status == "UP" and self.check_result.endswith(("OK", "OKC"))

    @property
    def takes_requests(self) -> bool:
        return self.status.startswith(("UP", "no check", "DRAIN", "NOLB"))


def send_command(path: str, command: str, timeout_seconds: float = SOCKET_TIMEOUT_SECONDS) -> str:
    """Return the response to one command on the socket. Raises HaproxyError."""
    deadline = time.monotonic() + timeout_seconds
    response = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_seconds)
            connection.connect(path)
            connection.sendall(command.encode() + b"\n")
            while chunk := connection.recv(65536):
                response += chunk
                connection.settimeout(max(0.001, deadline - time.monotonic()))
    except OSError as error:
        raise HaproxyError(
            f"HAProxy does not respond to `{command}` on {path}: {error.strerror or error}. "
            "To see whether HAProxy runs: ./lab status. To see HAProxy's log: ./lab logs proxy"
        ) from error
    return response.decode(errors="replace")


def show_stat(path: str) -> str:
    """Return the CSV of `show stat`. Raises HaproxyError if the response is not such a CSV."""
    text = send_command(path, "show stat")
    if not text.startswith(HEADER):
        raise HaproxyError(f"{path} returned {text[:120]!r} to `show stat`, so it is not HAProxy's statistics socket")
    return text


def list_servers(text: str, backend: str) -> list[Server]:
    """Return the servers of a backend in a `show stat` CSV. Raises HaproxyError if there is no such backend."""
    try:
        table = parse_show_stat(text)
    except ValueError as error:
        raise HaproxyError(f"HAProxy's `show stat`: {error}") from error
    rows = [row for row in table if row["pxname"] == backend]
    if not any(row["svname"] == "BACKEND" for row in rows):
        names = sorted({row["pxname"] for row in table if row["svname"] == "BACKEND"})
        raise HaproxyError(f"HAProxy has no backend {backend!r}; it has: {', '.join(names) or 'none'}")
    return [
        Server(
            name=row["svname"],
            status=row["status"],
            check_status=row.get("check_status") or "",
            address=(row.get("addr") or "").rpartition(":")[0],
            sessions=int(row.get("scur") or 0),
            check_code=int(row["check_code"]) if row.get("check_code") else None,
            check_text=row.get("last_chk") or "",
        )
        for row in rows
        if row["svname"] not in ("FRONTEND", "BACKEND")
    ]


def count_ready(servers: list[Server], addresses: frozenset[str] = frozenset()) -> int:
    """Count the servers proven up. If the replicas' addresses are given, only servers at one of these count."""
    return sum(
        server.proven_up and (not addresses or not server.address or server.address in addresses) for server in servers
    )


def are_ready(servers: list[Server], replicas: int, addresses: frozenset[str] = frozenset()) -> bool:
    """Return whether exactly `replicas` servers are proven up at these addresses, and no other takes requests."""
    return count_ready(servers, addresses) == replicas == sum(server.takes_requests for server in servers)


def in_use(servers: list[Server]) -> list[Server]:
    """Return the servers that are not just unused slots."""
    return [server for server in servers if not server.status.startswith("MAINT")]


def describe(servers: list[Server]) -> str:
    """Return the servers that are not just unused slots, for an error message."""
    listed = (
        f"{server.name} {server.status} {server.check_status}".strip() + (f" ({server.got})" if server.got else "")
        for server in in_use(servers)
    )
    return ", ".join(listed) or "no server has an address yet"


def forget_servers(path: str, backend: str) -> bool:
    """Mark all servers of a backend down, so that each must pass a check again, and end their requests in flight.

    Returns False if the socket may not do that, because it lacks level admin. Without it, a replica that inherits the
    address of a removed one counts as up until its checks have failed. Requests to a server that was killed under load
    would count, until they time out, as in flight at its successor, which then gets no other request.
    """
    for server in list_servers(show_stat(path), backend):
        commands = [f"set server {backend}/{server.name} health down"] if server.takes_requests else []
        commands += [f"shutdown sessions server {backend}/{server.name}"] if server.sessions else []
        for command in commands:
            if "denied" in send_command(path, command).lower():
                return False
    return True
