"""The one reader of HAProxy's `show stat` (management guide, "Statistics and monitoring"), on controller and hosts."""

from __future__ import annotations

import csv
import io

# The first words of the CSV in every version.
HEADER = "# pxname,svname,"


def parse_show_stat(text: str) -> list[dict[str, str]]:
    """Return the rows of `show stat`, each a dict by column name.

    Rows of old versions end without the last, empty fields, so those keys are absent.

    Raises:
        ValueError: the text is not such a table. The message has the number of the line, from 1.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not lines[0].startswith(HEADER):
        raise ValueError(f"does not begin with '{HEADER}'; it is not the output of HAProxy's show stat")
    try:
        table = list(csv.reader(io.StringIO("\n".join(lines)), strict=True))
    except csv.Error as error:
        raise ValueError(f"is not a CSV file: {error}") from error
    header = [name.strip() for name in table[0]]
    header[0] = header[0].removeprefix("# ")
    for number, fields in enumerate(table[1:], start=2):
        if len(fields) < 2:
            raise ValueError(f"line {number} has {len(fields)} fields; the file is incomplete")
    return [dict(zip(header, fields, strict=False)) for fields in table[1:]]
