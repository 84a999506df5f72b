"""From loads to rows, and which warnings they give."""

import pytest

from bench.lib import cores
from bench.lib.processes import Tree
from bench.lib.wrk import Load
from bench.serving import rounds
from bench.serving.rounds import Round, measure, rates, summarize, warnings_about
from bench.serving.servers import Target
from swarmsweep.errors import LabError

SINGLE = Target("predict", "api", "/predict", ("{}",))
BATCH = Target("batch", "api", "/predict", ("{}",), rows=64)


def one(target=SINGLE, number=1, requests=3000, server=2.9, client=0.6, others=0.01, stolen=0.0) -> Round:
    return Round(target, number, Load(requests, 3.0, 1.0, 2.0, {}, client), server, others, stolen)


def test_value_counts_rows():
    assert one().value == 1000
    assert one(BATCH).value == 64_000


def test_rates_are_in_the_order_of_rounds():
    found = [one(number=2, requests=6000), one(BATCH), one(number=1), one(BATCH, number=2, requests=300)]
    assert rates(found) == {"predict": [1000, 2000], "batch": [64_000, 6400]}


def test_row():
    row = summarize(
        SINGLE, [one(requests=3000), one(number=2, requests=6000), one(number=3, requests=4500), one(BATCH)]
    )
    assert (row.name, row.value, row.unit) == ("predict", 1500, "requests/s")
    assert (row.more["min"], row.more["max"], row.more["requests"]) == (1000, 2000, 13_500)
    assert row.more["cpu_us_per_request"] == pytest.approx(2.9e6 / 4500, abs=0.1)
    assert summarize(BATCH, [one(BATCH)]).unit == "rows/s"


@pytest.mark.parametrize(
    ("found", "texts"),
    [
        ([one()], []),
        ([one(), one(number=2, others=0.04)], []),
        ([one(), one(number=2, others=0.2)], ["predict: other processes or machines used up to 20%"]),
        ([one(stolen=0.1)], ["predict: other processes or machines used up to 11%"]),
        ([one(server=1.5)], ["predict: the server used only 50%"]),
        ([one(server=1.5, others=0.5)], ["predict: other processes or machines used up to 50%"]),
        ([one(), one(number=2, requests=6000)], ["predict: rounds differ by 67% around 1500"]),
        ([one(), one(BATCH, others=0.3)], ["batch: other processes or machines used up to 30%"]),
    ],
)
def test_warnings(found, texts):
    assert len(warnings_about(found)) == len(texts)
    assert all(warning.startswith(text) for warning, text in zip(warnings_about(found), texts, strict=True))


@pytest.fixture
def busy(monkeypatch):
    """A server whose tree used 2 s, on a core that was busy for 2.3 s, of which 0.1 s were taken from it."""
    used, core = iter([10.0, 12.0]), iter([(100.0, 5.0), (102.3, 5.1)])
    monkeypatch.setattr(cores, "read_busy_seconds", lambda _: next(core))
    tree = Tree.__new__(Tree)
    monkeypatch.setattr(tree, "cpu_seconds", lambda: next(used), raising=False)
    return tree


def test_other_processes_on_the_core_are_separated_from_the_server(busy):
    found = measure(SINGLE, 1, busy, 1, lambda: Load(3000, 2.0, 1.0, 2.0, {}, 0.5))
    assert found.server_cpu_seconds == 2.0
    assert found.others_share == pytest.approx(0.15)
    assert found.stolen_share == pytest.approx(0.05)
    assert found.client_share == 0.25


def test_a_client_at_its_limit_is_refused(busy):
    with pytest.raises(LabError, match="wrk used 95% of its core"):
        measure(SINGLE, 1, busy, 1, lambda: Load(3000, 2.0, 1.0, 2.0, {}, 1.9))


def test_limits_leave_room():
    assert 0 < rounds.MAX_OTHERS_SHARE < rounds.MIN_BUSY_SHARE < 1
