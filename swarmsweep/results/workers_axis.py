"""Whether the axis `workers` did anything: the server processes that were counted, against those that were asked for.

It compares the rows of a whole run, so it is applied when they are read for a report.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from swarmsweep.plan.row import Row

_AXIS = "workers"
_MEASURED = ("valid", "invalid")


def judge_workers(rows: Sequence[Row]) -> list[Row]:
    """The rows, each in its place.

    Rows that differ in `workers` alone are invalid where their replicas had the same number of server processes: they
    are one configuration under several names. A row of which another number was counted than requested has a warning.
    """
    asked: dict[tuple[Any, ...], set[int]] = defaultdict(set)
    for row in rows:
        # What was counted of a failed cell is what was left of it.
        if row.status in _MEASURED and (key := _same_but_for_workers(row)) is not None:
            asked[key].add(row.config[_AXIS])
    return [_judged(row, asked) for row in rows]


def _same_but_for_workers(row: Row) -> tuple[Any, ...] | None:
    """What rows share that should differ in `workers` alone; None where the number of processes is unknown."""
    if row.server_processes is None:
        return None
    others = tuple(sorted((axis, str(value)) for axis, value in row.config.items() if axis != _AXIS))
    return (*others, str(row.server_processes))


def _judged(row: Row, asked: dict[tuple[Any, ...], set[int]]) -> Row:
    key = _same_but_for_workers(row)
    if key is None or row.status not in _MEASURED:
        return row
    if len(asked[key]) > 1:
        return _invalid(row, asked[key])
    if row.server_processes != row.config[_AXIS]:
        warning = (
            f"workers asks for {row.config[_AXIS]} server processes in each replica, and {_counted(row)} were counted. "
            "The image sets the number itself, or does not read the variable that lab_api_workers_env names"
        )
        return replace(row, doubts=[*row.doubts, warning])
    return row


def _invalid(row: Row, workers: set[int]) -> Row:
    names = [str(number) for number in sorted(workers)]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    reason = (
        f"each replica had {_counted(row)} server processes with workers {listed}, so this axis changed nothing. "
        "Let the image read the variable that lab_api_workers_env names, or give workers one value"
    )
    if row.status == "invalid":
        return replace(row, reason=f"{row.reason}; {reason}")
    kept = row.bottleneck if row.bottleneck == "generator" else None
    evidence = row.bottleneck_evidence if kept else None
    return replace(row, status="invalid", reason=reason, meets_slo=None, bottleneck=kept, bottleneck_evidence=evidence)


def _counted(row: Row) -> str:
    counts = row.server_processes
    return " and ".join(map(str, counts)) if isinstance(counts, list) else str(counts)
