"""The tables of summary.md with the figures by endpoint, one for each cell."""

import html

from msgspec import Struct

from swarmsweep.judge.checks.answers import kinds_in_words
from swarmsweep.markdown import MISSING, markdown, one_line
from swarmsweep.plan.row import OTHER_ENDPOINTS, UNKNOWN_ENDPOINT, EndpointRow, Row
from swarmsweep.report.page_rows import figure
from swarmsweep.results import slo as slo_of
from swarmsweep.sweep.slo_limits import SloLimits

HEADER = [
    *("endpoint", "requests", "share %", "RPS", "mean ms", "p50 ms", "p95 ms", "p99 ms", "failures %"),
    *("failed requests", "meets SLO"),
]
# With more tables than this, each is folded.
MAX_OPEN = 2
# A longer name would make the table too wide; summary.json has it whole.
MAX_CHARACTERS = 80


class EndpointTable(Struct, frozen=True):
    """The endpoints of one cell. ``hidden`` is the one that all requests together hide, for HTML; empty without."""

    id: str
    rows: list[list[str]]
    hidden: str


class EndpointSection(Struct, frozen=True, kw_only=True):
    """All tables. ``others`` and ``unknown``: whether a table has such a row. ``own``: whether one has limits.

    ``arrivals``: a search by arrivals counts latencies from another time than the tables do.
    """

    header: list[str]
    tables: list[EndpointTable]
    is_folded: bool
    others: bool
    unknown: bool
    own: bool
    arrivals: bool
    lower_bounds: bool


def endpoint_section(cells: list[Row], slo: SloLimits) -> EndpointSection | None:
    """The tables of the cells with several endpoints, or with limits for one; None without such cells."""
    shown = [cell for cell in cells if cell.endpoints and (len(cell.endpoints) > 1 or slo.endpoints)]
    if not shown:
        return None
    every = [endpoint for cell in shown for endpoint in cell.endpoints or ()]
    return EndpointSection(
        header=HEADER,
        tables=[_table(cell, slo) for cell in shown],
        is_folded=len(shown) > MAX_OPEN,
        others=any(endpoint.name == OTHER_ENDPOINTS for endpoint in every),
        unknown=any(endpoint.name == UNKNOWN_ENDPOINT for endpoint in every),
        own=bool(slo.endpoints),
        arrivals=any(_is_by_arrivals(cell) for cell in shown),
        lower_bounds=any(endpoint.lower_bounds for endpoint in every),
    )


def _is_by_arrivals(cell: Row) -> bool:
    return any(probe.iterations_per_second is not None for attempt in cell.attempts for probe in attempt.probes)


def _table(cell: Row, slo: SloLimits) -> EndpointTable:
    worst = slo_of.hidden(cell, slo)
    return EndpointTable(
        id=cell.id,
        rows=[figures_of(endpoint, cell.requests or 0) for endpoint in cell.endpoints or ()],
        hidden="" if worst is None else html.escape(one_line(worst.describe())),
    )


def figures_of(endpoint: EndpointRow, requests: int) -> list[str]:
    """A row of the table. ``requests`` is the number of all requests of the cell."""
    latency_ms = endpoint.latency_ms.by_name().items()
    return [
        markdown(_shortened(endpoint.name)),
        str(endpoint.requests),
        figure(100 * endpoint.requests / requests if requests else None),
        figure(endpoint.rps),
        *((">= " if name in endpoint.lower_bounds else "") + figure(value) for name, value in latency_ms),
        (">= " if slo_of.FAILURES in endpoint.lower_bounds else "") + figure(endpoint.failure_percent),
        markdown(kinds_in_words(endpoint.failure_kinds)) if endpoint.failure_kinds else MISSING,
        {True: "yes", False: "no", None: MISSING}[endpoint.meets_slo],
    ]


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_CHARACTERS else f"{name[:MAX_CHARACTERS]}..."
