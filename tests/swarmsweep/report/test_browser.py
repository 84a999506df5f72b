"""summary.html in the Chromium of Debian: live charts, no error, no request, and no obstacle for a reader.

Its screenshots are kept in .lab/screenshots. Set SWARMSWEEP_SCREENSHOTS to keep them elsewhere.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from capacity_run import LARGE_SWEEP, CapacityRun
from run_folder import Run, Traffic, busy, metrics_text

from swarmsweep.lab.prices import Prices
from swarmsweep.report.report import write_report
from swarmsweep.results.measure import measure_attempt
from tests.browser import chromium

ROOT = Path(__file__).parents[3]
SCREENSHOTS = Path(os.environ.get("SWARMSWEEP_SCREENSHOTS", ROOT / ".lab" / "screenshots"))
# In a window of this width, the widest tables show all columns. Many notebooks have it.
WINDOW = {"width": 1280, "height": 900}
EVERY, RATES = "Memory, CPU and workers are for each replica", "Verified rates and estimates"
CORE = "r1-c0.5-m256M-w1"
# Leaves some rows of each table and some sections.
KEEP_FEW = """
for (const body of document.querySelectorAll("tbody")) [...body.rows].slice(20).forEach(row => row.remove());
[...document.querySelectorAll("details.cell")].slice(20).forEach(section => section.remove());
"""
EVOLUTION = b"""\
name: evolution
slo: {p95_ms: 2000}
load: {users: 40, measure_seconds: 12}
matrix: {variant: [slow, dead, fast], replicas: [1], cpus: [0.5], memory: [256M], workers: [1]}
"""
ONE = b"""\
name: one
slo: {p95_ms: 120}
load: {users: 40, measure_seconds: 12}
matrix: {replicas: [1], cpus: [0.5], memory: [256M], workers: [1]}
"""
EIGHT = b"""\
name: eight
slo: {p95_ms: 120, max_failure_percent: 1}
load: {users: 40, measure_seconds: 12}
matrix: {replicas: [1, 2], cpus: [0.25, 0.5], memory: [256M], workers: [1, 2]}
"""


def measured(run: Run) -> Run:
    for step in run.plan.steps:
        measure_attempt(run.dir, step.cell_id, step.attempt)
    return run


def one_cell(reports: Path) -> Run:
    run = Run(reports, ONE, prices=Prices(cpu_hour=0.04, gib_hour=0.005, currency="EUR"))
    run.record(CORE, Traffic(busy(6000)))
    return measured(run)


def nothing_valid(reports: Path) -> Run:
    run = Run(reports)
    for step in run.plan.steps:
        run.record_death(step.cell_id, "oom", "killed </script><script>alert(1)</script>")
    return measured(run)


def eight_cells(reports: Path) -> Run:
    run = Run(reports, EIGHT)
    for number, step in enumerate(run.plan.steps):
        run.record(step.cell_id, Traffic(busy(2000 + 800 * number), cpu_cores=0.2 + 0.05 * number))
    return measured(run)


def ladder(reports: Path) -> Run:
    run = Run(reports, EVOLUTION, colocated=False)
    slow = metrics_text("/predict", 30, 400.0, {"mlflow": 300.0, "inference": 50.0}, variant="slow")
    fast = metrics_text("/predict", 9, 2.0, {"inference": 0.5}, variant="fast")
    run.record(f"{CORE}-variantslow", Traffic(busy(1200), metrics=[slow]))
    run.record_death(f"{CORE}-variantdead", "oom", "out of memory at 256M")
    run.record(f"{CORE}-variantfast", Traffic(busy(6000), metrics=[fast]))
    return measured(run)


# Its sections and rows are alike. To search all of them for obstacles takes minutes.
LARGE = "five-hundred-cells"
RUNS = {
    "one-cell": one_cell,
    "nothing-valid": nothing_valid,
    "eight-cells": eight_cells,
    LARGE: lambda reports: CapacityRun(reports, LARGE_SWEEP).fill(),
    "capacity": lambda reports: CapacityRun(reports).fill(),
    "ladder": ladder,
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium that is started once."""
    with chromium() as browser:
        yield browser


class Opened:
    """A page that is open, with the requests and errors that it caused."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.errors.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(path.as_uri())

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.fixture
def summary(tmp_path: Path) -> Any:
    """Writes summary.html of a run by its name, and returns the path."""

    def write(name: str) -> Path:
        run = RUNS[name](tmp_path / name)
        write_report(run.dir, tmp_path / name)
        return run.dir / "summary.html"

    return write


def wait_until_live(page: Any) -> None:
    """With locators, because the page's policy forbids to evaluate text in it."""
    from playwright.sync_api import expect

    expect(page.locator("figure:not([data-live])")).to_have_count(0, timeout=60_000)


