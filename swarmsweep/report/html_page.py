"""summary.html: the facts of summary.md in one file that needs no network, with charts that are live where scripts run.

Its texts are those of `SummaryPage`. What summary.md lists by subject is here in a section for each cell.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from swarmsweep.plan.row import Row
from swarmsweep.report.capacity_page import SearchTables
from swarmsweep.report.draw import dark_style
from swarmsweep.report.endpoint_tables import EndpointTable
from swarmsweep.report.live_charts import chart_data, hash_of, packed, page_script, vega_script
from swarmsweep.report.modes import REACHES_TARGET
from swarmsweep.report.page import SummaryPage
from swarmsweep.report.page_lists import LogLines
from swarmsweep.report.pictures import Picture, verdict_of
from swarmsweep.report.templating import render, template_text
from swarmsweep.report.user_class_tables import ClassTable

# Each cell with its probes takes about a sheet. Of more cells, paper has the tables and the sections that are open.
MAX_PRINTED = 50


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A picture as the page shows it. ``svg`` is drawn by Vega, which escapes the texts in it."""

    name: str
    title: str
    sentence: str
    svg: Markup


@dataclass(kw_only=True)
class CellSection:
    """All that the page says of one cell. ``facts`` are its line of the table, by title; ``items`` is Markdown-safe."""

    id: str
    anchor: str
    state: str
    is_chosen: bool
    facts: list[tuple[str, str]]
    items: list[tuple[str, list[str]]] = field(default_factory=list)
    endpoints: EndpointTable | None = None
    user_classes: ClassTable | None = None
    search: SearchTables | None = None
    log: LogLines | None = None


def html_page(page: SummaryPage, rows: list[Row], chosen: Row | None, pictures: list[tuple[Picture, str]]) -> str:
    """The page. ``pictures`` come with their SVG, ``rows`` in the order of the page's table."""
    sections = [
        CellSection(
            id=row.id,
            anchor=f"cell-{number}",
            state=_state(row, page.verdict_column == REACHES_TARGET),
            is_chosen=row is chosen,
            # Its id is its title.
            facts=list(zip(page.header, line, strict=True))[1:],
        )
        for number, (row, line) in enumerate(zip(rows, page.rows, strict=True), start=1)
    ]
    _fill(page, sections)
    vega, script = vega_script(), page_script()
    values: dict[str, Any] = {
        "page": page,
        "chosen_id": chosen.id if chosen else None,
        "pictures": [
            Drawn(name=picture.name, title=picture.title, sentence=picture.sentence, svg=Markup(drawing))
            for picture, drawing in pictures
        ],
        "sections": sections,
        "css": Markup(template_text("page.css") + dark_style()),
        "vega": packed(vega),
        "script": Markup(script),
        "is_large": len(sections) > MAX_PRINTED,
        "policy": _policy([vega, script]),
        "data": chart_data([picture for picture, _ in pictures], {one.id: one.anchor for one in sections}),
    }
    return render("summary.html.j2", values)


def _state(row: Row, has_target: bool) -> str:
    if row.status == "valid":
        return verdict_of(row, has_target)
    return row.status or "not measured"


def _policy(scripts: Iterable[str]) -> str:
    """What a browser may do with the page: run these scripts, and request nothing."""
    allowed = " ".join(f"'{hash_of(script)}'" for script in scripts)
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {allowed}"
    )


def _fill(page: SummaryPage, sections: list[CellSection]) -> None:
    """Put what the page lists by subject into the sections of its cells."""
    by_id = {section.id: section for section in sections}
    subjects: list[tuple[str, list[tuple[str, str]]]] = [
        ("What held it back", [(one.id, f"**{one.word}**: {one.evidence}") for one in page.bottlenecks]),
        ("Why the verdict is open", [(one.id, one.figures) for one in page.undecided]),
        ("Are the figures valid?", _checks(page)),
        (
            "Failed requests",
            [(one.id, f"{one.failures} of {one.requests} failed: {one.kinds}") for one in page.failure_kinds],
        ),
        ("Requests by kind", [(one.id, one.text) for one in page.request_notes]),
        ("Exceptions in the scenario's tasks", _exceptions(page)),
        ("Time inside the API", [(one.id, f"not known: {one.reason}") for one in page.unsplit]),
    ]
    for title, entries in subjects:
        grouped: dict[str, list[str]] = {}
        for cell_id, text in entries:
            grouped.setdefault(cell_id, []).append(text)
        for cell_id, texts in grouped.items():
            by_id[cell_id].items.append((title, texts))
    for table in page.endpoints.tables if page.endpoints else []:
        by_id[table.id].endpoints = table
    for classes in page.user_classes.tables if page.user_classes else []:
        by_id[classes.id].user_classes = classes
    for search in page.capacity.searches if page.capacity else []:
        by_id[search.id].search = search
    for log in page.logs:
        by_id[log.id].log = log


def _checks(page: SummaryPage) -> list[tuple[str, str]]:
    return [
        *((one.id, f"{one.attempt}, {one.name}: **{one.verdict}**: {one.sentence}") for one in page.failed_checks),
        *((one.id, f"**invalid**: {one.reason}") for one in page.otherwise_invalid),
        *((one.id, f"{one.attempt}: **retried**: {one.reason}") for one in page.retries),
        *((cell_id, f"**warning**: {one.text}") for one in page.warnings for cell_id in one.ids),
    ]


def _exceptions(page: SummaryPage) -> list[tuple[str, str]]:
    entries = []
    for one in page.exceptions:
        entries.append((one.id, f"{one.raised} in tasks. Share of its tasks that failed: {one.failed_percent} %"))
        entries += [
            (one.id, f"{'once' if text.count == 1 else f'{text.count} times'}: {text.text}") for text in one.texts
        ]
        if one.other_texts:
            texts = "text is" if one.other_texts == 1 else "texts are"
            entries.append((one.id, f"{one.other_texts} other {texts} in cell.json"))
    return entries
