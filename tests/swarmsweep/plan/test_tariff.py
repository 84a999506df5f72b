"""What a configuration costs, with and without prices."""

import pytest

from swarmsweep.lab.prices import Prices
from swarmsweep.plan.tariff import CPU_EQUIVALENTS, Tariff, format_money, hosts_needed

GIB = 1024**3
HOST = {"name": "a", "cpus": 4, "memory_bytes": 9 * GIB, "reserve_memory_bytes": GIB}
CLOUD = Prices(cpu_hour=0.04, gib_hour=0.005, currency="EUR")
MACHINES = Prices(host_hour=0.1, currency="USD")


def config(replicas=1, cpus=1.0, gib=1.0, **more):
    return {"replicas": replicas, "cpus": cpus, "memory_bytes": int(gib * GIB), "workers": 1} | more


@pytest.mark.parametrize(
    ("prices", "made", "cost", "words"),
    [
        (None, config(2, 0.5), 2 * 0.61, "1.22 CPU equivalents"),
        (CLOUD, config(), 730 * 0.045, "32.85 EUR a month"),
        (CLOUD, config(3, 0.5, 0.4), 730 * 3 * 0.022, "48.18 EUR a month"),
        (MACHINES, config(4, 1), 73.0, "73.00 USD a month"),
        (MACHINES, config(5, 1), 146.0, "146.00 USD a month"),
        (Prices(cpu_hour=1, host_hour=1, currency="X"), config(5, 1), 730 * 7.0, "5,110 X a month"),
        (Prices(gib_hour=0.000001, currency="X"), config(), 0.00073, "0.00073 X a month"),
    ],
)
def test_the_cost_is_in_the_unit_of_the_prices(prices, made, cost, words):
    tariff = Tariff(prices, (HOST, HOST | {"name": "b"}))
    assert tariff.cost(made) == pytest.approx(cost)
    assert tariff.words(made) == words


@pytest.mark.parametrize(
    ("prices", "rps", "cost"),
    [(None, 100, None), (CLOUD, None, None), (CLOUD, 0, None), (CLOUD, 100, 0.125), (MACHINES, 100, 0.1 / 0.36)],
)
def test_a_million_requests_cost_what_their_time_costs(prices, rps, cost):
    assert Tariff(prices, (HOST,)).cost_per_million(config(), rps) == (None if cost is None else pytest.approx(cost))


@pytest.mark.parametrize(
    ("made", "hosts", "count"),
    [
        (config(4, 1), [HOST, HOST], 1),
        (config(5, 1), [HOST, HOST], 2),
        (config(2, 0.1, 5), [HOST, HOST], 2),  # 8 GiB are free on each
        (config(9, 1), [HOST, HOST], 2),  # more than both have: all hosts
        (config(10, 0.3, 0.5), [HOST | {"cpus": 3}], 1),
        (config(6, 1), [HOST, HOST | {"cpus": 8}, HOST], 1),  # the largest first
        (config(1), [], 1),
        (config(1), [{"name": "a"}, HOST], 2),  # a host whose facts are not known
        (config(1, hosts=2), [HOST, HOST, HOST], 2),
    ],
)
def test_the_hosts_that_a_configuration_needs(made, hosts, count):
    assert hosts_needed(made, hosts) == count


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0.00"), (0.00045678, "0.000457"), (0.118, "0.118"), (0.5, "0.5"), (41.249, "41.25"), (1234.5, "1,234")],
)
def test_money_has_as_many_decimals_as_it_needs(amount, text):
    assert format_money(amount) == text


def test_without_prices_a_cost_has_no_currency():
    assert (CPU_EQUIVALENTS.unit, CPU_EQUIVALENTS.cost_per_hour(config())) == ("CPU equivalents", None)
