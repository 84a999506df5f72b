"""The table on the first screen of summary.md: a line for each configuration, in eight columns."""

import re

from msgspec import Struct

from swarmsweep.markdown import MISSING, markdown
from swarmsweep.plan.row import Row
from swarmsweep.plan.tariff import Tariff
from swarmsweep.report.modes import Page
from swarmsweep.sweep.matrix import CORE_AXES, MEMORY_PRICE_PER_GIB, Config, axis_text
from swarmsweep.units import counted, format_memory, format_plain

# More lines would push the picture off a screen. The table of all configurations is below.
MAX_ROWS = 12
# The longest reason of a status. The table of all configurations has the whole text, with the fix.
MAX_CHARACTERS = 110
_SENTENCE_END = re.compile(r"\.\s+(?=[A-Z])")


class Overview(Struct, frozen=True, kw_only=True):
    """The table, as text that is already safe in Markdown.

    ``same`` says which settings all cells have; empty where each differs. ``left_out`` says which lines are missing.
    ``legend`` says what the columns mean. ``has_choice``: a line has the arrow of the recommended cell.
    """

    header: list[str]
    rows: list[list[str]]
    same: str
    left_out: str
    legend: str
    has_choice: bool


def overview(page: Page) -> Overview:
    """The cells of a page. Of many, those whose cost is nearest to the cost of the recommended one."""
    choice = page.choice
    centre = choice.chosen or choice.nearest()
    shown = _nearest_in_cost(choice.rows, centre, choice.tariff)
    varying = varying_axes(choice.rows)
    same = [name for name in axes_of(choice.rows[:1]) if name not in varying] if varying else []
    return Overview(
        header=["configuration", "cost", *map(markdown, page.overview_columns()), "held back by", "result"],
        rows=[_row(page, cell, varying or axes_of([cell]), cell is choice.chosen) for cell in shown],
        same=markdown(_same(choice.rows[0].config, same)) if same else "",
        left_out=markdown(_left_out(len(shown), len(choice.rows), centre)),
        legend=markdown(f"{page.overview_legend()} {_cost_legend(choice.tariff)}"),
        has_choice=choice.chosen is not None,
    )


def varying_axes(rows: list[Row]) -> list[str]:
    """The axes in which the cells differ."""
    return [name for name in axes_of(rows) if len({repr(row.config.get(_key(name))) for row in rows}) > 1]


def axes_of(rows: list[Row]) -> list[str]:
    """The axes of the cells: the four of every cell first, then the others by name."""
    extra = {name for row in rows for name in row.config if name not in ("memory_bytes", *CORE_AXES)}
    return [*CORE_AXES, *sorted(extra)] if rows else []


def configuration(config: Config, names: list[str]) -> str:
    """A configuration in these axes, as '2 x 0.5 CPU, 512M, 1 worker'. An axis that it lacks is left out."""
    parts = []
    if "replicas" in names and "cpus" in names:
        parts.append(f"{config['replicas']} x {format_plain(config['cpus'])} CPU")
        names = [name for name in names if name not in ("replicas", "cpus")]
    return ", ".join([*parts, *(_value(config, name) for name in names if _key(name) in config)])


def _key(axis: str) -> str:
    return "memory_bytes" if axis == "memory" else axis


def _value(config: Config, axis: str) -> str:
    value = config[_key(axis)]
    match axis:
        case "replicas":
            return counted(value, "replica")
        case "cpus":
            return f"{format_plain(value)} CPU"
        case "memory":
            return format_memory(value)
        case "workers":
            return counted(value, "worker")
    return f"{axis} {axis_text(value)}"


def _same(config: Config, names: list[str]) -> str:
    values = [f"{_value(config, name)}{' of memory' if name == 'memory' else ''}" for name in names]
    return f"In every cell: {', '.join(values)}."


def _nearest_in_cost(rows: list[Row], centre: Row | None, tariff: Tariff) -> list[Row]:
    """At most `MAX_ROWS` of the rows, in their order."""
    if centre is None or len(rows) <= MAX_ROWS:
        return rows[:MAX_ROWS]
    middle = tariff.cost(centre.config)
    ranked = sorted(range(len(rows)), key=lambda place: (abs(tariff.cost(rows[place].config) - middle), place))
    # Others may have the same cost, so the centre itself might be left out.
    kept = sorted(ranked, key=lambda place: rows[place] is not centre)
    return [rows[place] for place in sorted(kept[:MAX_ROWS])]


def _left_out(shown: int, count: int, centre: Row | None) -> str:
    if shown == count:
        return ""
    which = "the first ones" if centre is None else f"those whose cost is nearest to that of {centre.id}"
    return f"{shown} of {count} cells, {which}. All cells are below."


def _row(page: Page, cell: Row, axes: list[str], chosen: bool) -> list[str]:
    text = configuration(cell.config, axes) or MISSING
    return [
        ("**→** " if chosen else "") + markdown(f"{text} (twin)" if cell.twin_of else text),
        page.choice.tariff.figure(cell.config),
        *map(markdown, page.overview_figures(cell)),
        MISSING if cell.bottleneck is None else markdown(cell.bottleneck.replace("_", " ")),
        markdown(_result(page, cell)),
    ]


def _result(page: Page, cell: Row) -> str:
    if cell.status == "valid":
        return page.verdict(cell)
    if cell.status is None or not cell.reason:
        return _shortened(cell.status or cell.reason or MISSING)
    return _shortened(f"{cell.status}: {cell.reason}")


def _shortened(text: str) -> str:
    """A longer text is cut after its first sentence, and else between words. The fix comes last."""
    words = " ".join(text.split())
    if len(words) > MAX_CHARACTERS:
        words = _SENTENCE_END.split(words, maxsplit=1)[0].rstrip(".")
    return words if len(words) <= MAX_CHARACTERS else f"{words[:MAX_CHARACTERS].rpartition(' ')[0]} ..."


def _cost_legend(tariff: Tariff) -> str:
    if tariff.prices is not None:
        return f"cost: in {tariff.unit}."
    return f"cost: replicas x (CPU + {MEMORY_PRICE_PER_GIB} x GiB of memory), in {tariff.unit}."
