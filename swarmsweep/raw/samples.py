"""Samples of a host (one JSON object per line, about one a second): their type, and the two around a window."""

from pathlib import Path

import msgspec
from msgspec import Struct

from swarmsweep.errors import LabError
from swarmsweep.files import read_text
from swarmsweep.record_file import Real, Whole

API_SERVICE = "api"
_IDLE = ("idle", "iowait")


class ContainerCounters(Struct, frozen=True):
    """Cumulative counters of one container; None for a counter that the kernel does not offer.

    Two are no counters, see sampler/README.md. ``server_processes`` is the number of processes that served the API's
    port at that time. ``processes`` is the number of all processes that were there at the count before, too.
    """

    service: str | None = None
    cpu_seconds: Real | None = None
    periods: Real | None = None
    throttled_periods: Real | None = None
    memory_peak_bytes: Real | None = None
    shared_memory_bytes: Real | None = None
    oom_kills: Real | None = None
    server_processes: Whole | None = None
    processes: Whole | None = None

    @property
    def short_service(self) -> str:
        """Name of its Swarm service without that of its stack: 'api', 'proxy' and so on.

        Containers without a service come from an older sampler, which read only those of the API.
        """
        return self.service.rpartition("_")[2] if self.service is not None else API_SERVICE


class TcpCounters(Struct, frozen=True):
    """Segments of all network stacks of a host."""

    segments_out: Real | None = None
    retransmitted: Real | None = None


class LinkCounters(Struct, frozen=True):
    """Bytes of one network interface, and the speed of its link in Mbit/s."""

    rx_bytes: Real | None = None
    tx_bytes: Real | None = None
    speed_mbit: Real | None = None


class DiskCounters(Struct, frozen=True):
    """Bytes of one disk, and the seconds in which it was busy."""

    read_bytes: Real | None = None
    written_bytes: Real | None = None
    busy_seconds: Real | None = None


class HostCounters(Struct, frozen=True):
    """Cumulative counters of one host; None for a counter that the kernel, or an older sampler, does not offer.

    ``cpu_seconds`` are by kind, over its ``cores``. ``own_cpu_seconds`` and ``lab_cpu_seconds``: see
    `machine_samples.machines_over`.
    """

    cpu_seconds: dict[str, Real | None] | None = None
    cores: Real | None = None
    own_cpu_seconds: Real | None = None
    lab_cpu_seconds: Real | None = None
    sampler_cpu_seconds: Real | None = None
    tcp: TcpCounters | None = None
    network: dict[str, LinkCounters] | None = None
    disks: dict[str, DiskCounters] | None = None
    memory_total_bytes: Real | None = None
    memory_available_bytes: Real | None = None

    @property
    def memory_used_bytes(self) -> float | None:
        """Memory that is not available; None where it was not sampled. It is no counter."""
        total, available = self.memory_total_bytes, self.memory_available_bytes
        return None if total is None or available is None else max(0.0, total - available)

    def cpu_seconds_since(self, earlier: "HostCounters") -> dict[str, float]:
        """Growth of each kind of CPU time that both samples have."""
        if self.cpu_seconds is None or earlier.cpu_seconds is None:
            return {}
        pairs = {kind: (earlier.cpu_seconds.get(kind), value) for kind, value in self.cpu_seconds.items()}
        return {kind: new - old for kind, (old, new) in pairs.items() if old is not None and new is not None}


class Sample(Struct, frozen=True):
    """One line; ``t`` is in epoch seconds, ``containers`` are by id."""

    t: Real
    host: HostCounters
    containers: dict[str, ContainerCounters]


Span = tuple[Sample, Sample]
_LINE = msgspec.json.Decoder(Sample)


def read_samples(path: Path | str) -> list[Sample]:
    """Samples of one file in time order. An incomplete last line is left out.

    Raises `LabError` with file:line when another line is damaged.
    """
    lines = read_text(path).splitlines(keepends=True)
    samples = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            samples.append(_read_line(line, f"{path}:{number}"))
        except LabError:
            if number == len(lines) and not line.endswith("\n"):
                break
            raise
    return sorted(samples, key=lambda sample: sample.t)


def _read_line(line: str, where: str) -> Sample:
    try:
        return _LINE.decode(line)
    except msgspec.ValidationError as error:
        raise LabError(f"{where}: is not a sample: {error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise LabError(f"{where}: is not valid JSON: {error}") from error


def around(samples: list[Sample], window: tuple[float, float]) -> Span | None:
    """The last sample at or before the window's start and the first at or after its end; None unless there are both."""
    first = next((sample for sample in reversed(samples) if sample.t <= window[0]), None)
    last = next((sample for sample in samples if sample.t >= window[1]), None)
    if first is None or last is None or last.t <= first.t:
        return None
    return first, last


def busy_percent(span: Span) -> float | None:
    """Share of the host's own cores that was not idle, in percent."""
    grown = span[1].host.cpu_seconds_since(span[0].host)
    total = sum(grown.values())
    if "idle" not in grown or total <= 0:
        return None
    return 100 * (1 - sum(grown.get(kind, 0.0) for kind in _IDLE) / total)


def growth(before: float | None, after: float | None) -> float | None:
    """The growth of a counter; None if a sample lacks it, or if it went back."""
    return None if before is None or after is None or after < before else after - before
