"""A run that looked for capacities, as its cell.json files: rows merged from the probes of each deployment."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from swarmsweep.judge.capacity import Capacity
from swarmsweep.plan.plan import make_plan
from swarmsweep.plan.row import ProbeRow, Retry
from swarmsweep.plan.row_file import write_row
from swarmsweep.plan.run_folder import write_plan
from swarmsweep.raw.api_usage import ApiUsage
from swarmsweep.results.attempt_result import AttemptResult, Check
from swarmsweep.results.cell import merge
from swarmsweep.sweep.sweep_file import parse_sweep

MIB = 1024**2
SWEEP = b"""\
name: capacity
slo: {p95_ms: 100, max_failure_percent: 1}
load: {mode: capacity, profile: standard}
matrix: {replicas: [1, 2, 4], cpus: [0.5, 1], memory: [512M], workers: [1]}
repeat: 3
"""
# 500 configurations, three deployments each: the size that a report must bear.
LARGE_SWEEP = b"""\
name: large
slo: {p95_ms: 100, max_failure_percent: 1}
load: {mode: capacity, profile: standard}
matrix:
  replicas: [1, 2, 3, 4, 5]
  cpus: [0.1, 0.2, 0.3, 0.4, 0.5]
  memory: [256M, 300M, 400M, 512M]
  workers: [1, 2, 3, 4, 5]
repeat: 3
"""
HOSTS = {
    "api": [{"name": "api-1", "cpus": 8, "memory_bytes": 16384 * MIB, "reserve_memory_bytes": 1024 * MIB}],
    "load": [{"name": "load-1", "cpus": 4, "memory_bytes": 8192 * MIB}],
}
# Requests per second of a core, and what each further replica adds of it.
RPS_PER_CORE = 400.0
# Rates of the probes of a search, in shares of the capacity, with what they are for.
RATES = (
    *((0.8, "bracket"), (0.95, "bracket"), (1.1, "bracket"), (1.03, "bisect"), (1.0, "confirm"), (0.96, "confirm")),
    *((1.03, "confirm"), (0.96, "verify")),
)


def usual_capacity(config: dict[str, Any]) -> float:
    """A capacity that grows a little less than the cores do."""
    return RPS_PER_CORE * config["cpus"] * config["replicas"] ** 0.93


def searched(capacity_rps: float, start: float = 1_000_000.0) -> list[ProbeRow]:
    """The probes of one search that ends at ``capacity_rps``."""
    saturation = probe(1, "probe", None, 1.2 * capacity_rps, "probe", start)
    return [replace(saturation, kind="closed", connections=12)] + [
        probe(number, purpose, share * capacity_rps, capacity_rps, "good" if share < 1 else "bad", start + 60 * number)
        for number, (share, purpose) in enumerate(RATES, start=2)
    ]


def probe(
    number: int, purpose: str, rate_rps: float | None, capacity_rps: float, verdict: str, start: float
) -> ProbeRow:
    """One probe, with the figures of its window."""
    share = (rate_rps or capacity_rps) / capacity_rps
    reasons = {"bad": f"{5 * share**16:.1f} % of requests were over 100 ms (limit 5 %)", "good": "all limits held"}
    return ProbeRow(
        number=number,
        purpose=purpose,
        kind="poisson",
        rate_rps=rate_rps,
        seconds_settle=5,
        seconds_measure=25,
        window_start=start,
        window_end=start + 25,
        verdict=verdict,
        reason=reasons.get(verdict, f"{capacity_rps:.0f} good responses/s on 12 connections"),
        over_percent=None if rate_rps is None else 5 * share**16,
        file=f"trial-{number}.json",
        achieved_rps=min(rate_rps or capacity_rps, 1.15 * capacity_rps),
        p95_ms=100 * share**4,
        cpu_cores=0.9 * share,
        throttled_percent=60.0 * share,
    )


def deployment(number: int, capacity_rps: float, **changes: Any) -> AttemptResult:
    """A valid attempt whose search ended at ``capacity_rps``; ``changes`` are of the result or of its `Capacity`."""
    kept = {key: changes.pop(key) for key in list(changes) if key in Capacity.__dataclass_fields__}
    verified = 0.96 * capacity_rps
    capacity = Capacity(
        **{
            "verified_rps": verified,
            "verified_probe": 7,
            "is_lower_bound": False,
            "estimate_rps": capacity_rps,
            "interval_rps": (0.97 * capacity_rps, 1.02 * capacity_rps),
            "limited_by": None,
            "sentence": f"{verified:.1f} requests/s verified, {capacity_rps:.1f} estimated",
        }
        | kept
    )
    check = Check("generator_rate", 99.9, 99, True, "the generator sent 99.9 % of the requests that were due in time")
    row = {
        "attempt": number,
        "status": "valid",
        "reason": None,
        "window": (1_000_360.0, 1_000_410.0),
        "requests": round(50 * verified),
        "failures": 3,
        "latency_ms": np.linspace(5.0, 93.0, 500),
        "usage": ApiUsage(0.9, 1000, 550, 300 * MIB, 0, 70.0),
        "oom_kills": 0,
        "restarts": 0,
        "load_cpu_percent_max": 41.0,
        "load_workers": 1,
        "bottleneck": "cpu_throttled",
        "bottleneck_evidence": "the CPU limit throttled the replicas in 61 % of the scheduler's periods",
        "checks": (check,) * 12,
        "requests_by_replica": {"api-1": 1000},
        "capacity": capacity,
        "probes": tuple(searched(capacity_rps)),
    }
    return AttemptResult(**(row | changes))


class CapacityRun:
    """A run folder whose cells are given as deployments."""

    def __init__(self, reports_dir: Path, sweep: bytes = SWEEP, **options: Any):
        options = {"run_id": "20261122T120000Z-capacity", "seed": 7, "created_at": "2026-11-22T12:00:00Z"} | options
        self.reports_dir = reports_dir
        self.plan = make_plan(parse_sweep(sweep, "sweeps/capacity_run.yml"), HOSTS, **options)
        self.dir = write_plan(self.plan, reports_dir)

    def put(self, cell_id: str, deployments: list[AttemptResult], retries: Sequence[Retry] = ()) -> None:
        """Write the cell.json of a cell."""
        cell = next(cell for cell in self.plan.cells if cell.id == cell_id)
        path = self.dir / "cells" / cell_id / "cell.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_row(path, merge(self.plan, cell, deployments, retries))

    def fill(self, spread: float = 0.01, seed: int = 1) -> "CapacityRun":
        """Give every cell its usual capacity, with that spread between deployments."""
        chance = random.Random(seed)
        for cell in self.plan.cells:
            if not cell.infeasible_reason:
                rates = [
                    usual_capacity(cell.config) * chance.lognormvariate(0, spread) for _ in range(self.plan.repeat)
                ]
                self.put(cell.id, [deployment(number, rate) for number, rate in enumerate(rates, start=1)])
        return self
