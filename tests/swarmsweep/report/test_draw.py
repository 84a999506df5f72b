"""Charts that vl-convert draws are well-formed, have their texts, and suit light and dark pages."""

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from capacity_run import SWEEP as CAPACITY_SWEEP
from capacity_run import CapacityRun
from msgspec.structs import replace
from rows import capacity_of, fixed, plan_of, staged
from run_folder import Run, Traffic, busy

from swarmsweep.charts.cells import ChartCell
from swarmsweep.charts.rates import rates_chart
from swarmsweep.charts.style import DARK, HOLDS
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.report.draw import svg
from swarmsweep.report.ladder import stages
from swarmsweep.report.modes import page_of
from swarmsweep.report.pictures import pictures_of, verdict_of
from swarmsweep.report.report import read_cells, write_report
from swarmsweep.results.measure import measure_attempt

SVG = "{http://www.w3.org/2000/svg}"


def drawn(run):
    """The pictures of a run with their drawings, by name."""
    cells = read_cells(run.dir, run.plan)
    pictures = pictures_of(run.dir, page_of(run.plan, cells), stages(run.plan, cells))
    return {picture.name: (picture, svg(picture.spec, picture.name)) for picture in pictures}


def texts(drawing):
    """All texts of a drawing, on one line."""
    root = ElementTree.fromstring(drawing)
    return " ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))


def test_a_fixed_run_has_its_pictures(finished_run):
    for step in finished_run.plan.steps:
        measure_attempt(finished_run.dir, step.cell_id, step.attempt)
    found = drawn(finished_run)
    assert list(found) == ["rps", "latency", "cost", "scaling", "timeline"]
    assert "r1-c0.25-m256M-w1" in texts(found["rps"][1])
    assert "failed: out of memory" in texts(found["rps"][1])
    assert "SLO: 120 ms" in texts(found["latency"][1])
    assert "→ r1-c0.5-m256M-w1" in texts(found["cost"][1])
    assert "over replicas" in texts(found["scaling"][1])
    assert found["timeline"][0].title == "Timeline of r1-c0.5-m256M-w1"
    # 17 s of load, of which the last one is not whole.
    rows = found["timeline"][0].spec["vconcat"][0]["data"]["values"]
    measured = [row["rps"] for row in rows if row["window"] == "measured"]
    assert sum(measured) == pytest.approx(6000 - 3, rel=0.1)


def test_a_search_has_its_pictures(tmp_path):
    found = drawn(CapacityRun(tmp_path).fill())
    assert list(found) == ["rps", "latency", "cost", "scaling", "timeline"]
    assert "verified" in texts(found["rps"][1])
    assert "misses the SLO" in texts(found["latency"][1])
    assert re.search(r"with 0.5 CPU, 512M, 1 worker: \d\.\d\d times the capacity\.", found["scaling"][0].sentence)
    curves = found["latency"][0].spec["layer"][0]
    assert curves["mark"]["type"] == "line"
    # Three deployments each, of seven cells with the twin.
    assert len({row["curve"] for row in curves["data"]["values"]}) == 3 * 7
    # The dashed law is beside the points to which it was fitted.
    _, points, law = (layer["data"]["values"] for layer in found["scaling"][0].spec["hconcat"][0]["layer"])
    measured = {(row["like"], row["number"]): row["rps"] for row in points}
    both = [(row["rps"], measured[place]) for row in law if (place := (row["like"], row["number"])) in measured]
    assert len(both) >= 3 and all(fitted == pytest.approx(rate, rel=0.05) for fitted, rate in both)


def test_nothing_measured_has_the_bars_alone(run):
    found = drawn(run)
    assert list(found) == ["rps"]
    assert found["rps"][0].sentence == "No cell has a figure."
    assert "not measured" in texts(found["rps"][1])


def pictured(rows, tmp_path):
    """The pictures of rows of a fixed load, by name."""
    planned = [PlannedCell(id=row.id, config=row.config, memory="1G") for row in rows]
    page = page_of(plan_of({"mode": "fixed", "locustfile": "predict.py"}, planned), rows)
    return {picture.name: picture for picture in pictures_of(tmp_path, page, [])}


@pytest.mark.parametrize("status", ["invalid", "failed"])
def test_a_cell_that_is_not_valid_is_the_fastest_only_where_none_is_valid(tmp_path, status):
    """A cell that failed under load has figures too."""
    wrong = replace(fixed("b", rps=900.0, status="invalid", reason="late"), status=status)
    found = [pictured(rows, tmp_path)["rps"].sentence for rows in ([fixed("a"), wrong], [wrong])]
    assert [sentence.partition(" served")[0] for sentence in found] == ["a", "b (not valid)"]


