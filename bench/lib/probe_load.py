"""What the locustfiles beside an open-loop scenario share: a load that begins when the user is ready, then quits.

BENCH_SECONDS   length of each probe
BENCH_OUTPUT    file for what the load returns
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from locust import events

from loadgen.common.workers import Workers, quit_locust
from loadgen.master.probes import Probes

SETTLE_SECONDS = 1.0
READY_SECONDS = 30.0


def on_start(load: Callable[[Any, Probes], dict[str, Any]]) -> None:
    """Make ``load`` of an environment and its probes once Locust is up, and write what it returns as JSON.

    Locust quits whatever happens; without a file, the load has failed.
    """

    def conduct(environment: Any, probes: Probes) -> None:
        try:
            probes.wait_ready(1, READY_SECONDS)
            Path(os.environ["BENCH_OUTPUT"]).write_text(json.dumps(load(environment, probes)), encoding="utf-8")
        finally:
            # A recorder that is loaded too lets only the lab end the load.
            quit_locust(environment, Workers(environment))

    @events.init.add_listener
    def on_init(environment: Any, **_: Any) -> None:
        gevent.spawn(conduct, environment, Probes(environment))


def probe_seconds() -> dict[str, float]:
    """The settings of a probe that say how long it lasts."""
    return {"seconds_settle": SETTLE_SECONDS, "seconds_measure": float(os.environ["BENCH_SECONDS"])}
