"""summary.html has the facts of summary.md in one file, requests nothing, and no text in it is active."""

import base64
import gzip
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import pytest
from capacity_run import CapacityRun
from run_folder import Run, Traffic, busy, put

from swarmsweep.markdown import code, markdown, one_line
from swarmsweep.report.page_lists import MAX_EXCEPTIONS
from swarmsweep.report.report import write_report
from swarmsweep.report.templating import marked
from swarmsweep.results.measure import measure_attempt

MAX_BYTES = 1_500_000
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)> **x** {{ 7 * 7 }} ${1} --> \u202e"


class Page(HTMLParser):
    """The elements of a page, and its texts without those of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.scripts, self.inside = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside.append(tag)

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if "script" in self.inside[-1:]:
            self.scripts.append(data)
        elif "style" not in self.inside[-1:]:
            self.texts.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.texts).split())


def page_of_run(run):
    write_report(run.dir, run.reports_dir)
    return (run.dir / "summary.html").read_text()


@pytest.fixture
def measured(finished_run) -> Run:
    for step in finished_run.plan.steps:
        measure_attempt(finished_run.dir, step.cell_id, step.attempt)
    return finished_run


def unpacked(text, name):
    """What the page unpacks itself."""
    (packed,) = re.findall(rf'id="{name}">([^<]+)<', text)
    return gzip.decompress(base64.b64decode(packed)).decode()


def plain(text):
    """Text of a page in Markdown, as a reader sees it."""
    return one_line(html.unescape(re.sub(r"\\(.)", r"\1", text.replace("**", "").replace("`", ""))))


def check_facts(run):
    """Every cell of a table and every list of cells of summary.md is in summary.html."""
    words = Page(page_of_run(run)).words
    page = (run.dir / "summary.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    cells = {plain(text) for row in rows for text in re.split(r"(?<!\\)\|", row)[1:-1]}
    assert len(cells) > 10
    assert [text for text in cells if text and text not in words] == []
    lines = re.findall(r"^- `[^`]+`.*?\*\*.*?\*\*: (.*)$", page, re.MULTILINE)
    assert [line for line in lines if plain(line) not in words] == []


def test_a_fixed_run_has_the_facts_of_its_page(measured):
    check_facts(measured)


def test_a_search_has_the_facts_of_its_page(tmp_path):
    check_facts(CapacityRun(tmp_path).fill())


FIGURES = "All figures are those of "


def test_a_search_says_on_both_pages_of_which_probes_its_figures_are(tmp_path):
    run = CapacityRun(tmp_path).fill()
    words = Page(page_of_run(run)).words
    page = one_line((run.dir / "summary.md").read_text())
    (note,) = re.findall(rf"- ({FIGURES}.*?) - meets SLO: ", page)
    assert len(note.split(" - ")) == 2
    assert [text for text in note.split(" - ") if text not in words] == []


def test_a_load_of_users_has_no_note_on_probes(measured):
    assert FIGURES not in Page(page_of_run(measured)).words
    assert FIGURES not in (measured.dir / "summary.md").read_text()


ARROW = "The arrow marks the recommended one"


def test_the_arrow_is_explained_where_there_is_one(run):
    assert ARROW not in page_of_run(run)
    run.record("r1-c0.5-m256M-w1", Traffic(busy(6000)))
    measure_attempt(run.dir, "r1-c0.5-m256M-w1", 1)
    assert ARROW in page_of_run(run)


def test_one_further_text_of_exceptions_is_not_called_texts(run):
    run.record("r1-c0.5-m256M-w1", Traffic(busy(6000), raised={f"OSError: {n}": 1 for n in range(MAX_EXCEPTIONS + 1)}))
    measure_attempt(run.dir, "r1-c0.5-m256M-w1", 1)
    assert "1 other text is in cell.json" in Page(page_of_run(run)).words


def test_the_tables_of_cells_lead_to_their_sections(tmp_path):
    text = page_of_run(CapacityRun(tmp_path).fill())
    sections = dict(re.findall(r'id="(cell-[0-9]+)"[^>]*>\s*<summary><code>([^<]+)</code>', text))
    links = re.findall(r'<td><a href="#(cell-[0-9]+)">(?:<strong>→</strong> )?([^ <]+)', text)
    assert len(sections) == 7 and len(links) == 2 * 7
    assert [(anchor, cell) for anchor, cell in links if sections[anchor] != cell] == []


def test_the_page_allows_its_own_scripts_alone(measured):
    text = page_of_run(measured)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    policy = html.unescape(policy)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 1
    # Vega is packed in the page, and the policy names it as it is after that.
    scripts = [unpacked(text, "vega"), *scripts]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert policy.endswith("script-src " + " ".join(f"'sha256-{one}'" for one in hashes))
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy


def test_the_page_loads_nothing(measured):
    page = Page(page_of_run(measured))
    assert [
        tag for tag, _ in page.elements if tag in ("link", "img", "iframe", "object", "embed", "base", "image")
    ] == []
    names = ("src", "href", "xlink:href", "data", "action", "poster", "srcset")
    targets = {values[name] for _, values in page.elements for name in names if name in values}
    assert [target for target in targets if not target.startswith("#")] == []
    assert [values for _, values in page.elements if any(name.startswith("on") for name in values)] == []


def test_every_id_is_there_once_and_every_target_exists(measured):
    text = page_of_run(measured)
    page = Page(text)
    ids = [values["id"] for _, values in page.elements if "id" in values]
    assert len(ids) == len(set(ids))
    targets = {values["href"][1:] for tag, values in page.elements if tag == "a"}
    assert targets and targets <= set(ids)
    data = json.loads(unpacked(text, "charts"))
    assert set(data["sections"].values()) <= set(ids)
    assert {values["data-chart"] for tag, values in page.elements if tag == "figure"} == set(data["charts"])


def test_without_scripts_the_page_has_every_drawing(measured):
    page = Page(page_of_run(measured))
    figures = [values["data-chart"] for tag, values in page.elements if tag == "figure"]
    assert figures == ["rps", "latency", "cost", "scaling", "timeline"]
    assert sum(tag == "svg" and values.get("role") == "img" for tag, values in page.elements) == len(figures)


def test_hostile_texts_are_texts(run):
    run.record_death("r1-c0.5-m32M-w1", "oom", HOSTILE)
    folder = run.attempt("r1-c0.5-m32M-w1")
    deploy = json.loads((folder / "deploy.json").read_text())
    put(folder / "deploy.json", deploy | {"log_tail": [HOSTILE, "\x1b[31mred\x1b[0m"]})
    put(run.dir / "manifest.json", {"versions": {"odd": HOSTILE}})
    measure_attempt(run.dir, "r1-c0.5-m32M-w1", 1)
    text = page_of_run(run)
    page = Page(text)
    # The data, Vega and the page's own script.
    assert [tag for tag, _ in page.elements].count("script") == 3
    assert "img" not in [tag for tag, _ in page.elements]
    shown = one_line(HOSTILE)
    assert page.words.count(shown) >= 3  # reason, log, manifest
    assert "{{ 7 * 7 }}" in page.words


def test_a_page_of_a_hundred_cells_stays_small(tmp_path):
    axes = b"replicas: [1, 2, 3, 4, 5], cpus: [0.1, 0.2, 0.3, 0.4], memory: [256M], workers: [1, 2, 3, 4, 5]"
    sweep = b"name: large\nslo: {p95_ms: 100}\nload: {mode: capacity}\nrepeat: 3\nmatrix: {" + axes + b"}\n"
    run = CapacityRun(tmp_path, sweep).fill()
    assert len(run.plan.cells) >= 100
    page_of_run(run)
    assert (run.dir / "summary.html").stat().st_size <= MAX_BYTES


def test_the_newest_run_has_its_copy(measured):
    text = page_of_run(measured)
    assert (measured.reports_dir / "summary.html").read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        *("a|b", "<b>x</b>", "[x](y)", "`x`", "*x*", "_x_", "# x", "a & b", "https://a.example", "![x](y)", "&amp;"),
        *("- x", "-", "---", "+ x", "1. x", "2) x", "costs $1 or $2", "-1.5 ms", "\u00e9 \U0001f600"),
    ],
)
def test_text_that_is_safe_in_markdown_is_shown_as_it_is(text):
    shown = str(marked(markdown(text)))
    assert "<" not in shown and html.unescape(shown) == text
    assert html.unescape(str(marked(f"**{markdown(text)}**"))) == f"<strong>{text}</strong>"


def test_code_is_shown_as_it_is():
    assert str(marked(code("./lab report <x> `y`"))) == "<code>./lab report &lt;x&gt; `y`</code>"
