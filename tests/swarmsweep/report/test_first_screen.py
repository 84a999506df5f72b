"""The first screen of every kind of page: answer, why, next step, one table and one picture, in about 40 lines."""

import re
import textwrap

import pytest

from tests.golden import FOLDER
from tests.prose import ROOT

PAGES = sorted(path for path in FOLDER.glob("summary_*.md"))
EXAMPLE = ROOT / "docs/example/summary.md"
# A window of 1920 points shows about this many characters and lines of a rendered page.
CHARACTERS = 130
LINES = 45
MAX_COLUMNS = 8


def first_screen(page: str) -> str:
    return re.split(r"^## ", page, maxsplit=1, flags=re.MULTILINE)[0]


def rendered_lines(text: str) -> int:
    """The lines of a rendered text, without its picture and without the space between blocks."""
    lines = [line for line in text.splitlines() if line and not re.match(r"!\[|\| ---", line)]
    return sum(max(1, len(textwrap.wrap(line, CHARACTERS))) for line in lines)


def test_there_are_pages_of_each_kind():
    names = {path.stem.removeprefix("summary_") for path in PAGES}
    assert {"fixed", "capacity", "target", "endpoints", "evolution", "unmeasured", "unfinished", "smoke"} <= names


@pytest.mark.parametrize("path", [*PAGES, EXAMPLE], ids=lambda path: path.stem)
def test_the_first_screen_is_short(path):
    screen = first_screen(path.read_text())
    assert rendered_lines(screen) <= LINES
    (separator,) = re.findall(r"^\|(?: -[-:]+ \|)+$", screen, re.MULTILINE)
    assert separator.count("---") <= MAX_COLUMNS
    assert len(re.findall(r"^!\[", screen, re.MULTILINE)) == 1


@pytest.mark.parametrize("path", [*PAGES, EXAMPLE], ids=lambda path: path.stem)
def test_the_parts_of_the_first_screen_are_in_their_order(path):
    screen = first_screen(path.read_text())
    title, *rest = screen.partition("\n# " if screen.startswith(">") else "# ")[2].splitlines()
    assert title.startswith("Sweep ") and rest[0] == "" and rest[1][0].isupper()
    before = ("**Before you rely on it**", "**Before you measure again**")
    marks = ("**Why**", *before, "**Next step**", "\nSLO: ", "\n| ", "\n![")
    places = [screen.index(mark) for mark in marks if mark in screen]
    assert places == sorted(places) and len(places) >= 3


@pytest.mark.parametrize("path", [*PAGES, EXAMPLE], ids=lambda path: path.stem)
def test_markdown_within_a_fold_begins_and_ends_with_a_blank_line(path):
    page = path.read_text()
    assert page.count("<details") == page.count("</details>")
    # Otherwise it would be shown as text.
    assert re.findall(r"</summary>\n[^\n]", page) == []
    assert re.findall(r"[^\n]\n</details>", page) == []
    assert re.findall(r"</details>\n[^\n]", page) == []
    assert "\n\n\n" not in page


@pytest.mark.parametrize("path", [*PAGES, EXAMPLE], ids=lambda path: path.stem)
def test_every_column_of_a_table_has_a_heading(path):
    headers = re.findall(r"^(\|.*\|)\n\|(?: -[-:]+ \|)+$", path.read_text(), re.MULTILINE)
    assert headers and [header for header in headers if re.search(r"\|\s*\|", header)] == []
