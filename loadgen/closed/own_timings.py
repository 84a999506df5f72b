"""Counts and records the timings that a scenario fires itself (`events.request.fire`).

A timing is an *event of a user*, and counts as a request, where its user is neither an HttpUser nor a FastHttpUser.
Such a user has a client of its own, for example for WebSockets, and its events are all that is known of its requests.
"""

import math
import time
from pathlib import Path
from typing import Any

from loadgen.closed.drain import is_http
from loadgen.closed.task_log import Execution
from loadgen.closed.user_context import UserContext
from loadgen.closed.window import Window
from loadgen.common.raw_file import RawFile
from loadgen.shared.request_record import FIELDS, NO_NAME, NO_RESPONSE, own_timings_file, user_events_file


class OwnTimings:
    """Those of this process. ``count`` has all of them, ``events`` the events of users alone.

    Args:
        directory: where the two files go.
        worker: name of this worker in their names.
        user_classes: of the scenario.
        context: knows the user of a greenlet.
    """

    def __init__(self, directory: Path, worker: str, user_classes: list[type], context: UserContext) -> None:
        self.count = self.events = 0
        self._timings = RawFile(directory / own_timings_file(worker), FIELDS)
        self._user_events = RawFile(directory / user_events_file(worker), FIELDS)
        self.files = (self._timings, self._user_events)
        self._any_http = any(map(is_http, user_classes))
        self._context = context
        # Of the probe of a search that is running: for events of users, and for other timings.
        self._window: Window | None = None
        self._own_window: Window | None = None

    def open_windows(self, window: Window, own: Window) -> None:
        """Sum up the events of users in ``window`` as well, from now on, and other timings in ``own``."""
        self._window, self._own_window = window, own

    def close_windows(self) -> None:
        """Sum up no more."""
        self._window = self._own_window = None

    def reset(self) -> None:
        """The load begins. What came before is in none of Locust's counts."""
        self.count = self.events = 0

    def add_setup(self) -> None:
        """A timing of on_start or on_stop is counted, and has no record."""
        self.count += 1

    def add(self, latency_ms: Any, outcome: float, number: float) -> None:
        """A timing with any values, and the number of its name. One without a length is counted, and has no record."""
        user = self._context.user()
        # A client may fire in a greenlet of unknown origin. It is a user's where all users are of this kind.
        is_event = not self._any_http or (user is not None and not is_http(type(user)))
        self._record(is_event, latency_ms, outcome, number)

    def add_unfinished(self, task: Execution) -> None:
        """A task that the end of the load interrupted represents the request for which it waited.

        A task that fires events (a loop on a WebSocket) has waited since the last one.
        """
        self._record(True, max(0.0, time.time() - task.since_seconds) * 1000, NO_RESPONSE, NO_NAME)

    def _record(self, is_event: bool, latency_ms: Any, outcome: float, number: float) -> None:
        self.count += 1
        self.events += is_event
        if isinstance(latency_ms, int | float) and 0 <= latency_ms < math.inf:
            file, window = (self._user_events, self._window) if is_event else (self._timings, self._own_window)
            # It ends now. A start that the scenario gives may belong to any clock.
            timing = (time.time() - latency_ms / 1000, latency_ms, outcome)
            file.add((*timing, number))
            if window is not None:
                window.add(*timing)
