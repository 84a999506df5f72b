"""The tables of summary.md with the figures by user class, one for each cell whose scenario has several."""

from msgspec import Struct

from swarmsweep.markdown import MISSING, markdown
from swarmsweep.plan.row import UNKNOWN_ENDPOINT, Row
from swarmsweep.report.endpoint_tables import HEADER as OF_ENDPOINTS
from swarmsweep.report.endpoint_tables import MAX_OPEN, figures_of

# The SLO limits no class alone.
HEADER = ["user class", "users", *OF_ENDPOINTS[1:-1]]


class ClassTable(Struct, frozen=True):
    """The user classes of one cell."""

    id: str
    rows: list[list[str]]


class ClassSection(Struct, frozen=True, kw_only=True):
    """All tables. ``unknown``: whether a table has requests whose class is not known."""

    header: list[str]
    tables: list[ClassTable]
    is_folded: bool
    unknown: bool


def user_class_section(cells: list[Row]) -> ClassSection | None:
    """The tables of the cells whose scenario has several user classes; None without such cells."""
    shown = [cell for cell in cells if cell.user_classes]
    if not shown:
        return None
    return ClassSection(
        header=HEADER,
        tables=[ClassTable(id=cell.id, rows=_rows(cell)) for cell in shown],
        is_folded=len(shown) > MAX_OPEN,
        unknown=any(one.name == UNKNOWN_ENDPOINT for cell in shown for one in cell.user_classes or ()),
    )


def _rows(cell: Row) -> list[list[str]]:
    """One row for each class, also for one whose users sent no request in the window."""
    rows = []
    for one in cell.user_classes or ():
        name, *figures, _ = figures_of(one, cell.requests or 0)
        rows.append([name, _users(cell, one.name), *figures])
    idle = set(cell.class_users or {}) - {one.name for one in cell.user_classes or ()}
    missing = [MISSING] * (len(HEADER) - 3)
    return rows + [[markdown(name), _users(cell, name), "0", *missing] for name in sorted(idle)]


def _users(cell: Row, name: str) -> str:
    count = (cell.class_users or {}).get(name)
    return MISSING if count is None else str(count)