def test_the_line_of_the_front_has_one_cell_of_each_cost(tmp_path):
    rows = [fixed("a"), fixed("b", rps=120.0), fixed("c", cpus=2, rps=200.0)]
    sentence = pictured(rows, tmp_path)["cost"].sentence
    assert sentence == (
        "On the line is each cell that holds the SLO and is faster than every other such cell of no higher cost: b, c."
    )


def test_one_user_is_not_called_users(tmp_path):
    spec = pictured([replace(fixed("a"), users=1)], tmp_path)["latency"].spec
    assert '"about": "1 user"' in json.dumps(spec)


def test_one_cell_has_no_comparison(tmp_path):
    run = Run(tmp_path, b"name: one\nslo: {p95_ms: 120}\nload: {users: 40, measure_seconds: 12}\n" + ONE)
    run.record("r1-c0.5-m256M-w1", Traffic(busy(6000)))
    measure_attempt(run.dir, "r1-c0.5-m256M-w1", 1)
    assert list(drawn(run)) == ["rps", "latency", "timeline"]


ONE = b"matrix: {replicas: [1], cpus: [0.5], memory: [256M], workers: [1]}\n"


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (fixed("a"), "holds the SLO"),
        (fixed("a", p95=300), "misses the SLO"),
        (fixed("a", status="invalid"), "not valid"),
        (fixed("a", status="failed"), "not valid"),
        (fixed("a", status=None), "not judged"),
        # Valid, and its verdict is open.
        (staged("a"), "undecided"),
    ],
)
def test_the_verdict_of_a_row(row, verdict):
    assert verdict_of(row) == verdict


@pytest.mark.parametrize(
    ("verified", "meets", "verdict"),
    [(100.0, True, "reaches the target"), (50.0, False, "below the target"), (None, False, "misses the SLO")],
)
def test_a_cell_below_a_target_does_not_miss_the_slo(verified, meets, verdict):
    row = replace(fixed("a"), capacity=capacity_of(verified), capacity_rps=verified, meets_slo=meets)
    assert verdict_of(row, has_target=True) == verdict
    assert verdict_of(row) != verdict or verified is None


def test_a_search_with_a_target_is_judged_by_it_in_its_pictures(tmp_path):
    text = CAPACITY_SWEEP.replace(b"profile: standard", b"profile: standard, target_rps: 500")
    run = CapacityRun(tmp_path, text).fill()
    found = drawn(run)
    for name in ("rps", "cost"):
        shown = texts(found[name][1])
        assert "reaches the target" in shown and "below the target" in shown
        assert "holds the SLO" not in shown and "misses" not in shown
    assert found["cost"][0].sentence.startswith("On the line is each cell that reaches the target and is faster than")
    write_report(run.dir, run.reports_dir)
    page = (run.dir / "summary.html").read_text()
    assert "</code>: below the target</summary>" in page and "misses the SLO</summary>" not in page
    assert '<th scope="col">reaches target' in page and "meets SLO" not in page
    shown = (run.dir / "summary.md").read_text()
    assert "| reaches target | status |" in shown and "meets SLO" not in shown


def one_bar(note="x"):
    cell = ChartCell(id="a", verdict=HOLDS, cost=1.0, replicas=1, workers=1, note=note, rps=5.0, likes={})
    return svg(rates_chart([cell], searches=False), "rps")


def test_a_drawing_names_itself_and_has_every_colour_twice():
    drawing = one_bar()
    root = ElementTree.fromstring(drawing)
    assert root.get("role") == "img" and "a: 5.00 · x" in root.get("aria-label")
    style = root.find(f"{SVG}style").text
    assert style.startswith("@media screen and (prefers-color-scheme: dark)")
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', drawing.lower()))
    assert used and used <= set(DARK)
    assert [colour for colour in used if f'[fill="{colour}"]' not in style] == []


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "]]>&amp;<!--", "a\x00b\x08", "'\"/>"])
def test_a_hostile_text_is_text(text):
    drawing = one_bar(text)
    shown = texts(drawing)
    assert " ".join("".join(c if c.isprintable() else " " for c in text).split()) in shown
    assert [element.tag for element in ElementTree.fromstring(drawing).iter(f"{SVG}script")] == []


def test_the_parts_of_two_drawings_have_different_ids():
    spec = rates_chart([], searches=False)
    ids = [set(re.findall(r'\bid="([^"]+)"', svg(spec, name))) for name in ("a", "b")]
    assert not ids[0] & ids[1]


def test_the_same_figures_give_the_same_drawing():
    assert one_bar() == one_bar()
