"""Locustfile of a search: finds the highest rate at which an API holds its SLO.

    locust -f open_loop.py,predict_open.py,conductor.py

Loaded last, on the master only. A Locust without workers is master and worker in one.
"""

from locust import events

from loadgen.master.conductor import begin

events.init.add_listener(begin)
