"""How many requests an API serves at once, from its throughput under load and its latency without load.

Little's law: the mean number of requests that are being served is their rate times the time that each takes. Without
load, no request waits for another one, so its latency is that time. Under load, the rest of a latency is waiting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swarmsweep.judge.unloaded_latency import unloaded_latency
from swarmsweep.raw.closed_loop import UsersRecord
from swarmsweep.raw.search_record import Probe
from swarmsweep.shared.request_record import OK
from swarmsweep.units import format_figure

# Parts of a window whose throughputs are compared.
PARTS = 3
# Rates are alike up to this factor, as for the check `steady_state`.
FLAT = 1.25
# Latency is near that of a single user below this growth: 20 requests of one user give a mean within a few percent.
NEAR_GROWTH = 1.25
# Latency has grown well above that of a single user: a third of it, or more, is waiting.
GROWN = 1.5
# Growth by less is near, too, in ms: hosts and load generator cause it when processes wait for a core.
NEAR_MS = 5.0


@dataclass(frozen=True)
class Concurrency:
    """What is known of the requests that an API serves at once; None where it was not measured.

    ``unloaded_ms`` is the mean latency of one user's requests. ``loaded_ms`` is the mean latency at the peak, and
    ``completed_rps`` the rate of good responses there. ``parts_rps`` are rates that are alike if more load gives no
    more responses: those of the thirds of the window, or those at the two highest loads of a search. ``gap`` says why
    ``unloaded_ms`` is not known, as a part of a sentence; None where nothing more is to say.
    """

    unloaded_ms: float | None = None
    loaded_ms: float | None = None
    completed_rps: float | None = None
    parts_rps: tuple[float, ...] = ()
    gap: str | None = None

    @property
    def served_at_once(self) -> float | None:
        """Mean number of requests that were being served at the peak: rate times latency without load."""
        if self.unloaded_ms is None or self.completed_rps is None:
            return None
        return self.completed_rps * self.unloaded_ms / 1000

    @property
    def is_flat(self) -> bool:
        """Whether ``parts_rps`` are alike."""
        return len(self.parts_rps) > 1 and 0 < max(self.parts_rps) <= FLAT * min(self.parts_rps)

    @property
    def text(self) -> str:
        """Rate and latencies as a part of a sentence."""
        if self.unloaded_ms is None or self.loaded_ms is None or self.completed_rps is None:
            return self.gap or "the latency of a single user was not measured"
        rate, loaded, unloaded = map(format_figure, (self.completed_rps, self.loaded_ms, self.unloaded_ms))
        return f"{rate} requests/s; mean latency {loaded} ms, and {unloaded} ms of a single user"

    @property
    def growth(self) -> float | None:
        """Latency at the peak over that without load."""
        return self.loaded_ms / self.unloaded_ms if self.unloaded_ms and self.loaded_ms is not None else None

    @property
    def has_grown(self) -> bool:
        """Whether latency is well above that without load."""
        return self.growth is not None and self.growth >= GROWN and not is_near(self.unloaded_ms, self.growth)


def is_near(unloaded_ms: float | None, growth: float | None) -> bool:
    """Whether latency under load is near that of a single user; False where one of them was not measured."""
    if unloaded_ms is None or growth is None:
        return False
    return growth < NEAR_GROWTH or unloaded_ms * (growth - 1) < NEAR_MS


def of_users(
    record: UsersRecord, window: tuple[float, float], loaded_ms: float | None, replicas: int = 1
) -> Concurrency:
    """From a closed loop of users, whose mean latency in the window was ``loaded_ms``."""
    parts = _completed_by_users(record, window)
    rate = sum(parts) / PARTS if parts else None
    unloaded = unloaded_latency(record, replicas)
    return Concurrency(unloaded.mean_ms, loaded_ms, rate, parts, unloaded.gap)


def of_search(probes: Sequence[Probe], peak: Probe, loaded_ms: float | None) -> Concurrency:
    """From a search, whose highest load was ``peak``."""
    loads = [probe for probe in probes if probe.was_made and not probe.is_unloaded and probe is not peak]
    second = max(loads, key=lambda probe: probe.achieved_rps, default=None)
    rate = _completed_in_probe(peak)
    parts = (rate, _completed_in_probe(second)) if second is not None else (rate,)
    return Concurrency(_unloaded_of_probes(probes), loaded_ms, rate, parts)


def _unloaded_of_probes(probes: Sequence[Probe]) -> float | None:
    """Mean latency in ms of the good responses to the unloaded probe of a search; None without any."""
    for probe in probes:
        if probe.is_unloaded:
            good = probe.requests.latency_ms[probe.requests.outcome == OK]
            return float(good.mean()) if len(good) else None
    return None


def _completed_by_users(record: UsersRecord, window: tuple[float, float]) -> tuple[float, ...]:
    """Good responses per second that ended in each third of the window; requests that began before it count too."""
    requests = record.requests
    if requests is None:
        return ()
    ends = (requests.start_seconds + requests.latency_ms / 1000)[requests.outcome == OK]
    counts, edges = np.histogram(ends, np.linspace(*window, PARTS + 1))
    return tuple(float(rate) for rate in counts / np.diff(edges))


def _completed_in_probe(probe: Probe) -> float:
    """Good responses per second that ended in the last two thirds of a probe's window.

    Requests that were due before the window are not among those of the probe, but they end within its first part.
    """
    requests, seconds = probe.requests, probe.entry.seconds_measure
    ends = (requests.due_seconds + requests.latency_ms / 1000)[requests.outcome == OK]
    start = seconds / PARTS
    return float(np.count_nonzero((ends >= start) & (ends < seconds)) / (seconds - start))