@pytest.mark.parametrize("name", RUNS)
def test_a_page_is_live_quiet_and_accessible(browser, summary, name):
    path = summary(name)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with Opened(browser, path) as opened:
        page = opened.page
        wait_until_live(page)
        states = page.evaluate("[...document.querySelectorAll('figure')].map(one => one.dataset.live)")
        assert states and set(states) == {"yes"}
        assert opened.errors == []
        assert columns_of_text(page) == {"left"}
        page.set_viewport_size(WINDOW)
        wide = [EVERY, RATES] if name in (LARGE, "capacity") else [EVERY]
        assert hidden_pixels(page) == dict.fromkeys(wide, 0)
        assert [url for url in opened.requests if not url.startswith("file:")] == []
        assert len(opened.requests) == 1
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=name != LARGE)
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=SCREENSHOTS / f"{name}-dark.png")
        if name == LARGE:
            check_paper_of_many_cells(page)
            page.evaluate(KEEP_FEW)
        page.emulate_media(media="print", color_scheme="light")
        page.screenshot(path=SCREENSHOTS / f"{name}-print.png")
        page.emulate_media(media="screen")
        assert serious_findings(page) == []


def check_paper_of_many_cells(page: Any) -> None:
    """The sections of cells stay as they are on the screen, and all others are open."""
    before = page.locator("details.cell[open]").count()
    page.emulate_media(media="print", color_scheme="light")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.cell").count() > 500
    assert page.locator("details.cell[open]").count() == before <= 1
    assert page.evaluate("[...document.querySelectorAll('details:not(.cell)')].every(one => one.open)")
    assert page.locator("p.paper").is_visible()


def columns_of_text(page: Any) -> set[str]:
    """How the columns of text stand in their cells: a rule that Chromium cannot read leaves them at the right."""
    return set(
        page.evaluate(
            """[...document.querySelectorAll('table')].flatMap(table => [...table.classList]
              .filter(name => /^l[0-9]+$/.test(name))
              .flatMap(name => [...table.querySelectorAll(`td:nth-child(${name.slice(1)})`)]))
              .map(cell => getComputedStyle(cell).textAlign)"""
        )
    )


def hidden_pixels(page: Any) -> dict[str, int]:
    """How far each of the widest tables extends beyond its frame. A frame that scrolls hides columns."""
    hidden: dict[str, int] = page.evaluate(
        """Object.fromEntries([...document.querySelectorAll('.scroll:has(> table.fits)')]
          .map(frame => [frame.ariaLabel, frame.scrollWidth - frame.clientWidth]))"""
    )
    return hidden


def serious_findings(page: Any) -> list[str]:
    """What axe calls serious or critical."""
    import axe_playwright_python

    script = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
    page.evaluate(script)
    found = page.evaluate("axe.run().then(result => result.violations)")
    return [
        f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_without_scripts_the_drawings_are_there(browser, summary):
    path = summary("eight-cells")
    with Opened(browser, path, java_script_enabled=False) as opened:
        figures = opened.page.locator("figure svg[role=img]")
        assert figures.count() == 5
        assert all(figures.nth(i).is_visible() for i in range(5))
        assert opened.requests == [path.as_uri()]


def test_a_pointer_shows_the_figure_and_a_click_opens_the_cell(browser, summary):
    path = summary("capacity")
    cells = json.loads((path.parent / "summary.json").read_text())["cells"]
    with Opened(browser, path) as opened:
        page = opened.page
        wait_until_live(page)
        bar = page.locator("figure[data-chart=rps] .mark-rect path").first
        bar.scroll_into_view_if_needed()
        bar.hover()
        hint = page.locator("#vg-tooltip-element.visible")
        hint.wait_for()
        first = next(cell for cell in cells if cell["capacity_rps"] is not None)
        assert f"{first['capacity_rps']:.1f}" in hint.inner_text()
        bar.click()
        number = cells.index(first) + 1
        page.locator(f"#cell-{number}[open]").wait_for()
        assert opened.errors == []


def test_the_wheel_zooms_with_ctrl_and_scrolls_without(browser, summary):
    with Opened(browser, summary("capacity")) as opened:
        page = opened.page
        wait_until_live(page)
        chart = page.locator("figure[data-chart=cost] svg").first
        chart.scroll_into_view_if_needed()
        labels = page.locator("figure[data-chart=cost] .role-axis-label text")
        before = labels.all_inner_texts()
        box = chart.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.wheel(0, 40)
        page.wait_for_timeout(100)
        assert labels.all_inner_texts() == before
        page.keyboard.down("Control")
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.wheel(0, -400)
        page.keyboard.up("Control")
        page.wait_for_function(
            "before => JSON.stringify([...document.querySelectorAll('figure[data-chart=cost] .role-axis-label text')]"
            ".map(one => one.textContent)) !== before",
            arg=json.dumps(before, separators=(",", ":")),
        )
        assert opened.errors == []


def test_paper_shows_every_section(browser, summary):
    with Opened(browser, summary("eight-cells")) as opened:
        page = opened.page
        wait_until_live(page)
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate("[...document.querySelectorAll('details')].every(one => one.open)")
        assert re.search(r"rgb\(255, 255, 255\)", page.evaluate("getComputedStyle(document.body).backgroundColor"))
