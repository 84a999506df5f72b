"""Locust's own statistics CSV: text -> typed rows. Its latencies are rounded, so only the counts are used."""

import csv
import io
import math
from dataclasses import dataclass

from swarmsweep.errors import LabError

MAX_NAME = 100  # of what a scenario asks, in a report
_NEEDED = ("Type", "Name", "Request Count", "Failure Count", "Average Response Time")


@dataclass(frozen=True)
class LocustRow:
    """One row of ``stats_stats.csv``: counts of the whole run including ramp and warm-up.

    ``average_ms`` and the percentiles (by header, as '95%') are None where Locust printed N/A.
    """

    request_type: str
    name: str
    request_count: int
    failure_count: int
    average_ms: float | None
    percentiles_ms: dict[str, float | None]


def parse_stats(text: str, where: str = "stats_stats.csv") -> list[LocustRow]:
    """Rows of Locust's ``--csv`` statistics. Raises `LabError` with ``where``:line when it is not such a table."""
    try:
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise LabError(f"{where}: is not a CSV file: {error}") from error
    if not lines or any(name not in lines[0] for name in _NEEDED):
        raise LabError(f"{where}: has no header with {', '.join(_NEEDED)}; Locust did not finish writing it")
    header = lines[0]
    return [_row(header, fields, f"{where}:{number}") for number, fields in enumerate(lines[1:], start=2) if fields]


def aggregated(rows: list[LocustRow], where: str = "stats_stats.csv") -> LocustRow:
    """The row over all requests. Raises `LabError` when it is missing or stands twice."""
    found = [row for row in rows if row.name == "Aggregated" and not row.request_type]
    if len(found) != 1:
        raise LabError(f"{where}: has {len(found)} rows named Aggregated, one was expected; the file is incomplete")
    return found[0]


def most_asked(rows: list[LocustRow]) -> str | None:
    """What a scenario asks most, as 'POST /predict': Locust's method and name of it; None when it asked nothing."""
    named = [row for row in rows if row.request_type and row.request_count]
    row = max(named, key=lambda row: row.request_count, default=None)
    return f"{row.request_type} {row.name}"[:MAX_NAME] if row else None


def _row(header: list[str], fields: list[str], where: str) -> LocustRow:
    if len(fields) != len(header):
        raise LabError(f"{where}: has {len(fields)} fields, the header has {len(header)}; the file is incomplete")
    values = dict(zip(header, fields, strict=True))
    return LocustRow(
        request_type=values["Type"],
        name=values["Name"],
        request_count=_count(values["Request Count"], where),
        failure_count=_count(values["Failure Count"], where),
        average_ms=_number(values["Average Response Time"], where),
        percentiles_ms={name: _number(values[name], where) for name in header if name.endswith("%")},
    )


def _count(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise LabError(f"{where}: {text[:40]!r} is not a count")
    return int(text)


def _number(text: str, where: str) -> float | None:
    if text in ("", "N/A"):
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LabError(f"{where}: {text[:40]!r} is not a number")
    return value
