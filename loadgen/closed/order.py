"""The orders of a search with users to its workers, and the messages between them; they are plain JSON.

users_trial  master -> worker   a `UsersOrder`
users_done   worker -> master   the worker's summary (see probes.py), or {"trial", "error"}

A probe is called ``trial`` in the keys of messages and files.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

PROBE, DONE = "users_trial", "users_done"
# A number of users that are running, or iterations that start when they are due.
USERS = "users"
KINDS = (USERS, "poisson", "constant")
# Bounds of an order: a mistake must not load a host for hours. No worker can start more iterations.
MAX_USERS, MAX_RATE, MAX_SECONDS, MAX_TIMEOUT_SECONDS = 1_000_000, 1e5, 3600.0, 300.0


@dataclass(frozen=True)
class UsersOrder:
    """One probe, whose number is ``trial``. Users and rate are over all workers, ``most_in_flight`` is per worker.

    ``kind``: with ``users``, so many users are running; the master has started them. With ``poisson`` and ``constant``,
    ``rate_rps`` iterations are due per second, and the worker has at most ``most_in_flight`` users. What begins in the
    first ``seconds_settle`` is not measured. A response after ``timeout_seconds`` counts as missing.
    """

    trial: int
    kind: str
    seconds_settle: float
    seconds_measure: float
    timeout_seconds: float
    users: int | None = None
    rate_rps: float | None = None
    # Beside kind, for files: no such probe has connections.
    connections: int | None = None
    seed: int = 1
    most_in_flight: int = 1
    worker: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse what is invalid.

        Raises:
            ValueError: which setting, and what is allowed.
        """
        by_users = self.kind == USERS
        rules = (
            ("kind", self.kind in KINDS, f"one of {', '.join(KINDS)}"),
            ("seconds_settle", _real(self.seconds_settle, 0, MAX_SECONDS), f"from 0 to {MAX_SECONDS:g}"),
            ("seconds_measure", _real(self.seconds_measure, 1e-9, MAX_SECONDS), f"above 0, at most {MAX_SECONDS:g}"),
            (
                "timeout_seconds",
                _real(self.timeout_seconds, 1e-9, MAX_TIMEOUT_SECONDS),
                f"above 0, at most {MAX_TIMEOUT_SECONDS:g}",
            ),
            (
                "users",
                _whole(self.users, 1, MAX_USERS) if by_users else self.users is None,
                f"from 1 to {MAX_USERS} in a probe of users, else null",
            ),
            (
                "rate_rps",
                self.rate_rps is None if by_users else _real(self.rate_rps, 1e-9, MAX_RATE),
                f"above 0, at most {MAX_RATE:g}; null in a probe of users",
            ),
            ("connections", self.connections is None, "null"),
            ("seed", _whole(self.seed, -math.inf, math.inf), "a whole number"),
            ("most_in_flight", _whole(self.most_in_flight, 1, MAX_USERS), f"from 1 to {MAX_USERS}"),
            ("workers", _whole(self.workers, 1, math.inf), "a whole number from 1"),
            ("worker", _whole(self.worker, 0, self.workers - 1), "from 0, below the number of workers"),
        )
        for name, holds, allowed in rules:
            if not holds:
                raise ValueError(f"order of a probe: {name} is {getattr(self, name)!r}; allowed: {allowed}")

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> Self:
        """The order in a message. Raises ValueError also for unknown or missing settings."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"order of a probe: unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        try:
            return cls(**data)
        except TypeError as error:
            raise ValueError(f"order of a probe: {error}") from None


def _whole(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _real(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
