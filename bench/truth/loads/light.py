"""Locustfile beside an open-loop scenario: one Poisson trial, then quits.

BENCH_RATE_RPS   its rate
BENCH_SECONDS    its length
BENCH_SEED       of its arrivals
BENCH_OUTPUT     file for its summary
"""

import json
import os
from pathlib import Path
from typing import Any

import gevent
from locust import events

from loadgen.master.trials import Trials

SETTLE_SECONDS = 1.0
READY_SECONDS = 30.0


@events.init.add_listener
def on_init(environment: Any, **_: Any) -> None:
    """Begin when the user stands by."""
    gevent.spawn(conduct, environment, Trials(environment))


def conduct(environment: Any, trials: Trials) -> None:
    """Make the load, and quit whatever happens."""
    try:
        trials.wait_ready(1, READY_SECONDS)
        seconds = {"seconds_settle": SETTLE_SECONDS, "seconds_measure": float(os.environ["BENCH_SECONDS"])}
        rate = {"rate_rps": float(os.environ["BENCH_RATE_RPS"]), "seed": int(os.environ["BENCH_SEED"])}
        summary = trials.run("poisson", **rate, **seconds)
        Path(os.environ["BENCH_OUTPUT"]).write_text(json.dumps(summary), encoding="utf-8")
    finally:
        environment.runner.quit()
