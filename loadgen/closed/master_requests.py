"""Counts what the listeners of a scenario do in Locust's master, where no user runs.

A listener of ``test_start`` runs in the master too, for example to fill a database. Its timings are in Locust's
statistics, and its requests are in HAProxy's count. They must stay in the lab, as those of users.
"""

from typing import Any

from loadgen.closed.boundary import guard
from loadgen.closed.request_events import call_at_start, listen_first
from loadgen.closed.scenario_errors import ScenarioErrors


class MasterRequests:
    """Counts from the start of the test on. Create it when Locust initialises."""

    def __init__(self, environment: Any) -> None:
        self._own_timings = self._sends_before = 0
        self._boundary = guard(environment)
        self._errors = ScenarioErrors(environment)
        listen_first(environment, self._on_request)
        call_at_start(environment, self._on_start)

    def summary(self) -> dict[str, Any]:
        """The part of timeline.json: timings, requests that were sent, blocked requests by their target, exceptions."""
        return {
            "own_timings": self._own_timings,
            "other_sends": self._boundary.passed - self._sends_before,
            "left_lab": dict(self._boundary.blocked),
            "listener_errors": dict(self._errors.counts),
        }

    def _on_request(self, **_: Any) -> None:
        self._own_timings += 1

    def _on_start(self, **_: Any) -> None:
        self._own_timings, self._sends_before = 0, self._boundary.passed
