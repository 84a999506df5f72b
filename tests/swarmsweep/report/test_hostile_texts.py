"""Names, reasons and log lines may come from anyone. On both pages and in the charts they are texts alone."""

import html
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from markdown_it import MarkdownIt
from run_folder import Run, Traffic, busy, put

from swarmsweep.markdown import one_line
from swarmsweep.report.report import write_report
from swarmsweep.results.measure import measure_attempt
from tests.swarmsweep.report.test_html_page import Page

HOSTILE = [
    "</script><script>alert(1)</script>",
    "</details></summary></pre><img src=x onerror=alert(1)>",
    "<!-- never ends",
    "a | b | c",
    "[x](https://evil.example) ![y](//evil.example/y.png)",
    "https://evil.example www.evil.example",
    "`code` ``two`` **bold** _it_ ~~no~~",
    "# title",
    "- item",
    "1. item",
    "> quoted",
    "| --- | --- |",
    "costs $a$ or $$b$$",
    "{{ 7 * 7 }} {% raw %} ${7}",
    "&lt;b&gt; &#60;i&#62;",
    "=HYPERLINK(1)",
    "\u202egnp.exe \u200f \x1b[31mred \x00 nul",
    "\u65e5\u672c\u8a9e \U0001f600 e\u0301",
    "x" * 3000,
]
CHOSEN, DEAD, OTHER = "r1-c0.5-m256M-w1", "r1-c0.5-m32M-w1", "r1-c0.25-m256M-w1"


@pytest.fixture
def reported(run) -> Run:
    """A run in which whatever may have a text of others has all of these."""
    raised = {f"ValueError: {text}": 3 for text in HOSTILE}
    names = [f"GET /{text}" for text in HOSTILE]
    run.record(CHOSEN, Traffic(busy(6000), names=names))
    run.record(OTHER, Traffic(busy(2400), raised=raised))
    run.record_death(DEAD, "oom", " ".join(HOSTILE[:-1]))
    folder = run.attempt(DEAD)
    put(folder / "deploy.json", json.loads((folder / "deploy.json").read_text()) | {"log_tail": HOSTILE})
    put(run.dir / "manifest.json", {text: {text: [text]} for text in HOSTILE} | {"commands": HOSTILE})
    for name in (CHOSEN, OTHER, DEAD):
        measure_attempt(run.dir, name, 1)
    write_report(run.dir, run.reports_dir)
    return run


def seen(text):
    """A hostile text as a reader sees it. Chromium and GitHub show several spaces as one."""
    return one_line(text)


def test_markdown_has_its_own_elements_alone(reported):
    page = (reported.dir / "summary.md").read_text()
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(page)
    flat = [child for token in tokens for child in (token, *(token.children or ()))]
    blocks = "".join(token.content for token in flat if token.type in ("html_block", "html_inline"))
    assert "<" not in re.sub(r"</?(details|summary|pre)( open)?>", "", blocks)
    targets = [token.attrs[name] for token in flat for name in ("href", "src") if name in token.attrs]
    assert [
        target for target in targets if not re.fullmatch(r"[a-z.]+|cells/|plots/[a-z]+\.svg|[./a-z-]+", target)
    ] == []
    # GitHub makes links of bare addresses, but not in code and logs.
    linked = re.sub(r"`[^`\n]*`|<pre>.*?</pre>", "", page, flags=re.DOTALL)
    assert "://" not in linked and not re.search(r"(?i)www\.", linked)
    # What the template has, whatever the texts are.
    titles = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"]
    assert "title" not in titles and page.count("\n## ") == sum(token.tag == "h2" for token in tokens) // 2


def test_each_row_of_a_table_has_its_columns(reported):
    page = (reported.dir / "summary.md").read_text()
    for table in re.findall(r"(?:^\|.*\n){3,}", page, re.MULTILINE):
        header, rule, *rows = ([*re.split(r"(?<!\\)\|", line)] for line in table.splitlines())
        assert {len(row) for row in (rule, *rows)} == {len(header)}


@pytest.mark.parametrize("text", HOSTILE[:-1])
def test_each_text_is_shown_as_it_is(reported, text):
    shown = Page((reported.dir / "summary.html").read_text())
    assert seen(text) in shown.words
    plain = html.unescape(re.sub(r"\\(.)", r"\1", (reported.dir / "summary.md").read_text()))
    assert seen(text) in plain


def test_the_page_has_its_own_elements_alone(reported):
    tags = [tag for tag, _ in Page((reported.dir / "summary.html").read_text()).elements]
    assert tags.count("script") == 3 and not {"img", "b", "i", "iframe", "link"} & set(tags)


def test_drawings_stay_well_formed(reported):
    drawings = list((reported.dir / "plots").iterdir())
    assert drawings
    for drawing in drawings:
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawing.read_text()).iter()}
        assert not {"script", "image", "a", "foreignObject"} & tags
