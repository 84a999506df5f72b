"""Locustfile beside a scenario of ordinary users: lets them warm up, counts for a while, stops them and quits.

BENCH_SECONDS   how long to count
BENCH_OUTPUT    file for the figures: requests and CPU seconds of the window, and what Locust has counted in all
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import gevent
import locust.stats
from locust import events

WARM_UP_SECONDS = 1.0
# Locust rounds to two digits, which is too coarse for a tenth of a millisecond.
locust.stats.bucket_response_time = lambda response_time_ms: round(response_time_ms, 2)


@events.spawning_complete.add_listener
def on_spawning_complete(user_count: int, **_: Any) -> None:
    """The users are running: begin."""
    gevent.spawn(conduct, _environment)


@events.init.add_listener
def on_init(environment: Any, **_: Any) -> None:
    """Keep the values that the other event does not have."""
    global _environment
    _environment = environment


def conduct(environment: Any) -> None:
    """Make the load, and quit whatever happens."""
    try:
        load(environment)
    finally:
        environment.runner.quit()


def load(environment: Any) -> None:
    """Warm up, count, stop, write."""
    total = environment.stats.total
    gevent.sleep(WARM_UP_SECONDS)
    began, requests, cpu = time.monotonic(), total.num_requests, time.process_time()
    gevent.sleep(float(os.environ["BENCH_SECONDS"]))
    seconds, requests = time.monotonic() - began, total.num_requests - requests
    cpu = time.process_time() - cpu
    # Wait for requests in flight, which nginx counts too.
    environment.runner.stop()
    figures = {
        "requests": requests,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "p50_ms": total.get_response_time_percentile(0.5),
        "p99_ms": total.get_response_time_percentile(0.99),
        "errors": [entry.error for entry in environment.stats.errors.values()],
    }
    counts = {"closed": figures, "counted": total.num_requests, "failures": total.num_failures}
    Path(os.environ["BENCH_OUTPUT"]).write_text(json.dumps(counts), encoding="utf-8")
