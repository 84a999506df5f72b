"""The most requests per second that a cell serves, as far as its figures show it.

Rules of thumb compare these rates. In a closed load, requests per second are what the users asked for, unless the API
was at its limit. So such a rate is only a lower bound.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

from swarmsweep.choose.comparisons import blocks_of
from swarmsweep.plan.row import Row
from swarmsweep.sweep.load import StoredLoad

# A cell was at its limit if its CPU use was at least this share of its CPU limit. Single-threaded code with a quota
# uses 93 to 99 % of it, because the kernel takes away time only at the end of each period of 100 ms.
CPU_SHARE = 0.9
# Or if its busiest part was busy for at least this share of the time (see `busy_share`, which is a worst case).
BUSY_SHARE = 0.8
# Users who get an error come back at once. So with more failed requests, the rate of good ones is not a maximum.
MAX_FAILED_PERCENT = 1.0

_BY_CPU = ("cpu_throttled", "cpu_limit")
_BY_QUEUE = ("cpu_limit", "database", "mlflow", "service", "hot_worker", "concurrency")
# Their rules in `swarmsweep.judge.bottleneck` already ask for 90 % of a core, or of the host.
_BY_RULE = ("worker_cpu", "host_cpu")
_NOT_THE_API = {
    "generator": "was limited by the load generator",
    "proxy": "was limited by HAProxy",
    "network": "was limited by the network",
    "hot_replica": "had an idle replica",
}
# Settings of a search on which its capacity depends. Searches that differ in one of them are not compared.
_SEARCH_SETTINGS = ("by", "arrivals", "timeout_seconds", "wait_seconds", "locustfile")


@dataclass(frozen=True)
class Maximum:
    """The rates of a cell by block, empty where none can be used.

    ``gap`` says why the cell may serve more, or why no rate can be used. It follows the id of the cell in a sentence.
    ``load_kind``: only cells with the same one are compared.
    """

    rates_rps: dict[int, float]
    gap: str | None = None
    load_kind: tuple[Hashable, ...] = field(default=())

    @property
    def is_lower_bound(self) -> bool:
        """Whether the cell may serve more."""
        return self.gap is not None


def of_fixed_load(row: Row) -> Maximum:
    """Of a cell that got a fixed number of users: the rate of each attempt."""
    rates = {one.attempt: float(one.rps) for one in row.attempts if one.status == "valid" and one.rps}
    return Maximum(rates, _why_not_at_limit(row))


def of_search(row: Row, load: StoredLoad) -> Maximum:
    """Of a cell of a search with this load: the capacity of each deployment."""
    kind = tuple(str(load.get(name)) for name in _SEARCH_SETTINGS)
    rates = {block: rate for block, rate in blocks_of(row).items() if rate}
    if not rates or row.capacity_rps is None:
        return Maximum({}, "has no verified rate", kind)
    is_open = any(one.is_lower_bound for one in row.attempts if one.status == "valid")
    return Maximum(rates, "may take more, because no higher rate was tested" if is_open else None, kind)


def busy_share(latency_growth: float, users: int) -> float:
    """The share of time (0 to 1) for which the busiest part of the API is busy at least, from a closed load.

    With ``users`` users, latency is ``latency_growth`` times that of one user. Of all closed networks of queues, a
    balanced one saturates most slowly: its parts are equally busy. By mean value analysis (Reiser and Lavenberg 1980),
    each of them is then busy for at least ``(1 - 1 / growth) x users / (users - 1)``, whatever the think time is.
    """
    if users < 2 or latency_growth <= 1:
        return 0.0
    return min(1.0, (1 - 1 / latency_growth) * users / (users - 1))


def _why_not_at_limit(row: Row) -> str | None:
    """Why the cell may serve more; None where it was at its limit."""
    if row.failure_percent is not None and row.failure_percent > MAX_FAILED_PERCENT:
        return f"had more than {MAX_FAILED_PERCENT:.0f} % failed requests"
    kind = row.bottleneck
    if kind is None:
        return "has no known bottleneck"
    if kind in _NOT_THE_API:
        return _NOT_THE_API[kind]
    if kind in _BY_RULE:
        return None
    shares = [
        (_cpu_share(row), CPU_SHARE) if kind in _BY_CPU else None,
        (_queue_share(row), BUSY_SHARE) if kind in _BY_QUEUE else None,
    ]
    measured = [(share, bound) for share, bound in filter(None, shares) if share is not None]
    if any(share >= bound for share, bound in measured):
        return None
    if any(shares) and not measured:
        return "lacks the figures that show its limit"
    return "did not reach its limit"


def _cpu_share(row: Row) -> float | None:
    """CPU use of all replicas in shares of their limits; None where it was not measured."""
    limit_cores: float = row.config["replicas"] * row.config["cpus"]
    return None if row.api.cpu_cores is None else row.api.cpu_cores / limit_cores


def _queue_share(row: Row) -> float | None:
    """`busy_share`, or that of a pool that serves several requests at once; None where latency was not measured."""
    growth, served = row.latency_growth, row.served_at_once
    if growth is None or row.users is None:
        return None
    share = busy_share(growth, row.users)
    if row.bottleneck == "concurrency" and served and growth > 1:
        # The mean wait in a queue of c servers is at most 1 / (c (1 - busy)) service times (Erlang C).
        share = max(share, 1 - 1 / (served * (growth - 1)))
    return share
