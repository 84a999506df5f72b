"""Locustfile of a load with the users of any scenario: records every request of them, and conducts the load.

    locust -f predict.py,recorder.py

Loaded after the scenario, on the master and on every worker.
"""

from locust import events

from loadgen.common import exact_stats
from loadgen.iterations.roles import begin

exact_stats.apply()
events.init.add_listener(begin)
