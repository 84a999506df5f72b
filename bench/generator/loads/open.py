"""Locustfile beside an open-loop scenario: a closed probe, then open ones at shares of its rate, then quits.

See bench.lib.probe_load.

BENCH_CONNECTIONS   of the closed probe
BENCH_SHARES        of its rate in percent, one open probe each: 50,90
"""

import os
import time
from typing import Any

from bench.lib.probe_load import on_start, probe_seconds
from loadgen.master.probes import Probes


def load(environment: Any, probes: Probes) -> dict[str, Any]:
    """The figures of all probes; each changes the load without a restart."""
    closed = timed(probes, "closed", connections=int(os.environ["BENCH_CONNECTIONS"]), **probe_seconds())
    figures: dict[str, Any] = {"closed": closed}
    for percent in os.environ["BENCH_SHARES"].split(","):
        rate_rps = int(percent) / 100 * closed["requests"] / closed["seconds"]
        figures[f"open_{percent}"] = timed(probes, "poisson", rate_rps=rate_rps, **probe_seconds())
    total = environment.stats.total
    return figures | {"counted": total.num_requests, "failures": total.num_failures}


def timed(probes: Probes, kind: str, **settings: Any) -> dict[str, Any]:
    """Figures of one probe. Its CPU time is that of the window: the bins have the share of a core for each second."""
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


on_start(load)
