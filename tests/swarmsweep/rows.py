"""Rows of the summary, as the tests of choosing and reporting need them."""

from capacity_run import deployment
from msgspec.structs import replace

from swarmsweep.plan.planned import Plan, PlannedCell
from swarmsweep.plan.row import ApiUse, AttemptEntry, CellCapacity, LatencyMs, RequestParts, blank_row
from swarmsweep.report.ladder import stages
from swarmsweep.results.cell import merge

GIB = 1024**3


def plan_of(load, cells=(), slo=None, **more):
    """A plan with this load and these cells, and with no steps."""
    slo = slo or {"p95_ms": 100}
    usual = {"run_id": "x", "sweep": "x", "repeat": 3, "steps": []}
    return Plan(slo=slo, load=load, cells=list(cells), **(usual | more))


def capacity_of(verified_rps, **changes):
    """The capacity of one deployment, without an estimate."""
    usual = {"is_lower_bound": False, "estimate_rps": None, "interval_rps": None, "lower_bound_rps": None}
    usual |= {"deployments": 1, "between_deployments": False, "limited_by": None}
    return CellCapacity(verified_rps=verified_rps, **(usual | changes))


CAPACITY_PLAN = plan_of({"mode": "capacity"})
PARTS = {"database": None, "mlflow": None, "preparing": 10.0, "inference": 30.0, "rest": 60.0}


def fixed(name, replicas=1, cpus=1.0, memory=GIB, rps=100.0, p95=50.0, failures=0.0, status="valid", reason=None):
    """A row of a fixed load with these figures."""
    config = {"replicas": replicas, "cpus": cpus, "memory_bytes": memory, "workers": 1}
    row = blank_row(PlannedCell(id=name, config=config, memory="1G"), status, reason)
    if status in ("valid", "invalid"):
        meets = p95 is not None and p95 <= 100 and failures <= 1 if status == "valid" else None
        latency_ms = LatencyMs(p95, p95, p95, p95)
        return replace(row, users=40, rps=rps, failure_percent=failures, latency_ms=latency_ms, meets_slo=meets)
    return row


def searched(name, *rates, **changes):
    """A row with one valid deployment for each rate."""
    planned = PlannedCell(id=name, config={"replicas": 1}, memory="1G")
    return merge(
        CAPACITY_PLAN, planned, [deployment(number, rate, **changes) for number, rate in enumerate(rates, start=1)]
    )


def staged(variant=None, rps=100.0, status="valid", locustfile=None, target="POST /predict", reason=None, **choices):
    """A row of the report."""
    config = {"replicas": 1, "cpus": 1, "memory_bytes": 2**30, "workers": 1}
    config |= {"locustfile": locustfile} if locustfile else {}
    config |= {"variant": variant} if variant else {}
    name = "-".join(str(value) for value in config.values())
    row = blank_row(PlannedCell(id=name, config=config, memory="1G"), status, reason)
    if status in ("valid", "invalid"):
        parts = RequestParts(endpoint="/predict", requests=5, mean_ms=100.0, parts_ms=PARTS)
        figures = {"rps": rps, "target": target, "request_parts": parts, "choices": choices or None}
        return replace(row, latency_ms=LatencyMs(p95=20.0), **figures)
    return row


def ladder(*cells):
    """Stages of these cells in a sweep whose scenario is predict.py."""
    planned = [
        PlannedCell(
            id=row.id,
            config=row.config,
            memory="1G",
            load={"locustfile": row.config.get("locustfile", "predict.py")},
        )
        for row in cells
    ]
    return stages(plan_of({"locustfile": "predict.py"}, planned), list(cells))


def at_limit(*rates, replicas=1, cpus=0.5, memory=GIB // 4, workers=1, bottleneck="host_cpu", **extra):
    """A valid row of a fixed load with one attempt for each rate; None is an attempt without one."""
    config = {"replicas": replicas, "cpus": cpus, "memory_bytes": memory, "workers": workers, **extra}
    name = f"r{replicas}-c{cpus}-m{memory // 1024**2}M-w{workers}" + "".join(f"-{value}" for value in extra.values())
    row = blank_row(PlannedCell(id=name, config=config, memory=""), "valid", None, attempt_count=len(rates))
    attempts = [
        AttemptEntry(attempt=number, status="valid", rps=rate)
        for number, rate in enumerate(rates, start=1)
        if rate is not None
    ]
    figures = {
        "users": 40,
        "failure_percent": 0.0,
        "latency_growth": 20.0,
        "api": ApiUse(cpu_cores=0.95 * replicas * cpus),
    }
    return replace(row, attempts=attempts, bottleneck=bottleneck, **figures)
