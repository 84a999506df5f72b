"""Simulated users of an API, who wait for each response and think in between, and the summaries of their probes."""

import heapq
import math
from typing import Any

import numpy as np
from queue_world import OK, TIMED_OUT, summarize

from swarmsweep.search import UNLOADED, Step


class Users:
    """``slots`` workers with lognormal services of ``service_seconds``, and users that think for ``think`` seconds.

    The default limit of p95 is six times the service time. A request that waits beyond ``timeout_seconds`` has timed
    out, and leaves the queue. ``slowdown``: the share by which a service is longer for each user beyond ``slots``, as
    in an API that switches between too many threads.
    """

    def __init__(
        self,
        slots: int,
        service_seconds: float,
        think: tuple[float, float],
        seed: int = 1,
        timeout_seconds: float = math.inf,
        slowdown: float = 0.0,
    ) -> None:
        self.slots, self.service_seconds, self.think = slots, service_seconds, think
        self.timeout_seconds, self.slowdown = timeout_seconds, slowdown
        self.random = np.random.default_rng(seed)
        self.slo = {"p95_ms": 6000 * service_seconds, "max_failure_percent": 1}

    def services(self, users: int) -> Any:
        """Endless times of services."""
        sigma = math.sqrt(math.log(1.25))
        mean = self.service_seconds * (1 + self.slowdown * max(0, users - self.slots))
        while True:
            yield from self.random.lognormal(math.log(mean) - sigma**2 / 2, sigma, 1024).tolist()

    def pauses(self) -> Any:
        """Endless think times."""
        while True:
            yield from self.random.uniform(*self.think, 1024).tolist()

    def run(self, step: Step) -> dict[str, Any]:
        """One probe."""
        total, users, is_first = step.seconds_settle + step.seconds_measure, step.users, step.purpose == UNLOADED
        ready = [0.0] if is_first else self.random.uniform(0, self.think[0] + 1e-3, users).tolist()
        heapq.heapify(ready)
        free, starts, ends, outcomes, waits, asked = [0.0] * self.slots, [], [], [], 0, 0.0
        services, pauses = self.services(users), self.pauses()
        while ready[0] < total:
            start = heapq.heappop(ready)
            late = start + self.timeout_seconds
            end = late
            if free[0] <= late:
                end = max(start, free[0]) + next(services)
                heapq.heapreplace(free, end)
            outcomes.append(OK if end < late else TIMED_OUT)
            starts.append(start)
            ends.append(min(end, late))
            pause = next(pauses)
            waits, asked = waits + 1, asked + pause
            heapq.heappush(ready, ends[-1] + (min(pause, 0.1) if is_first else pause))
        times = (np.array(starts) - step.seconds_settle, np.array(ends) - step.seconds_settle)
        seen = {"least": users, "most": users, "waits": waits, "asked_seconds": asked}
        return summarize(step, self.slo, *times, np.array(outcomes)) | {"users": seen}
