"""The TCP ports that a process's network listens on, from /proc/<pid>/net/tcp and tcp6 (proc(5), net/tcp)."""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import dataclass
from pathlib import Path

# TCP_LISTEN of the kernel's tcp_states.h.
LISTEN = "0A"
# Docker's own DNS server in every container of an overlay network. Its port is random.
DOCKER_DNS = "127.0.0.11"
# Linux takes ports for connections from here on (ip_local_port_range). A listener there is seldom meant for clients.
FIRST_RANDOM_PORT = 32768


@dataclass(frozen=True, order=True)
class Listener:
    """One listening socket. ``is_local``: only processes of the same container reach it."""

    port: int
    address: str
    is_local: bool

    def __str__(self) -> str:
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{shown}:{self.port}" if self.is_local else str(self.port)


def parse(text: str) -> set[Listener]:
    """Return the listening sockets of one table. Raises ValueError if a line is not one of such a table."""
    found = set()
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 4:
            raise ValueError(f"{line!r} is not a line of /proc/net/tcp")
        if fields[3] == LISTEN:
            digits, port = fields[1].split(":")
            address = read_address(digits)
            if str(address) != DOCKER_DNS:
                found.add(Listener(int(port, 16), str(address), address.is_loopback))
    return found


def read_address(digits: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address that the kernel wrote as words of 32 bits in the byte order of this machine."""
    words = [bytes.fromhex(digits[at : at + 8]) for at in range(0, len(digits), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def listeners_of(pid: int, proc: Path = Path("/proc")) -> list[Listener] | None:
    """Return what listens in the network of a process, by port. None if that cannot be read, as when it has ended."""
    found: set[Listener] = set()
    try:
        for name in ("tcp", "tcp6"):
            path = proc / str(pid) / "net" / name
            # A kernel without IPv6 has no tcp6.
            if name == "tcp" or path.exists():
                found |= parse(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return sorted(found)
