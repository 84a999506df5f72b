"""Whether the axis `workers` did anything: the server processes that were counted, against those that were asked for.

It compares the rows of a whole run, so it is applied when they are read for a report.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from swarmsweep.plan.row import Row
from swarmsweep.results.endpoints import without_verdicts

_AXIS = "workers"
_MEASURED = ("valid", "invalid")
_FIX = "Let the image read the variable that lab_api_workers_env names, or give workers one value"


def judge_workers(rows: Sequence[Row], added: str | None = None) -> list[Row]:
    """The rows, each in its place.

    Rows that differ in `workers` alone are invalid where their replicas had the same processes: they are one
    configuration under several names. A row has a warning where only the number of all processes differs, where another
    number of server processes was counted than requested, and where they were not counted.

    ``added`` is the id of a row that the sweep file does not have, the baseline. It makes no other row invalid.
    """
    alike: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        # What was counted of a failed cell is what was left of it.
        if row.status in _MEASURED:
            alike[_other_axes(row)].append(row)
    return [
        _judged(row, [other for other in alike[_other_axes(row)] if other.id != added])
        if row.status in _MEASURED
        else row
        for row in rows
    ]


def _other_axes(row: Row) -> tuple[Any, ...]:
    """What rows share that differ in `workers` alone."""
    return tuple(sorted((axis, str(value)) for axis, value in row.config.items() if axis != _AXIS))


def _judged(row: Row, alike: list[Row]) -> Row:
    others = [other for other in alike if other.config[_AXIS] != row.config[_AXIS]]
    if row.server_processes is None:
        # With one value, a row that was never counted is of an earlier version, or has a short window.
        is_missed = others or row.processes_range is not None
        return _warned(row, _not_counted(row, has_axis=bool(others))) if is_missed else row
    served_alike = [other for other in others if _served_alike(row, other)]
    same = [other for other in served_alike if not _more_processes(row, other)]
    if same:
        return _invalid(row, [row, *same])
    if served_alike:
        return _warned(row, _proxy_text([row, *served_alike]))
    if row.server_processes != row.config[_AXIS]:
        replicas = "the replicas" if isinstance(row.server_processes, list) else "each replica"
        return _warned(
            row,
            f"workers is {row.config[_AXIS]}, but {replicas} had {_listed(_counts(row))} server {_noun(_counts(row))}"
            f"{_of_all(row)}. The image sets the number itself, or does not read the variable that "
            "lab_api_workers_env names",
        )
    return row


def _served_alike(one: Row, other: Row) -> bool:
    """Whether the rows have equal numbers of server processes: the ranges over their replicas overlap."""
    if other.server_processes is None:
        return False
    first, second = _counts(one), _counts(other)
    return max(min(first), min(second)) <= min(max(first), max(second))


def _more_processes(one: Row, other: Row) -> bool:
    """Whether the row with more workers had more processes in all, in every replica.

    The server processes behind a proxy hold no socket of the port, so only this number shows them. A difference in the
    other direction, or of some replicas only, may be chance.
    """
    fewer, more = sorted((one, other), key=lambda row: row.config[_AXIS])
    low, high = fewer.processes_range, more.processes_range
    return low is not None and high is not None and low[1] < high[0]


def _proxy_text(rows: list[Row]) -> str:
    ordered = _by_workers(rows)
    return (
        f"workers {_listed(ordered)} had {_listed([_servers(row) for row in ordered.values()])} server processes in "
        f"each replica, and {_listed([_all(row) for row in ordered.values()])} processes in all. The axis changed the "
        "processes that do not serve the port, such as those behind a proxy in the image"
    )


def _invalid(row: Row, same: list[Row]) -> Row:
    ordered = _by_workers(same)
    words = (f"{_servers(one)} server {_noun(_counts(one))}{_of_all(one)}" for one in ordered.values())
    counts = list(dict.fromkeys(words))
    who = "the replicas" if any(len(set(_counts(one))) > 1 for one in ordered.values()) else "each replica"
    reason = f"{who} had {_listed(counts)} with workers {_listed(ordered)}, so this axis changed nothing. {_FIX}"
    if row.status == "invalid":
        return replace(row, reason=f"{row.reason}; {reason}")
    kept = row.bottleneck if row.bottleneck == "generator" else None
    evidence = row.bottleneck_evidence if kept else None
    invalid = replace(row, status="invalid", reason=reason, bottleneck=kept, bottleneck_evidence=evidence)
    return without_verdicts(invalid)


def _not_counted(row: Row, *, has_axis: bool) -> str:
    why = (
        "The sampler did not count in the measured window. The window is too short, or an earlier version made the run"
        if row.processes_range is None
        else "No process of a replica was seen with a socket of the API's port"
    )
    unknown = "nothing shows that workers had an effect" if has_axis else "their number is unknown"
    return f"the server processes of each replica were not counted, so {unknown}. {why}"


def _warned(row: Row, warning: str) -> Row:
    return replace(row, doubts=[*row.doubts, warning])


def _by_workers(rows: list[Row]) -> dict[int, Row]:
    """The rows by their workers, in the order of these. Rows of one number, as an anchor and its twin, are one here."""
    return {row.config[_AXIS]: row for row in sorted(rows, key=lambda row: row.config[_AXIS])}


def _counts(row: Row) -> list[int]:
    counts = row.server_processes
    return counts if isinstance(counts, list) else [] if counts is None else [counts]


def _servers(row: Row) -> str:
    return _span(min(_counts(row)), max(_counts(row)))


def _noun(counts: Sequence[int]) -> str:
    """What replicas had so many of each."""
    return "process" if set(counts) == {1} else "processes"


def _all(row: Row) -> str:
    return "an unknown number of" if row.processes_range is None else _span(*row.processes_range)


def _of_all(row: Row) -> str:
    return "" if row.processes_range is None else f" of {_all(row)} {_noun(row.processes_range)} in all"


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _listed(values: Sequence[Any] | dict[int, Row]) -> str:
    names = [str(value) for value in values]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
