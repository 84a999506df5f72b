"""What to do when no configuration reaches the goal: the advice follows from the bottleneck of the nearest one.

A larger configuration helps only where the API's own limits hold it back. So each bottleneck has its own advice.
"""

from swarmsweep.judge.concurrency import is_near
from swarmsweep.plan.row import Row

LARGER = "Add larger configurations to the matrix"
# What helps against each bottleneck, as the first part of a sentence. A bottleneck that is absent here has `LARGER`.
_HELPS = {
    "generator": (
        "The load generator was at its limit, so the figures do not show what the API can serve. "
        "Give the load more workers or another load host, and measure again"
    ),
    "hot_replica": (
        "One replica was at its limit while another one was not: find out which requests cost far more than the others"
    ),
    "proxy": "HAProxy was at its limit, so larger configurations would hardly help: measure with a lower rate",
    "network": (
        "The network was at its limit, so larger configurations would hardly help: improve the network between the "
        "hosts, or make responses smaller"
    ),
    "database": (
        "PostgreSQL held the API back, so larger configurations would hardly help: let the API send it fewer requests"
    ),
    "mlflow": (
        "MLflow held the API back, so larger configurations would hardly help: let the API send it fewer requests"
    ),
    "service": (
        "A service beside the API held it back, so larger configurations would hardly help. Raise its limits in "
        "lab_api_services, or let the API send it fewer requests"
    ),
    "host_cpu": (
        "The API host had no free CPU time, so larger configurations on it would not help: use a larger API host"
    ),
    "cpu_limit": "Add configurations with more replicas, or with more CPUs and as many workers, to the matrix",
    "hot_worker": "One worker served nearly all requests: add more replicas with one worker each to the matrix",
    "worker_cpu": (
        "Each server process filled a core, so more CPUs alone would not help: add more workers or replicas to the "
        "matrix"
    ),
    "concurrency": (
        "The API serves too few requests at once: add more workers or replicas, or make its pool of threads or "
        "connections larger"
    ),
    "not_saturated": (
        "No measured resource was at its limit. Add a configuration with more replicas to the matrix. If its latency "
        "is the same, requests are slow by themselves, and only a faster API helps"
    ),
}


def is_without_load(row: Row) -> bool:
    """Whether nothing held the cell back: its latency is near that of a single user."""
    return row.bottleneck == "not_saturated" and is_near(row.unloaded_latency_ms, row.latency_growth)


def advice(row: Row) -> str:
    """What helps against the bottleneck of the row, without the end of the sentence."""
    return _HELPS.get(row.bottleneck or "", LARGER)
