"""The orders of a search with users to its workers, and the messages between them; they are plain JSON.

users_trial  master -> worker   a `UsersOrder`
users_done   worker -> master   the worker's summary (see probes.py), or {"trial", "error"}

A probe is called ``trial`` in the keys of messages and files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Self

from loadgen.common.orders import is_positive, is_settle, is_whole, order_from, refuse_invalid

PROBE, DONE = "users_trial", "users_done"
# The kind of such a probe in files.
USERS = "users"
# Seconds that a probe waits for the on_start of its users, before it settles: users who still log in make no load.
START_SECONDS = 30.0
# Bounds of an order: a mistake must not load a host for hours.
MAX_USERS, MAX_SECONDS, MAX_TIMEOUT_SECONDS = 1_000_000, 3600.0, 300.0


@dataclass(frozen=True)
class UsersOrder:
    """One probe, whose number is ``trial``: so many users are running, which the master has started.

    Users are over all workers. What begins in the first ``seconds_settle`` is not measured. A response after
    ``timeout_seconds`` counts as missing. ``most_in_flight`` is for files: a user has one request at a time.
    """

    trial: int
    users: int
    seconds_settle: float
    seconds_measure: float
    timeout_seconds: float
    kind: str = USERS
    # For files: no such probe has a rate or connections.
    rate_rps: float | None = None
    connections: int | None = None
    most_in_flight: int = 1
    seed: int = 1
    worker: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse what is invalid.

        Raises:
            ValueError: which setting, and what is allowed.
        """
        rules = (
            ("kind", self.kind == USERS, USERS),
            ("users", is_whole(self.users, 1, MAX_USERS), f"from 1 to {MAX_USERS}"),
            ("seconds_settle", is_settle(self.seconds_settle, MAX_SECONDS), f"from 0 to {MAX_SECONDS:g}"),
            ("seconds_measure", is_positive(self.seconds_measure, MAX_SECONDS), f"above 0, at most {MAX_SECONDS:g}"),
            (
                "timeout_seconds",
                is_positive(self.timeout_seconds, MAX_TIMEOUT_SECONDS),
                f"above 0, at most {MAX_TIMEOUT_SECONDS:g}",
            ),
            ("rate_rps", self.rate_rps is None, "null"),
            ("connections", self.connections is None, "null"),
            ("seed", is_whole(self.seed, -inf), "a whole number"),
            ("workers", is_whole(self.workers, 1), "a whole number from 1"),
            ("worker", is_whole(self.worker, 0, self.workers - 1), "from 0, below the number of workers"),
        )
        refuse_invalid(self, rules)

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> Self:
        """The order in a message. Raises ValueError also for unknown or missing settings."""
        return order_from(cls, data)
