"""How many requests an API serves at once, from its throughput under load and its latency without load.

Little's law: the mean number of requests that are being served is their rate times the time that each takes. Without
load, no request waits for another one, so its latency is that time. Under load, the rest of a latency is waiting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swarmsweep.judge.unloaded_latency import UnloadedLatency, mean_of, unloaded_latency
from swarmsweep.raw.closed_loop import UsersRecord
from swarmsweep.raw.latency import Floats
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
# So many standard errors above the mean of one user is the highest that its few requests make likely (97.5 %).
ERRORS = 2
# Growth by less is near, too, in ms: hosts and load generator cause it when processes wait for a core.
NEAR_MS = 5.0


@dataclass(frozen=True)
class Concurrency:
    """What is known of the requests that an API serves at once; None where it was not measured.

    ``unloaded_ms`` is the mean latency of one user's requests. ``loaded_ms`` is the mean latency at the peak, and
    ``completed_rps`` the rate of good responses there. ``parts_rps`` are rates that are alike if more load gives no
    more responses: those of the thirds of the window, or those at the two highest loads of a search. ``gap`` says why
    ``unloaded_ms`` is not known, as a part of a sentence; None where nothing more is to say.

    ``unloaded_error_ms`` is the standard error of ``unloaded_ms``. The two medians are of the same requests as the
    means. They are None where the load mixes requests of several names.
    """

    unloaded_ms: float | None = None
    loaded_ms: float | None = None
    completed_rps: float | None = None
    parts_rps: tuple[float, ...] = ()
    gap: str | None = None
    unloaded_error_ms: float | None = None
    unloaded_median_ms: float | None = None
    loaded_median_ms: float | None = None

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
        return f"{rate} responses/s; mean latency {loaded} ms, and {unloaded} ms for a single user{self._why_not_grown}"

    @property
    def growth(self) -> float | None:
        """Latency at the peak over that without load."""
        return self.loaded_ms / self.unloaded_ms if self.unloaded_ms and self.loaded_ms is not None else None

    @property
    def has_grown(self) -> bool:
        """Whether latency is well above that without load.

        A mean alone does not show it: the few requests of one user may lack slow ones that the load has. Where requests
        wait for each other, most of them are slower.
        """
        return self._is_mean_grown and not self._why_not_grown

    @property
    def _is_mean_grown(self) -> bool:
        return self.growth is not None and self.growth >= GROWN and not is_near(self.unloaded_ms, self.growth)

    @property
    def _why_not_grown(self) -> str:
        """Why a mean that has grown shows nothing, as a part of a sentence; empty where it shows something."""
        if not self._is_mean_grown:
            return ""
        median_ms, before_ms = self.loaded_median_ms, self.unloaded_median_ms
        if median_ms is not None and before_ms is not None and median_ms < GROWN * before_ms:
            figures = f"{format_figure(median_ms)} ms, and {format_figure(before_ms)} ms for a single user"
            return f". The median latency is {figures}, so a part of the requests is slow"
        highest_ms = (self.unloaded_ms or 0.0) + ERRORS * (self.unloaded_error_ms or 0.0)
        if (self.loaded_ms or 0.0) < GROWN * highest_ms:
            return ", whose few requests differ too much for a comparison"
        return ""


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
    inside = record.requests.within(*window).latency_ms if record.requests is not None else ()
    return _compared(unloaded, loaded_ms, inside, rate, parts)


def of_search(probes: Sequence[Probe], peak: Probe, loaded_ms: float | None) -> Concurrency:
    """From a search, whose highest load was ``peak``."""
    loads = [probe for probe in probes if probe.was_made and not probe.is_unloaded and probe is not peak]
    second = max(loads, key=lambda probe: probe.achieved_rps, default=None)
    rate = _completed_in_probe(peak)
    parts = (rate, _completed_in_probe(second)) if second is not None else (rate,)
    return _compared(_unloaded_of_probes(probes), loaded_ms, peak.requests.sent.latency_ms, rate, parts)


def _compared(
    unloaded: UnloadedLatency,
    loaded_ms: float | None,
    latencies_ms: Sequence[float] | Floats,
    rate: float | None,
    parts: tuple[float, ...],
) -> Concurrency:
    """``latencies_ms`` are those of which ``loaded_ms`` is the mean."""
    return Concurrency(
        unloaded.mean_ms,
        loaded_ms,
        rate,
        parts,
        unloaded.gap,
        unloaded.error_ms,
        unloaded.median_ms,
        float(np.median(latencies_ms)) if len(latencies_ms) else None,
    )


def _unloaded_of_probes(probes: Sequence[Probe]) -> UnloadedLatency:
    """Of the good responses to the unloaded probe of a search; without a mean where there are none."""
    for probe in probes:
        if probe.is_unloaded:
            good = probe.requests.latency_ms[probe.requests.outcome == OK]
            return mean_of(good.tolist()) if len(good) else UnloadedLatency(None)
    return UnloadedLatency(None)


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
