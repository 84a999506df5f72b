"""What a configuration costs: in money for a month where the inventory has prices, else in CPU equivalents.

The plan has the prices with which a run is judged. No figure of a measurement depends on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from swarmsweep.lab.prices import HOURS_PER_MONTH, Prices
from swarmsweep.plan.planned import Host, Plan
from swarmsweep.sweep.matrix import Config, cost

GIB = 1024**3
REQUESTS = 1_000_000  # a price per request would have many zeros
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Tariff:
    """Prices, and the API hosts of the lab, which say how many hosts a configuration needs."""

    prices: Prices | None = None
    hosts: tuple[Host, ...] = ()

    @property
    def unit(self) -> str:
        """The unit of `cost`."""
        return "CPU equivalents" if self.prices is None else f"{self.prices.currency} a month"

    @property
    def one(self) -> str:
        """One of the unit, without its time: 'CPU equivalent' or 'EUR'."""
        return "CPU equivalent" if self.prices is None else self.prices.currency

    def cost(self, config: Config) -> float:
        """The cost of a configuration, in `unit`."""
        per_hour = self.cost_per_hour(config)
        return cost(config) if per_hour is None else HOURS_PER_MONTH * per_hour

    def cost_per_hour(self, config: Config) -> float | None:
        """The money for one hour; None without prices."""
        if self.prices is None:
            return None
        each = config["cpus"] * self.prices.cpu_hour + config["memory_bytes"] / GIB * self.prices.gib_hour
        hosts = hosts_needed(config, self.hosts) if self.prices.host_hour else 0
        return float(config["replicas"] * each + hosts * self.prices.host_hour)

    def cost_per_million(self, config: Config, rps: float | None) -> float | None:
        """The money for a million requests at this rate; None without prices or without a rate."""
        per_hour = self.cost_per_hour(config)
        return None if per_hour is None or not rps else per_hour / (rps * SECONDS_PER_HOUR) * REQUESTS

    def figure(self, config: Config) -> str:
        """The cost as text, without its unit."""
        amount = self.cost(config)
        return f"{amount:.2f}" if self.prices is None else format_money(amount)

    def words(self, config: Config) -> str:
        """The cost as text, as '0.53 CPU equivalents' or '41.20 EUR a month'."""
        return f"{self.figure(config)} {self.unit}"


CPU_EQUIVALENTS = Tariff()


def tariff_of(plan: Plan) -> Tariff:
    """The tariff with which a run is judged."""
    return Tariff(plan.prices, tuple(plan.hosts.get("api", ())))


def format_money(amount: float) -> str:
    """Two decimals; none from 1,000 on, and three digits below 1."""
    if amount >= 1000:
        return f"{amount:,.0f}"
    return f"{amount:.2f}" if amount >= 1 or amount == 0 else f"{amount:.3g}"


def hosts_needed(config: Config, hosts: Sequence[Host]) -> int:
    """The lowest number of these API hosts that have the CPUs and the memory of all limits of a configuration.

    All hosts if the limits are above what they have together, or if a fact of a host is not known. The largest hosts
    are taken first. At least one.
    """
    if isinstance(named := config.get("hosts"), int):
        return named
    room = [_replicas_that_fit(config, host) for host in hosts]
    left, count = config["replicas"], 0
    for fits in sorted((fits for fits in room if fits is not None), reverse=True):
        if left <= 0:
            break
        left, count = left - fits, count + 1
    return max(1, len(hosts) if left > 0 or None in room else count)


def _replicas_that_fit(config: Config, host: Host) -> int | None:
    """How many replicas the host can hold; None where a fact of it is not known."""
    cpus, memory_bytes = host.get("cpus"), host.get("memory_bytes")
    if cpus is None or memory_bytes is None:
        return None
    free_bytes: Any = memory_bytes - (host.get("reserve_memory_bytes") or 0)
    # A sum of CPU limits such as 0.1 + 0.2 is slightly above its true value.
    return max(0, min(int(cpus / config["cpus"] + 1e-9), int(free_bytes // config["memory_bytes"])))
