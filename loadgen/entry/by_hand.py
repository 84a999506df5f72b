"""Locustfile of a load that a person makes in Locust's page: it stays in the lab, and nothing is recorded.

    locust -f predict.py,by_hand.py

Loaded after the scenario, on the master and on every worker.
"""

from locust import events

from loadgen.common import exact_stats
from loadgen.page.roles import begin

exact_stats.apply()
events.init.add_listener(begin)
