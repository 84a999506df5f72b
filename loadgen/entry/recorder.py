"""Locustfile of a closed-loop load: records every request of its users, and conducts warm-up, window and end.

    locust -f predict.py,recorder.py

Loaded after the scenario, on the master and on every worker.
"""

from locust import events

from loadgen.closed.roles import begin
from loadgen.common import exact_stats

exact_stats.apply()
events.init.add_listener(begin)
