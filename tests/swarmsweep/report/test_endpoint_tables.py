"""The page of a run whose requests have several names: the table by endpoint, and what all of them together hide."""

import json

import pytest
from msgspec.structs import replace
from rows import searched
from run_folder import SWEEP, Run, Traffic

from swarmsweep.plan.row import EndpointRow, ProbeRow
from swarmsweep.report.endpoint_tables import endpoint_section
from swarmsweep.report.report import write_report
from swarmsweep.report.templating import render
from swarmsweep.results.measure import measure_attempt
from swarmsweep.sweep.slo_limits import SloLimits

# The workshop's file: 30 requests of GET /ready for each of POST /predict, whose p95 is not seen in the sum.
TURN = [*["GET /ready"] * 30, "POST /predict"]
LIMIT = b"p95_ms: 120"
CELL, OTHER = "r1-c0.5-m256M-w1", "r2-c0.5-m256M-w1"


def latencies(predict_ms: float) -> list[float]:
    """Of 12 s with 500 requests/s, in the turn of `TURN`; the requests before the window are a part of the first."""
    shift = Traffic([]).outside
    return [4.0 if TURN[(shift + i) % len(TURN)] == "GET /ready" else predict_ms for i in range(6000)]


def report(tmp_path, limits="", traffic=None, cells=(CELL,)):
    """The page and the summary of a run of these cells."""
    run = Run(tmp_path / "reports", SWEEP.replace(LIMIT, LIMIT + limits.encode()))
    for cell in cells:
        run.record(cell, traffic or Traffic(latencies(506.0), names=TURN))
        measure_attempt(run.dir, cell, 1)
    write_report(run.dir, run.reports_dir)
    summary = json.loads((run.dir / "summary.json").read_text())
    row = next(row for row in summary["cells"] if row["id"] == CELL)
    return (run.dir / "summary.md").read_text(), summary, row


def test_the_page_names_the_endpoint_that_the_sum_hides(tmp_path, golden):
    page, summary, row = report(tmp_path)
    ready, predict = row["endpoints"]
    assert (row["latency_ms"]["p95"], row["meets_slo"]) == (4.0, True)
    assert (ready["name"], ready["latency_ms"]["p95"]) == ("GET /ready", 4.0)
    assert (predict["name"], predict["latency_ms"]["p95"], predict["meets_slo"]) == ("POST /predict", 506.0, None)
    assert ready["requests"] + predict["requests"] == row["requests"] == 6000
    assert "POST /predict p95 506.0 ms (limit 120 ms)" in summary["recommendation"]["sentence"]
    golden("summary_endpoints.md", page)


@pytest.mark.parametrize(
    ("limits", "meets", "of_endpoint", "words"),
    [
        (
            ', endpoints: {"POST /predict": {p95_ms: 900}}',
            True,
            True,
            "The endpoint nearest to its limit is POST /predict p95 506.0 ms",
        ),
        (', endpoints: {"POST /predict": {p95_ms: 200}}', False, False, "POST /predict p95 506.0 ms (limit 200 ms)"),
        # The limit is in the interval of one attempt.
        (', endpoints: {"POST /predict": {p95_ms: 510}}', None, None, "POST /predict p95 506.0 ms (interval"),
        (', endpoints: {"POST /predikt": {p95_ms: 900}}', None, None, "POST /predikt never occurred. These names"),
    ],
)
def test_limits_of_an_endpoint_decide(tmp_path, limits, meets, of_endpoint, words):
    _, summary, row = report(tmp_path, limits)
    assert row["meets_slo"] is meets
    assert row["endpoints"][0]["name"] == next(iter(summary["slo"]["endpoints"]))
    assert row["endpoints"][0]["meets_slo"] is of_endpoint
    assert words in summary["recommendation"]["sentence"]
    assert next(iter(summary["slo"]["endpoints"].values()))["max_failure_percent"] == 1


def test_an_endpoint_of_an_invalid_cell_has_no_verdict(tmp_path):
    """Its counts disagree with those of HAProxy."""
    traffic = Traffic(latencies(50.0), names=TURN, haproxy_extra=500)
    _, _, row = report(tmp_path, ', endpoints: {"POST /predict": {p95_ms: 900}}', traffic)
    assert (row["status"], row["meets_slo"]) == ("invalid", None)
    assert [endpoint["meets_slo"] for endpoint in row["endpoints"]] == [None, None]


def test_failures_are_shown_by_endpoint_and_kind(tmp_path):
    traffic = Traffic(latencies(50.0), failures=40, names=TURN)
    page, _, row = report(tmp_path, traffic=traffic)
    ready, predict = row["endpoints"]
    assert ready["failure_kinds"]["status_503"] + predict["failure_kinds"]["status_503"] == 40
    assert f"status 503 ({predict['failures']})" in page


def test_a_missing_response_bounds_its_endpoint_alone(tmp_path):
    traffic = Traffic(latencies(50.0), names=TURN, waited_ms=[40_000.0])
    _, _, row = report(tmp_path, traffic=traffic)
    (owner,) = [one for one in row["endpoints"] if "no_response" in one["failure_kinds"]]
    assert {one["name"]: bool(one["lower_bounds"]) for one in row["endpoints"]} == {
        name: name == owner["name"] for name in ("GET /ready", "POST /predict")
    }


def test_many_tables_are_folded(tmp_path):
    cells = (CELL, OTHER, "r1-c0.25-m256M-w1")
    assert "<details open>" in report(tmp_path / "one")[0]
    page, _, _ = report(tmp_path / "many", cells=cells)
    assert "<details open>" not in page
    assert page.count("hidden by all requests together: POST /predict p95 506.0 ms (limit 120 ms)") == 3


def test_one_name_without_limits_needs_no_table(tmp_path):
    page, _, row = report(tmp_path, traffic=Traffic([4.0] * 6000, names=["POST /predict"]))
    assert ([one["name"] for one in row["endpoints"]], "## By endpoint" in page) == (["POST /predict"], False)


def test_more_names_than_a_table_has_are_one_row_with_advice(tmp_path):
    names = [f"GET /items/{number}" for number in range(60)]
    page, _, row = report(tmp_path, traffic=Traffic([4.0] * 6000, names=names))
    assert (len(row["endpoints"]), row["endpoints"][-1]["requests"]) == (51, 1000)
    assert "Set `name=` in the locustfile" in page


def test_a_run_of_an_earlier_version_has_no_endpoints(tmp_path):
    page, _, row = report(tmp_path, traffic=Traffic(latencies(506.0)))
    assert (row["endpoints"], "## By endpoint" in page) == (None, False)


@pytest.mark.parametrize(
    ("iterations", "words", "absent"),
    [
        (30.0, ["from the time at which a request was sent", "A search judges all requests"], "slo.endpoints"),
        (None, ["A search judges all requests"], "was sent"),
    ],
)
def test_a_search_has_no_limits_for_endpoints_and_may_count_latencies_from_another_time(iterations, words, absent):
    cell = searched("a", 400.0)
    probes = [ProbeRow(iterations_per_second=iterations)]
    endpoints = [EndpointRow(name=name, requests=9, failures=0) for name in ("GET /ready", "POST /predict")]
    cell = replace(cell, endpoints=endpoints, attempts=[replace(cell.attempts[0], probes=probes)])
    section = endpoint_section([cell], SloLimits({"p95_ms": 100}))
    text = render("endpoints.md.j2", {"endpoints": section, "capacity": object(), "lower_bounds": False})
    assert all(word in text for word in words) and absent not in text
