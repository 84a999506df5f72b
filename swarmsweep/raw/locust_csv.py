"""Locust's own statistics CSV: text -> typed rows. Its latencies are rounded, so only the counts are used."""

import io
from dataclasses import dataclass

from swarmsweep.errors import LabError

MAX_NAME = 100  # of the name of a request, in a report
HTTP_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_NEEDED = ("Type", "Name", "Request Count")
_COUNT = r"[0-9]{1,18}"  # this number of digits fits into 64 bits


@dataclass(frozen=True)
class LocustRow:
    """One row of ``stats_stats.csv``: requests of the whole run including ramp and warm-up."""

    request_type: str
    name: str
    request_count: int


def parse_stats(text: str, where: str = "stats_stats.csv") -> list[LocustRow]:
    """Rows of Locust's ``--csv`` statistics. Raises `LabError` with ``where`` when the text is not such a table."""
    import pandas as pd  # here: its import takes 500 to 1000 ms, and only measuring needs it

    missing = LabError(f"{where}: has no header with {', '.join(_NEEDED)}; Locust did not finish writing it")
    try:
        # All columns are read as text, and so is the header. pandas then refuses a row with too many fields, and
        # guesses no number.
        table = pd.read_csv(io.StringIO(text), header=None, dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError as error:
        raise missing from error
    except (pd.errors.ParserError, UnicodeError) as error:
        raise LabError(f"{where}: is not a CSV file: {str(error).strip()}") from error
    header = table.iloc[0].tolist()
    if any(name not in header for name in _NEEDED):
        raise missing
    rows = table.iloc[1:]
    # pandas fills a short row with empty fields; Locust writes no empty field at the end of a row.
    short = rows[rows.iloc[:, -1] == ""]
    if len(short):
        raise LabError(f"{where}:{short.index[0] + 1}: ends before its field {header[-1]}; the file is incomplete")
    kinds, names, counts = (rows.iloc[:, header.index(name)] for name in _NEEDED)
    bad = counts[~counts.str.fullmatch(_COUNT)]
    if len(bad):
        raise LabError(f"{where}:{bad.index[0] + 1}: {bad.iloc[0][:40]!r} is not a count")
    return [LocustRow(*row) for row in zip(kinds, names, counts.astype("int64").tolist(), strict=True)]


def aggregated(rows: list[LocustRow], where: str = "stats_stats.csv") -> LocustRow:
    """The row over all requests. Raises `LabError` when it is missing."""
    # Locust writes it last. A scenario may give its own timings the same name.
    if not rows or rows[-1].name != "Aggregated" or rows[-1].request_type:
        raise LabError(f"{where}: its last row is not named Aggregated; the file is incomplete")
    return rows[-1]


def most_frequent(rows: list[LocustRow], own_figures: bool = False) -> str | None:
    """The most frequent request of a scenario, by Locust's method and name: 'POST /predict'. None without requests.

    Timings that the scenario fired itself count only where the figures are theirs (``own_figures``), or where there is
    no request with an HTTP method.
    """
    named = [row for row in rows if row.request_type and row.request_count]
    if not own_figures:
        named = [row for row in named if row.request_type in HTTP_METHODS] or named
    row = max(named, key=lambda row: row.request_count, default=None)
    # The scenario may have given it a name with line breaks.
    return " ".join(f"{row.request_type} {row.name}".split())[:MAX_NAME] if row else None
