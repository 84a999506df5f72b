"""A simulated API behind a simulated load generator, which sums a trial up as `merge` of loadgen does."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from swarmsweep.judge.next_step import Counts
from swarmsweep.raw.search_files import SearchFile

PERCENTS = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}
OK, FAILED, TIMED_OUT, DROPPED = 0, 1, 2, 3


def finish_times(arrivals: np.ndarray, services: np.ndarray, slots: int) -> np.ndarray:
    """When each request is answered by ``slots`` workers that serve in the order of arrival. All in seconds, ascending.

    With one service time for all, the n-th request starts when the (n - slots)-th has ended, so requests whose numbers
    differ by ``slots`` are a queue of their own (Lindley's recursion, here as a running maximum).
    """
    if services.min() == services.max():
        ends = np.empty_like(arrivals)
        for first in range(min(slots, len(arrivals))):
            own = arrivals[first::slots]
            work = services[0] * np.arange(len(own))
            ends[first::slots] = np.maximum.accumulate(own - work) + work + services[0]
        return ends
    free = [0.0] * slots
    ends = np.empty_like(arrivals)
    for number, (arrival, service) in enumerate(zip(arrivals.tolist(), services.tolist(), strict=True)):
        ends[number] = max(arrival, free[0]) + service
        heapq.heapreplace(free, ends[number])
    return ends


@dataclass
class World:
    """``slots`` workers with a service time of ``service_seconds`` (lognormal when it varies).

    ``speed(load_seconds)`` multiplies the capacity, from the load so far; ``wobble`` is the spread of the speed from
    trial to trial; ``fails(rate)`` the share of requests that fail at once at that rate; above ``generator_rps``
    requests are sent late. ``extra_seconds`` are on the network: they are no work.
    """

    slots: int = 4
    service_seconds: float = 0.02
    variation: float = 0.0
    extra_seconds: float = 0.0
    timeout_seconds: float = 2.0
    generator_rps: float = float("inf")
    most_in_flight: int = 4096
    fails: Callable[[float], float] = lambda rate: 0.0
    speed: Callable[[float], float] = lambda load_seconds: 1.0
    wobble: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.load_seconds = 0.0

    @property
    def most_rps(self) -> float:
        return self.slots / self.service_seconds

    def services(self, count: int, speed: float = 1.0) -> np.ndarray:
        mean = self.service_seconds / speed
        if not self.variation:
            return np.full(count, mean)
        sigma = np.sqrt(np.log1p(self.variation**2))
        return self.random.lognormal(np.log(mean) - sigma**2 / 2, sigma, count)

    def over(self, rate: float, limit_ms: float, requests: int = 2_000_000) -> float:
        """Share over the limit in the long run, with Poisson arrivals that are the same for every rate."""
        random = np.random.default_rng(99)
        arrivals = np.cumsum(random.exponential(1.0, requests)) / rate
        self_random, self.random = self.random, random
        services = self.services(requests)
        self.random = self_random
        latencies = finish_times(arrivals, services, self.slots) - arrivals + self.extra_seconds
        return float(np.mean(latencies[requests // 100 :] > limit_ms / 1000))

    def truth(self, slo: dict[str, float], requests: int = 2_000_000) -> float:
        """The highest rate that holds all percentile limits, to 0.1 %."""
        low, high = 0.0, self.most_rps
        while high - low > 0.001 * high:
            middle = (low + high) / 2
            held = all(
                self.over(middle, slo[name], requests) <= 1 - percent / 100
                for name, percent in PERCENTS.items()
                if name in slo
            )
            low, high = (middle, high) if held else (low, middle)
        return low

    def run(self, step: Any, slo: dict[str, float]) -> dict[str, Any]:
        """One trial. The unloaded probe draws no chance from the others."""
        if step.purpose == "unloaded" and self.load_seconds == 0:
            other = replace(self, seed=self.seed + 1_000_000)
            other.load_seconds = 1e-9
            summary = other.run(step, slo)
            self.load_seconds = step.seconds
            return summary
        total = step.seconds_settle + step.seconds_measure
        speed = self.speed(self.load_seconds) * np.exp(self.wobble * self.random.standard_normal())
        self.load_seconds += total
        if step.kind == "closed":
            arrivals, ends = self._closed(step.connections, total, speed)
            rate = len(arrivals) / total
        else:
            rate = step.rate_rps
            arrivals = self._arrivals(step.kind, rate, total)
            ends = arrivals + self.extra_seconds
            if len(arrivals):
                ends = finish_times(arrivals, self.services(len(arrivals), speed), self.slots) + self.extra_seconds
        outcomes = np.where(ends - arrivals > self.timeout_seconds, TIMED_OUT, OK)
        outcomes[self.random.random(len(arrivals)) < self.fails(rate)] = FAILED
        ends = np.minimum(ends, arrivals + self.timeout_seconds)
        lag_ms = 0.3 if rate <= self.generator_rps else 400.0
        return summarize(step, slo, arrivals - step.seconds_settle, ends - step.seconds_settle, outcomes, lag_ms)

    def _arrivals(self, kind: str, rate: float, total: float) -> np.ndarray:
        if kind == "constant":
            return np.arange(0, total, 1 / rate)
        count = self.random.poisson(rate * total)
        return np.sort(self.random.uniform(0, total, count))

    def _closed(self, connections: int, total: float, speed: float) -> tuple[np.ndarray, np.ndarray]:
        """Each connection sends its next request when a response has come."""
        ready, free, starts, ends = [0.0] * connections, [0.0] * self.slots, [], []
        services = iter(())
        while ready[0] < total:
            service = next(services, None)
            if service is None:
                services = iter(self.services(4096, speed).tolist())
                service = next(services)
            start = heapq.heappop(ready)
            end = max(start, free[0]) + service
            heapq.heapreplace(free, end)
            heapq.heappush(ready, min(end + self.extra_seconds, start + self.timeout_seconds))
            starts.append(start)
            ends.append(end + self.extra_seconds)
        return np.array(starts), np.array(ends)


def summarize(step, slo, starts, ends, outcomes, lag_ms=0.3, dropped=0, most_in_flight=4096) -> dict[str, Any]:
    """A merged summary of one worker: times in seconds from the start of the measured window."""
    seconds = step.seconds_measure
    inside = (starts >= 0) & (starts < seconds)
    first = -int(np.ceil(step.seconds_settle))
    edges = np.arange(first, int(np.ceil(seconds)) + 1)
    latency_ms = 1000 * (ends - starts)
    each = {
        name: np.histogram(starts[outcomes == code], edges)[0]
        for name, code in (("ok", OK), ("failed", FAILED), ("timed_out", TIMED_OUT))
    }
    sums = np.histogram(starts, edges, weights=latency_ms)[0]
    looks = np.arange(first, int(np.ceil(seconds)), 0.05) + 0.025
    level = np.searchsorted(np.sort(starts), looks) - np.searchsorted(np.sort(ends), looks)
    level = level.reshape(-1, 20).mean(axis=1)
    bins = [
        {
            "second": int(second),
            "offered": int(sum(each[name][number] for name in each)),
            **{name: int(each[name][number]) for name in each},
            "dropped": 0,
            "latency_ms_sum": float(sums[number]),
            "lag_ms_sum": 0.0,
            "cpu_percent": 20.0,
            "in_flight_mean": float(level[number]),
            "in_flight_max": int(np.ceil(level[number])),
            "served_by": {},
        }
        for number, second in enumerate(edges[:-1])
    ]
    counts = {name: int(((outcomes == code) & inside).sum()) for name, code in (("ok", OK), ("failed", FAILED))}
    counts["timed_out"] = int(((outcomes == TIMED_OUT) & inside).sum())
    offered = int(inside.sum()) + dropped
    good = latency_ms[inside & (outcomes == OK)]
    quantile = {f"p{p}": float(np.percentile(good, p)) if len(good) else None for p in (50, 95, 99)}
    return {
        "schema": 1,
        "trial": 1,
        "order": {"kind": step.kind, "rate_rps": step.rate_rps, "most_in_flight": most_in_flight},
        "workers_ordered": 1,
        "workers_reported": 1,
        "stopped": None,
        "measured": {
            "seconds": seconds,
            "offered": offered,
            **counts,
            "dropped": dropped,
            "offered_rps": offered / seconds,
            "achieved_rps": (offered - dropped) / seconds,
            "latency_ms": quantile,
            "lag_ms": {"p50": lag_ms / 3, "p99": lag_ms if offered else None},
            "cpu_percent_max": 20.0,
        },
        "bins": bins,
        "errors": {},
        "within_limits": {name: int((good <= slo[name]).sum()) for name in PERCENTS if name in slo},
    }


def search_in(world: World, search: Any) -> list[tuple[Any, dict[str, Any], Any]]:
    """Make a whole search; its trials as (step, summary, judgement)."""
    made = []
    while step := search.next():
        summary = world.run(step, search.slo)
        made.append((step, summary, search.add(step, summary)))
        assert len(made) < 200, "the search does not end"
    return made


def recorded(search: Any, made: list[tuple[Any, dict[str, Any], Any]]) -> tuple[SearchFile, dict[int, Counts]]:
    """The search as capacity.json has it, and the counts of its probes by number."""
    entries = [
        {
            "trial": number,
            "purpose": step.purpose,
            "kind": step.kind,
            "rate_rps": step.rate_rps,
            "connections": step.connections,
            "users": step.users,
            "seconds_ramp": step.seconds_ramp,
            "seconds_settle": step.seconds_settle,
            "seconds_measure": step.seconds_measure,
            "window_start": 0.0,
            "window_end": step.seconds_measure,
            "verdict": judgement.verdict,
            "reason": judgement.reason,
            "over_percent": judgement.over_percent,
            "file": f"trial-{number}.json",
        }
        for number, (step, _, judgement) in enumerate(made, 1)
    ]
    by_users = made[0][0].users is not None
    most = {"by": "users", "max_users": search.max_rps} if by_users else {"max_rps": search.max_rps}
    order = {"profile": search.profile.name, "slo": search.slo, "arrivals": search.arrivals, "workers": 1, **most}
    profile = {"verify_seconds": search.profile.verify_seconds}
    content = {"schema": 1, "order": order, "profile": profile, "trials": entries, "ended": search.ended, "error": None}
    counts = {
        number: Counts(seen["offered"], summary["within_limits"], seen["failed"], seen["ok"] / seen["seconds"])
        for number, (_, summary, _) in enumerate(made, 1)
        for seen in [summary["measured"]]
    }
    return msgspec.convert(content, SearchFile), counts
