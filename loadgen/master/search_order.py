"""The order of a search for its conductor, from the environment variable SWEEP_SEARCH."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from search import PERCENTS, PROFILES

# What a search with users varies.
BY = ("users",)
# What a search varies that starts iterations when they are due.
ARRIVALS = "arrivals"
# The maximum of requests in flight, over all workers. Each uses a local port, of which a host has at most 64,000.
MAX_IN_FLIGHT = 32768
# A sum and a factor over the requests in flight of an API that just holds its SLO: for chance, and for the first
# connections.
SPARE_IN_FLIGHT, SPARE_SHARE = 64, 1.5


@dataclass(frozen=True)
class _Order:
    """What both orders have. ``slo``: limits in ms by p50_ms, p95_ms, p99_ms and mean_ms, and max_failure_percent."""

    profile: str
    slo: Mapping[str, float]
    timeout_seconds: float
    seed: int
    workers: int

    def __post_init__(self) -> None:
        """Refuse settings that neither the search nor an order of a probe would refuse before the first one.

        Raises:
            ValueError: which setting, and what is allowed.
        """
        rules = (
            ("profile", self.profile in PROFILES, f"one of {', '.join(PROFILES)}"),
            ("slo", isinstance(self.slo, Mapping), "limits by name"),
            ("timeout_seconds", isinstance(self.timeout_seconds, int | float), "seconds"),
            ("seed", isinstance(self.seed, int), "a whole number"),
            ("workers", isinstance(self.workers, int) and self.workers >= 1, "a whole number from 1"),
            *self._more_rules(),
        )
        for name, holds, allowed in rules:
            if not holds:
                raise ValueError(f"{name} is {getattr(self, name)!r}; allowed: {allowed}")

    def _more_rules(self) -> tuple[tuple[str, bool, str], ...]:
        return ()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse the order. Raises ValueError for anything but an object with these settings."""
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError("it is not a JSON object")
        try:
            return cls(**data)
        except TypeError as error:
            raise ValueError(str(error)) from None

    @property
    def limits_ms(self) -> dict[str, float]:
        """The latencies within which requests are counted."""
        return {name: self.slo[name] for name in PERCENTS if self.slo.get(name) is not None}

    def seed_of(self, probe: int) -> int:
        """The seed of a probe, below 2**31; every probe has a sequence of its own."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{probe}".encode()).digest()[:4]) >> 1


@dataclass(frozen=True)
class SearchOrder(_Order):
    """The order of a search of the open-loop client, or by arrivals.

    ``connections`` are those of the closed probe, over all ``workers``. ``max_rps`` bounds the rates; None means no
    bound. ``by`` is None for requests of an open-loop scenario, and ``arrivals`` for iterations of any other one. Then
    the rates are in iterations per second, and the connections are users.
    """

    arrivals: str
    connections: int
    max_rps: float | None = None
    by: str | None = None

    def _more_rules(self) -> tuple[tuple[str, bool, str], ...]:
        enough = not isinstance(self.workers, int) or self.connections >= self.workers
        holds = isinstance(self.connections, int) and enough
        return (
            ("connections", holds, "a whole number, at least one per worker"),
            ("by", self.by in (None, ARRIVALS), f"{ARRIVALS}, or null"),
        )

    @property
    def max_latency_seconds(self) -> float:
        """The greatest latency that any limit allows."""
        return max((limit for name, limit in self.slo.items() if name.endswith("_ms") and limit), default=0) / 1000

    @property
    def max_mean_seconds(self) -> float:
        """The greatest mean latency in seconds with which all limits hold. A request over a limit takes until the
        timeout.
        """
        held = [
            (percent * self.slo[name] / 1000 + (100 - percent) * self.timeout_seconds) / 100
            for name, percent in PERCENTS.items()
            if self.slo.get(name) is not None
        ]
        held += [self.slo["mean_ms"] / 1000] if self.slo.get("mean_ms") is not None else []
        return min([*held, self.timeout_seconds])

    def most_in_flight(self, rate_rps: float | None, requests_each: float = 1.0, seconds_each: float = 0.0) -> int:
        """Requests in flight per worker: as many as an API that holds its SLO may have (Little's law), and some more.

        Or iterations in progress: each has ``requests_each`` requests, and takes ``seconds_each`` otherwise.

        More would change no verdict. But thousands of connections to an overloaded API use up its memory, keep it busy
        beyond the probe, and make the generator late.
        """
        seconds = requests_each * self.max_mean_seconds + seconds_each
        wanted = SPARE_IN_FLIGHT + SPARE_SHARE * (rate_rps or 0) * seconds
        return math.ceil(min(wanted, MAX_IN_FLIGHT) / self.workers)


@dataclass(frozen=True)
class UsersSearchOrder(_Order):
    """The order of a search with users.

    ``by``: what the search varies. ``processes`` are the server processes of the API, over all replicas.
    ``think_seconds`` is the mean think time, None where the scenario has its own. ``max_users`` bounds the number of
    users.
    """

    by: str
    spawn_rate: float
    processes: int = 1
    think_seconds: float | None = None
    max_users: int | None = None

    def _more_rules(self) -> tuple[tuple[str, bool, str], ...]:
        return (("by", self.by in BY, f"one of {', '.join(BY)}"),)
