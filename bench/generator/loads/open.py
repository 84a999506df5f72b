"""Locustfile beside an open-loop scenario: a closed probe, then open ones at shares of its rate, then quits.

BENCH_SECONDS       length of each probe
BENCH_CONNECTIONS   of the closed one
BENCH_SHARES        of its rate in percent, one open probe each: 50,90
BENCH_OUTPUT        file for the figures
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import events

from loadgen.master.probes import Probes

WARM_UP_SECONDS = 1.0
READY_SECONDS = 30.0


@events.init.add_listener
def on_init(environment: Any, **_: Any) -> None:
    """Begin when the user stands by."""
    gevent.spawn(conduct, environment, Probes(environment))


def conduct(environment: Any, probes: Probes) -> None:
    """Make the load, and quit whatever happens."""
    try:
        load(environment, probes)
    finally:
        environment.runner.quit()


def load(environment: Any, probes: Probes) -> None:
    """All probes; each changes the load without a restart."""
    seconds = {"seconds_settle": WARM_UP_SECONDS, "seconds_measure": float(os.environ["BENCH_SECONDS"])}
    probes.wait_ready(1, READY_SECONDS)
    connections = int(os.environ["BENCH_CONNECTIONS"])
    closed = timed(probes, "closed", connections=connections, **seconds)
    found: dict[str, Any] = {"closed": closed}
    for percent in os.environ["BENCH_SHARES"].split(","):
        rate_rps = int(percent) / 100 * closed["requests"] / closed["seconds"]
        found[f"open_{percent}"] = timed(probes, "poisson", rate_rps=rate_rps, **seconds)
    total = environment.stats.total
    found |= {"counted": total.num_requests, "failures": total.num_failures}
    Path(os.environ["BENCH_OUTPUT"]).write_text(json.dumps(found), encoding="utf-8")


def timed(probes: Probes, kind: str, **settings: Any) -> dict[str, Any]:
    """Figures of one probe. Its CPU time is that of the window: the bins say what part of a core each second took."""
    began = time.process_time()
    summary = probes.run(kind, **settings)
    whole_cpu_seconds = time.process_time() - began
    measured = summary["measured"]
    busy = [part["cpu_percent"] for part in summary["bins"] if part["second"] >= 0]
    return {
        "requests": measured["ok"],
        "seconds": measured["seconds"],
        "cpu_seconds": sum(busy) / 100,
        "whole_cpu_us_per_request": 1e6 * whole_cpu_seconds / max(1, summary["offered"]),
        "rate_rps": settings.get("rate_rps"),
        "p50_ms": measured["latency_ms"]["p50"],
        "p99_ms": measured["latency_ms"]["p99"],
        "lag_p50_ms": measured["lag_ms"]["p50"],
        "lag_p99_ms": measured["lag_ms"]["p99"],
        **{name: summary[name] for name in ("offered", "ok", "failed", "timed_out", "dropped", "in_flight_end")},
        "achieved_over_offered": measured["achieved_rps"] / measured["offered_rps"],
        "connections": summary["connections"],
        "errors": list(summary["errors"]),
    }
