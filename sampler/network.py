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


class Links:
    """Bytes of the interfaces, and the speed of each link. ``proc`` is /proc, beside which /sys is."""

    def __init__(self, proc: Path) -> None:
        self.dev, self.net = proc / "self" / "net" / "dev", proc.parent / "sys" / "class" / "net"
        # Read once: a driver may contact the device for it.
        self.speeds: dict[str, int | None] = {}

    def read(self) -> dict[str, dict[str, int | None]]:
        found: dict[str, dict[str, int | None]] = {}
        for name, counters in parse_interfaces(read_text(self.dev)).items():
            if name not in self.speeds:
                self.speeds[name] = self._speed_mbit(name)
            found[name] = {**counters, "speed_mbit": self.speeds[name]}
        return found

    def _speed_mbit(self, name: str) -> int | None:
        """Speed in Mbit/s; None where it is not known. Without a device, the kernel states an invented speed."""
        if not (self.net / name / "device").exists():
            return None
        speed = parse_number(read_text(self.net / name / "speed"))
        # -1 and 0: no link, or a virtual device.
        return speed if speed is not None and speed > 0 else None


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
