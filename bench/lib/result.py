"""A benchmark's result: its file, and its tables on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.lib.ratios import Ratio, Spread
from swarmsweep.files import write_json


@dataclass(frozen=True)
class Row:
    """One figure. ``more`` are further fields of it in the file."""

    name: str
    value: float | int | None
    unit: str
    at_most: float | None = None
    more: dict[str, Any] = field(default_factory=dict)


def as_json(rows: Sequence[Row], ratios: Sequence[Ratio], values: dict[str, Spread], facts: dict) -> dict[str, Any]:
    """The content of reports/bench/NAME.json: ``rows``, ``ratios`` by name, ``targets``, and the conditions."""
    targets = {ratio.name: {"at_least": ratio.at_least, "met": met(ratio, values[ratio.name])} for ratio in ratios}
    for row in rows:
        if row.at_most is not None:
            targets[row.name] = {"at_most": row.at_most, "met": within(row)}
    return {
        "rows": [{"name": row.name, "value": row.value, "unit": row.unit, **row.more} for row in rows],
        "ratios": {name: round(value.median, 4) for name, value in values.items()},
        "ratios_min_max": {name: [round(value.least, 4), round(value.greatest, 4)] for name, value in values.items()},
        "targets": targets,
        **facts,
    }


def met(ratio: Ratio, value: Spread) -> bool:
    """Whether a ratio reaches its target."""
    return value.median >= ratio.at_least


def within(row: Row) -> bool | None:
    """Whether a row keeps its limit; None when it was not measured."""
    return None if row.value is None else row.value <= row.at_most


def write(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all."""
    write_json(path, content)


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first is aligned left, the others right."""
    rows = [list(header), *(list(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    )


def number(value: float | None) -> str:
    """Three significant digits, or all of a whole number above them: 0.857, 16.2, 8642."""
    if value is None:
        return "not measured"
    if abs(value) >= 100 or isinstance(value, int):
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def yes_or_no(value: bool | None) -> str:
    """A cell of the table."""
    return {True: "yes", False: "NO", None: "not measured"}[value]


def rate_table(rows: Sequence[Row]) -> str:
    """What each server did. Rows are those of `rounds.summarize`."""
    lines = []
    for row in rows:
        around = f"{number(row.more['min'])} .. {number(row.more['max'])}"
        figures = [number(row.more[name]) for name in ("p50_ms", "p99_ms", "cpu_us_per_request")]
        lines.append([row.name, number(row.value), around, row.unit, *figures])
    return table(("on one core", "median", "min .. max", "unit", "p50 ms", "p99 ms", "CPU us/request"), lines)


def ratio_table(ratios: Sequence[Ratio], values: dict[str, Spread]) -> str:
    """Ratios against their targets."""
    lines = []
    for ratio in ratios:
        value = values[ratio.name]
        around = f"{number(value.least)} .. {number(value.greatest)}"
        lines.append([ratio.name, number(value.median), around, f">= {ratio.at_least:g}", yes_or_no(met(ratio, value))])
    return table(("ratio", "median", "min .. max", "target", "met"), lines)


def limit_table(rows: Sequence[Row], title: str = "memory and start") -> str:
    """Rows with limits, and rows without one."""
    lines = []
    for row in rows:
        limit = "" if row.at_most is None else f"<= {row.at_most:g}"
        kept = "" if row.at_most is None else yes_or_no(within(row))
        lines.append([row.name, number(row.value), row.unit, limit, kept])
    return table((title, "value", "unit", "target", "met"), lines)
