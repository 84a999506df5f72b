"""TCP segments, and bytes of the interfaces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sampler.kernel_files import parse_number, read_text
from sampler.last_known import LastKnown

# Traffic that stays on the machine, and interfaces whose names change with every container.
LOCAL_INTERFACES = ("lo", "veth")


def parse_tcp(snmp: str | None) -> dict[str, int | None]:
    """Segments that were sent and retransmitted, from a /proc/net/snmp text; both null without a line of TCP."""
    lines = [line.split() for line in (snmp or "").splitlines() if line.startswith("Tcp:")]
    names, values = lines if len(lines) == 2 else ([], [])
    fields = {name: values[place] for place, name in enumerate(names) if place < len(values)}
    return {
        "segments_out": parse_number(fields.get("OutSegs")),
        "retransmitted": parse_number(fields.get("RetransSegs")),
    }


def parse_interfaces(dev: str | None) -> dict[str, dict[str, int]]:
    """Bytes by interface, from a /proc/net/dev text."""
    interfaces = {}
    for line in (dev or "").splitlines():
        name, separator, rest = line.strip().partition(":")
        fields = rest.split()
        if separator and len(fields) >= 16 and not name.startswith(LOCAL_INTERFACES):
            interfaces[name] = {"rx_bytes": int(fields[0]), "tx_bytes": int(fields[8])}
    return interfaces


class TcpCounters:
    """TCP segments of the machine and of the sampled containers, each of which has a network stack of its own."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.sums = {"segments_out": LastKnown(), "retransmitted": LastKnown()}

    def read(self, pids: Mapping[str, int | None]) -> dict[str, int | None]:
        stacks = {"": parse_tcp(read_text(self.proc / "self" / "net" / "snmp"))}
        for name, pid in pids.items():
            if pid is not None:
                stacks[name] = parse_tcp(read_text(self.proc / str(pid) / "net" / "snmp"))
        if stacks[""]["segments_out"] is None:
            return stacks[""]
        return {
            counter: round(known.total({name: values[counter] for name, values in stacks.items()}))
            for counter, known in self.sums.items()
        }
