"""Locust's event of a request: who hears it first, and when its count begins and ends.

Locust calls listeners in the order of their registration. A scenario registers its own while it is loaded, and so
before Locust and the lab do. One that raises, for example StopUser, would keep a request from both counts.
"""

from collections.abc import Callable
from typing import Any

# The module of the listener that adds requests to Locust's statistics.
COUNTING_MODULE = "locust.runners"


def listen_first(environment: Any, listener: Callable[..., None]) -> None:
    """Call ``listener`` for each event of a request, with Locust's own listener before those of the scenario."""
    hook = environment.events.request
    hook.add_listener(listener)
    # The sort is stable: the order within the two groups stays.
    hook._handlers.sort(key=lambda one: one != listener and getattr(one, "__module__", "") != COUNTING_MODULE)


def call_at_start(environment: Any, action: Callable[..., None]) -> None:
    """Call ``action`` right after Locust has cleared its statistics at the start of a test, before any other listener.

    What a scenario does before, for example in a greenlet of an ``init`` listener, is in none of Locust's counts.
    """
    environment.events.test_start._handlers.insert(0, action)


def stop_counting(environment: Any) -> None:
    """End the count of the lab and of Locust at the same moment. A greenlet of the scenario may fire further events."""
    environment.events.request._handlers.clear()
