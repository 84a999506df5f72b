"""Locustfile of an open-loop load: the generator that sends requests when they are due, and the base of its scenarios.

    locust -f open_loop.py,predict_open.py

Loaded before the scenario, on the master and on every worker. A scenario says ``from open_loop import OpenLoopUser``,
because Locust has loaded this file under that name. So the name must not change with the package.
"""

from locust import events

from loadgen.common import exact_stats
from loadgen.open.generator import begin
from loadgen.open.user import OpenLoopUser

__all__ = ["OpenLoopUser"]

exact_stats.apply()
events.init.add_listener(begin)
