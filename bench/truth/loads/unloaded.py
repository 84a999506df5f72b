"""Locustfile beside an open-loop scenario: one Poisson probe at next to no load, then quits. See bench.lib.probe_load.

BENCH_RATE_RPS   its rate
BENCH_SEED       of its arrivals
"""

import os
from typing import Any

from bench.lib.probe_load import on_start, probe_seconds
from loadgen.master.probes import Probes


def load(_: Any, probes: Probes) -> dict[str, Any]:
    """The summary of the probe."""
    rate = {"rate_rps": float(os.environ["BENCH_RATE_RPS"]), "seed": int(os.environ["BENCH_SEED"])}
    return probes.run("poisson", **rate, **probe_seconds())


on_start(load)
