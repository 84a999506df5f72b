"""Locustfile beside an open-loop scenario: one Poisson probe, then quits.

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

from loadgen.master.probes import Probes

SETTLE_SECONDS = 1.0
READY_SECONDS = 30.0


@events.init.add_listener
def on_init(environment: Any, **_: Any) -> None:
    """Begin when the user stands by."""
    gevent.spawn(conduct, environment, Probes(environment))


def conduct(environment: Any, probes: Probes) -> None:
    """Make the load, and quit whatever happens."""
    try:
        probes.wait_ready(1, READY_SECONDS)
        seconds = {"seconds_settle": SETTLE_SECONDS, "seconds_measure": float(os.environ["BENCH_SECONDS"])}
        rate = {"rate_rps": float(os.environ["BENCH_RATE_RPS"]), "seed": int(os.environ["BENCH_SEED"])}
        summary = probes.run("poisson", **rate, **seconds)
        Path(os.environ["BENCH_OUTPUT"]).write_text(json.dumps(summary), encoding="utf-8")
    finally:
        environment.runner.quit()
