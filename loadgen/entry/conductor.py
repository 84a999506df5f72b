"""Locustfile of a search: finds the highest load at which an API holds its SLO.

    locust -f open_loop.py,predict_open.py,conductor.py
    locust -f predict.py,recorder.py,conductor.py

Loaded last, on the master only. With open_loop.py, a Locust without workers is master and worker in one.
"""

from locust import events

from loadgen.master import conductor, users_conductor

events.init.add_listener(users_conductor.begin if users_conductor.is_ordered() else conductor.begin)
