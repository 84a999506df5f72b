"""The page of a run whose scenario has several user classes."""

import json

from msgspec.structs import replace
from rows import fixed
from run_folder import SWEEP, Run, Traffic

from swarmsweep.plan.row import EndpointRow
from swarmsweep.report.report import write_report
from swarmsweep.report.templating import render
from swarmsweep.report.user_class_tables import user_class_section
from swarmsweep.results.measure import measure_attempt

CELL = "r1-c0.5-m256M-w1"
TURN = ["GET /items", "GET /items", "GET /items", "POST /predict"]
CLASSES = {"GET /items": "Reader", "POST /predict": "Buyer"}


def test_the_page_has_the_figures_of_each_class(tmp_path):
    run = Run(tmp_path / "reports", SWEEP)
    shift = Traffic([]).outside
    latencies = [4.0 if TURN[(shift + i) % 4] == "GET /items" else 90.0 for i in range(6000)]
    users = {"Reader": 15, "Buyer": 5, "Idle_one": 1}
    run.record(CELL, Traffic(latencies, names=TURN, classes=CLASSES, class_users=users))
    measure_attempt(run.dir, CELL, 1)
    write_report(run.dir, run.reports_dir)
    row = next(row for row in json.loads((run.dir / "summary.json").read_text())["cells"] if row["id"] == CELL)
    reader, buyer = row["user_classes"]
    assert (reader["name"], reader["requests"], reader["latency_ms"]["p95"]) == ("Reader", 4500, 4.0)
    assert (buyer["name"], buyer["requests"], buyer["latency_ms"]["p95"]) == ("Buyer", 1500, 90.0)
    assert row["class_users"] == users
    page = (run.dir / "summary.md").read_text()
    assert "| Reader | 15 | 4500 | 75" in page
    # Its users sent no request in the window.
    assert "| Idle\\_one | 1 | 0 |" in page
    html = (run.dir / "summary.html").read_text()
    assert "User classes of r1-c0.5-m256M-w1" in html


def test_a_run_with_one_class_has_no_table(tmp_path):
    run = Run(tmp_path / "reports", SWEEP)
    run.record(CELL, Traffic([4.0] * 600, names=["GET /items"]))
    measure_attempt(run.dir, CELL, 1)
    write_report(run.dir, run.reports_dir)
    assert "By user class" not in (run.dir / "summary.md").read_text()


def test_requests_without_a_known_class_are_explained():
    rows = [EndpointRow(name="A", requests=9, failures=0), EndpointRow(name="unknown", requests=1, failures=1)]
    section = user_class_section([replace(fixed("a"), user_classes=rows, class_users={"A": 2})])
    assert section.tables[0].rows[0][:4] == ["A", "2", "9", section.tables[0].rows[0][3]]
    text = render("user_classes.md.j2", {"user_classes": section})
    assert "- unknown: requests whose user class is not known." in text
