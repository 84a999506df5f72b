"""A run with prices and a baseline: the page, summary.json, summary.csv and next.yml."""

import csv
import json

import pytest
from capacity_run import SWEEP as SEARCH
from capacity_run import CapacityRun
from run_folder import SWEEP, Run, Traffic, busy

from swarmsweep.lab.prices import Prices
from swarmsweep.plan.tariff import format_money
from swarmsweep.report.report import write_report
from swarmsweep.results.measure import measure_attempt
from swarmsweep.sweep.matrix import Cell
from tests.swarmsweep.report.test_html_page import Page, check_facts

MIB = 1024**2
EUR = Prices(cpu_hour=0.04, gib_hour=0.005, currency="EUR")
INVENTORY = Cell(1, 0.5, 512 * MIB, 1)
ADDED = "r1-c0.5-m512M-w1"


@pytest.fixture
def priced(tmp_path):
    """The quick run with prices, and with the configuration of the inventory."""
    run = Run(tmp_path / "reports", SWEEP, prices=EUR, baseline=INVENTORY)
    for cell_id, count in ((ADDED, 5000), ("r1-c0.5-m256M-w1", 6000), ("r1-c0.25-m256M-w1", 2400)):
        run.record(cell_id, Traffic(busy(count)))
        measure_attempt(run.dir, cell_id, 1)
    return run


def test_a_run_with_prices_has_its_costs_in_money(priced, golden):
    page = write_report(priced.dir, priced.reports_dir).read_text()
    golden("summary_money.md", page)
    summary = json.loads((priced.dir / "summary.json").read_text())
    assert summary["recommendation"]["cell_id"] == "r1-c0.5-m256M-w1"
    assert "Its cost is 15.51 EUR a month." in summary["recommendation"]["sentence"]
    assert "CPU equivalent" not in page and "For each EUR, it brought" in page
    money = {cell["id"]: cell for cell in summary["money"]["cells"]}
    assert summary["money"]["prices"] == {"cpu_hour": 0.04, "gib_hour": 0.005, "host_hour": 0, "currency": "EUR"}
    assert len(money) == 7
    hour = 0.5 * 0.04 + 0.25 * 0.005
    assert money["r1-c0.5-m256M-w1"]["month"] == pytest.approx(730 * hour)
    assert money["r1-c0.5-m256M-w1"]["million_requests"] == pytest.approx(hour / 3600 / 500 * 1e6)
    assert money["r2-c0.5-m256M-w1"]["million_requests"] is None
    table = {row["id"]: row for row in csv.DictReader((priced.dir / "summary.csv").open(newline=""))}
    assert table["r1-c0.5-m256M-w1"]["currency"] == "EUR"
    assert float(table["r1-c0.5-m256M-w1"]["cost_month"]) == pytest.approx(730 * hour, abs=1e-6)
    assert float(table["r1-c0.5-m256M-w1"]["cost"]) == pytest.approx(0.5275)
    assert table["r2-c0.5-m256M-w1"]["cost_million_requests"] == ""


def test_summary_html_has_the_costs_too(priced):
    check_facts(priced)
    page = Page((priced.dir / "summary.html").read_text())
    money = json.loads((priced.dir / "summary.json").read_text())["money"]
    for cell in money["cells"]:
        each = "\u2013" if cell["million_requests"] is None else format_money(cell["million_requests"])
        assert f"{cell['id']} {format_money(cell['month'])} {each}" in page.words
    assert "Cost in EUR" in page.words and "cpu_hour 0.04, gib_hour 0.005, host_hour 0 EUR" in page.words


def test_the_page_compares_the_answer_with_the_inventory(priced):
    page = write_report(priced.dir, priced.reports_dir).read_text()
    summary = json.loads((priced.dir / "summary.json").read_text())
    assert summary["baseline"]["cell_id"] == ADDED
    assert "The recommended one costs 0.94 times as much." in summary["baseline"]["sentence"]
    assert "the configuration of the inventory (baseline)" in page


def test_prices_decide_which_configuration_is_the_cheapest(tmp_path):
    """Two small replicas have more memory than one large one. Where memory is dear, the large one is cheaper."""
    chosen = {}
    for name, prices in (("cpu", Prices(cpu_hour=1, currency="X")), ("memory", Prices(gib_hour=1, currency="X"))):
        run = Run(tmp_path / name, SWEEP.replace(b"cpus: [0.25, 0.5]", b"cpus: [0.2, 0.5]"), prices=prices)
        for cell_id in ("r2-c0.2-m256M-w1", "r1-c0.5-m256M-w1"):
            run.record(cell_id, Traffic(busy(6000)))
            measure_attempt(run.dir, cell_id, 1)
        write_report(run.dir, run.reports_dir)
        chosen[name] = json.loads((run.dir / "summary.json").read_text())["recommendation"]["cell_id"]
    assert chosen == {"cpu": "r2-c0.2-m256M-w1", "memory": "r1-c0.5-m256M-w1"}


def test_a_search_with_prices_and_a_target_is_sized(tmp_path, golden):
    text = SEARCH.replace(b"profile: standard", b"profile: standard, target_rps: 500")
    run = CapacityRun(tmp_path, text, prices=EUR).fill()
    page = write_report(run.dir, tmp_path).read_text()
    golden("summary_money_capacity.md", page.partition("## The probes of each search")[0])
    summary = json.loads((run.dir / "summary.json").read_text())
    assert (summary["sizing"]["cell_id"], summary["sizing"]["spare_replicas"]) == ("r4-c0.5-m512M-w1", 1)
    assert "For 500 requests/s: 4 x 0.5 CPU, 512M, one to spare, 65.70 EUR a month." in page
    twins = [cell["id"] for cell in summary["money"]["cells"] if cell["id"].endswith("-twin")]
    assert twins == []


def test_without_prices_nothing_is_in_money(tmp_path):
    run = Run(tmp_path, SWEEP)
    page = write_report(run.dir, tmp_path).read_text()
    summary = json.loads((run.dir / "summary.json").read_text())
    assert (summary["money"], summary["baseline"], summary["sizing"]) == (None, None, None)
    assert "EUR" not in page and "cost_month" not in (run.dir / "summary.csv").read_text()
    assert summary["next_sweep"]["file"] is None
    assert (run.dir / "next.yml").read_text().startswith("# After run")
