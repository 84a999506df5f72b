"""The pages for people: links have a target, the first pages stay short, and the version is in one place."""

import json
import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

import swarmsweep
from swarmsweep.sweep.load import CapacityLoad, Load
from tests.golden import writes

ROOT = Path(__file__).parents[1]
CODE_MAP = ROOT / "docs/code-map.md"
# Without the pages of tests/golden, whose links lead to files of a run.
TRACKED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
PAGES = sorted(name for name in TRACKED.stdout.split() if not name.startswith("tests/golden/"))
# Lines. A new user reads README, and ARCHITECTURE is one screen.
MAX_LINES = {"README.md": 160, "ARCHITECTURE.md": 60}
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
SUMMARY = re.compile(r"(?<=<!-- summary:begin -->\n).*(?=<!-- summary:end -->\n)", re.DOTALL)


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return anchors as GitHub makes them of headings: lower case, without punctuation, with hyphens."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def is_broken(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target)


def test_there_are_pages():
    assert {"README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/glossary.md"} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_links_between_files_lead_somewhere(name):
    page = ROOT / name
    links = [link for link in LINK.findall(CODE.sub("", page.read_text())) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if is_broken(page, link)] == []


@pytest.mark.parametrize("link", ["docs/absent.md", "#absent", "docs/results.md#absent"])
def test_a_link_that_leads_nowhere_is_found(link):
    assert is_broken(ROOT / "README.md", link)


def test_the_files_of_the_code_map_exist():
    paths = re.findall(
        r"`((?:swarmsweep|plugins|roles|playbooks|loadgen|app|bench|docs)/[^`\s]*)`", CODE_MAP.read_text()
    )
    assert len(paths) > 50
    assert [path for path in paths if not list(ROOT.glob(path))] == []


@pytest.mark.parametrize("name", MAX_LINES)
def test_the_first_pages_stay_short(name):
    assert len((ROOT / name).read_text().splitlines()) <= MAX_LINES[name]


def test_every_page_of_docs_is_linked_from_the_first_pages():
    linked = {link for name in MAX_LINES for link in LINK.findall((ROOT / name).read_text())}
    pages = {name for name in PAGES if re.fullmatch(r"docs/[^/]+\.md", name)}
    assert pages - {link.partition("#")[0] for link in linked} == set()


def answer(page: str) -> str:
    """Return what README shows of a summary: its note, the recommendation with its reasons, and the first table."""
    note, rest = page.split("\n# ", 1)
    screen = rest.split("\n## ")[0]
    recommendation = screen.split("\n\n")[1]
    reasons = screen.partition("**Why**\n\n")[2].partition("\n\n")[0]
    table = [line for line in screen.splitlines() if line.startswith("|")]
    return "\n".join([note, " ".join([recommendation, *re.findall(r"(?m)^- (.+)$", reasons)]), "", *table, ""])


def test_the_result_in_readme_is_that_of_the_example():
    page = (ROOT / "docs/example/summary.md").read_text()
    readme = (ROOT / "README.md").read_text()
    wanted = answer(page)
    if writes(os.environ) and SUMMARY.search(readme).group() != wanted:
        (ROOT / "README.md").write_text(SUMMARY.sub(lambda _: wanted, readme))
        pytest.fail("wrote README.md. Read the difference, then run without GOLDEN", pytrace=False)
    assert SUMMARY.search(readme).group() == wanted


def test_every_key_of_a_sweep_file_has_its_place_in_a_page():
    schema = json.loads((ROOT / "docs/sweep.schema.json").read_text())
    sections = [schema, *schema["$defs"].values()]
    keys = {key for section in sections for key in section.get("properties", {})}
    words = set(
        re.findall(r"\w+", "".join((ROOT / f"docs/{name}.md").read_text() for name in ("sweep-file", "capacity")))
    )
    assert len(keys) > 20
    assert keys - words == set()


def test_the_defaults_in_the_page_are_those_of_the_code():
    page = (ROOT / "docs/sweep-file.md").read_text()
    fixed, capacity = Load(users=1, spawn_rate=1), CapacityLoad(timeout_seconds=1, budget_seconds=1)
    rows = [
        f"| `load.mode` | `{fixed.mode}` |",
        f"| `load.warmup_seconds`, `load.measure_seconds` | {fixed.warmup_seconds}, {fixed.measure_seconds} |",
        f"| `load.wait_seconds` | {fixed.wait_seconds or 'the `wait_time` of the scenario'} |",
        f"| `load.workers` | {fixed.workers} |",
        f"| `load.locustfile` | `{fixed.locustfile}`; with `mode: capacity` and without `by`, "
        f"`{capacity.locustfile}` |",
    ]
    assert [row for row in rows if row not in page] == []


def test_the_version_is_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "swarmsweep.__version__"}
    assert f"## {swarmsweep.__version__} (" in (ROOT / "CHANGELOG.md").read_text()
