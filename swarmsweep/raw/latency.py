"""Exact latencies of one load: read the records of the Locust workers, cut out the window, compute percentiles.

Closed-loop users and open-loop load have a format each (see shared/request_record.py): `Requests`, `OpenRequests`.
"""

import functools
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from swarmsweep.errors import LabError
from swarmsweep.files import read_bytes
from swarmsweep.plan.row import LatencyMs
from swarmsweep.raw.failures import is_failed
from swarmsweep.raw.request_names import Names, join_names
from swarmsweep.search import MIN_REQUESTS
from swarmsweep.shared.request_record import (
    DROPPED,
    FIELDS,
    NO_NAME,
    NO_RESPONSE,
    OK,
    OPEN_FIELDS,
    TIMED_OUT,
    UNNAMED_FIELDS,
)

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_PIECE_BYTES = (
    1024  # an error in compressed data discards the whole piece in which it is found, so the pieces are small
)


@dataclass(frozen=True, eq=False)
class Requests:
    """Requests of one attempt: ``start_seconds`` (epoch), ``latency_ms`` and ``outcome``, equally long arrays.

    ``outcome`` is `OK`, `NO_RESPONSE` or the kind of a failure (see shared/request_record.py). With `NO_RESPONSE`, the
    latency is the time that the request had waited when the load ended. ``complete`` is False when a file broke off and
    was read up to its last whole record. ``names`` has the name of each request; None where an earlier version recorded
    none. ``classes`` has its user class, None where the scenario has only one, or where none was recorded.
    """

    start_seconds: Floats
    latency_ms: Floats
    outcome: Floats
    complete: bool = True
    names: Names | None = None
    classes: Names | None = None

    def __len__(self) -> int:
        return len(self.start_seconds)

    def within(self, window_start: float, window_end: float) -> "Requests":
        """The requests whose start lies in [window_start, window_end)."""
        chosen = (self.start_seconds >= window_start) & (self.start_seconds < window_end)
        return self.chosen(chosen)

    def chosen(self, chosen: Mask) -> "Requests":
        """Some of the requests."""
        names = None if self.names is None else self.names.chosen(chosen)
        classes = None if self.classes is None else self.classes.chosen(chosen)
        return Requests(
            self.start_seconds[chosen], self.latency_ms[chosen], self.outcome[chosen], self.complete, names, classes
        )

    @property
    def waited_ms(self) -> Floats:
        """How long each request without a response had waited: a lower bound of its latency in ms."""
        waited: Floats = self.latency_ms[self.outcome == NO_RESPONSE]
        return waited

    def count(self, outcome: float) -> int:
        """The number of requests with this outcome."""
        return int(np.count_nonzero(self.outcome == outcome))


@dataclass(frozen=True, eq=False)
class OpenRequests:
    """Requests of one open-loop probe: equally long arrays, in the order in which the requests ended.

    ``due_seconds`` (epoch) is the intended start, from which ``latency_ms`` is counted. ``outcome`` is `OK`,
    `TIMED_OUT`, `DROPPED` or the kind of a failure. ``lag_ms`` is how much later than intended the request was sent.
    Latency and lag of dropped requests, which were never sent, are NaN. ``complete`` is as in `Requests`.
    """

    due_seconds: Floats
    latency_ms: Floats
    outcome: Floats
    lag_ms: Floats
    complete: bool = True

    def __len__(self) -> int:
        return len(self.due_seconds)

    def within(self, window_start: float, window_end: float) -> "OpenRequests":
        """The requests that were due in [window_start, window_end)."""
        return self._chosen((self.due_seconds >= window_start) & (self.due_seconds < window_end))

    @property
    def sent(self) -> "OpenRequests":
        """The requests without the dropped ones: they have a latency, whatever their outcome."""
        return self._chosen(self.outcome != DROPPED)

    def count(self, outcome: float) -> int:
        """The number of requests with this outcome."""
        return int(np.count_nonzero(self.outcome == outcome))

    @property
    def failed(self) -> int:
        """The number of requests that failed, without those that timed out or were not sent."""
        return int(np.count_nonzero(is_failed(self.outcome)))

    def _chosen(self, chosen: Mask) -> "OpenRequests":
        return OpenRequests(
            self.due_seconds[chosen], self.latency_ms[chosen], self.outcome[chosen], self.lag_ms[chosen], self.complete
        )


def read_requests(paths: Sequence[Path]) -> Requests:
    """Read the requests-*.f64.gz of all workers of one attempt of an earlier version, in the order given.

    Raises `LabError` when a file cannot be read, or has a record that cannot be a request (NaN, a negative latency).
    """
    rows, complete = read_rows(paths, UNNAMED_FIELDS, _is_nonsense)
    return Requests(rows[:, 0], rows[:, 1], rows[:, 2], complete)


def read_named_requests(
    tables: Mapping[Path, Sequence[str] | None], classes: Mapping[Path, Sequence[str] | None] | None = None
) -> Requests:
    """Read the named-requests-*.f64.gz of all workers of one attempt, each with the names to which it refers.

    ``classes`` has the user class that belongs to each name. Without the names of a worker, the requests have none. The
    same holds for the classes. Raises `LabError` as `read_requests` does, and where a record refers to a name that is
    not there.
    """
    parts, complete = [], True
    for path, table in tables.items():
        rows, whole = read_rows([path], FIELDS, functools.partial(_is_named_nonsense, table))
        parts.append(rows)
        complete = complete and whole
    rows = np.concatenate([np.empty((0, FIELDS)), *parts])
    numbers = [part[:, 3] for part in parts]
    names = _joined_names(numbers, list(tables.values()))
    by_class = _joined_names(numbers, [classes.get(path) for path in tables]) if classes and names is not None else None
    return Requests(rows[:, 0], rows[:, 1], rows[:, 2], complete, names, by_class)


def _joined_names(numbers: Sequence[Floats], tables: Sequence[Sequence[str] | None]) -> Names | None:
    known = [table for table in tables if table is not None]
    return join_names(numbers, known) if len(known) == len(numbers) else None


def read_open_requests(path: Path) -> OpenRequests:
    """Read the open-requests-*.f64.gz of one worker in one probe. Raises `LabError` as `read_requests` does."""
    rows, complete = read_rows([path], OPEN_FIELDS, _is_open_nonsense)
    return OpenRequests(rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3], complete)


def merge_open(parts: Sequence[OpenRequests]) -> OpenRequests:
    """Requests of several workers as those of one probe."""
    return OpenRequests(
        due_seconds=_joined([part.due_seconds for part in parts]),
        latency_ms=_joined([part.latency_ms for part in parts]),
        outcome=_joined([part.outcome for part in parts]),
        lag_ms=_joined([part.lag_ms for part in parts]),
        complete=all(part.complete for part in parts),
    )


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate([np.empty(0), *parts])


def read_rows(paths: Sequence[Path], fields: int, is_nonsense: Callable[[Floats], Mask]) -> tuple[Floats, bool]:
    """The records of all files, one in each row, and whether every file was whole.

    Raises `LabError` when a file cannot be read or ``is_nonsense`` names one of its rows.
    """
    record_bytes = 8 * fields
    parts, complete = [np.empty((0, fields))], True
    for path in paths:
        data, whole = decompress(read_bytes(path))
        rows = np.frombuffer(data[: len(data) // record_bytes * record_bytes], dtype="<f8").reshape(-1, fields)
        bad = is_nonsense(rows)
        if bad.any():
            position = int(np.argmax(bad))
            raise LabError(f"{path}: record {position} is invalid: {rows[position].tolist()}. The file is damaged")
        parts.append(rows)
        complete = complete and whole and len(data) % record_bytes == 0
    return np.concatenate(parts), complete


def decompress(data: bytes) -> tuple[bytes, bool]:
    """Gzip bytes, of one or more members -> (content, whether the stream is complete).

    A worker that was killed leaves a member without its end. The readable part of it is returned.
    """
    content, position, whole = bytearray(), 0, True
    member = zlib.decompressobj(wbits=31)
    try:
        while position < len(data):
            piece = data[position : position + _PIECE_BYTES]
            content += member.decompress(piece)
            position += len(piece) - len(member.unused_data)
            whole = member.eof
            if member.eof:
                member = zlib.decompressobj(wbits=31)
    except zlib.error:
        return bytes(content), False
    return bytes(content), whole


def _is_nonsense(rows: Floats) -> Mask:
    outcome = rows[:, 2]
    known = is_failed(outcome) | np.isin(outcome, (OK, NO_RESPONSE))
    return ~np.isfinite(rows).all(axis=1) | (rows[:, 1] < 0) | ~known


def _is_named_nonsense(table: Sequence[str] | None, rows: Floats) -> Mask:
    number = rows[:, 3]
    bad: Mask = _is_nonsense(rows) | (number != np.floor(number)) | (number < NO_NAME)
    return bad if table is None else bad | (number >= len(table))


def _is_open_nonsense(rows: Floats) -> Mask:
    due, latency, outcome, lag, server = rows.T
    sent = outcome != DROPPED
    untimed = ~(np.isfinite(latency) & np.isfinite(lag)) | (latency < 0) | (lag < 0)
    known = np.isfinite(due) & np.isfinite(server)
    known &= is_failed(outcome) | np.isin(outcome, (OK, TIMED_OUT, DROPPED))
    bad: Mask = ~known | (sent & untimed)
    return bad


def percentile(latency_ms: Floats, percent: float) -> float | None:
    """The nearest-rank percentile: the smallest latency that at least ``percent`` % do not exceed; None without data.

    Definition 1 of Hyndman and Fan (1996), numpy's "inverted_cdf": always a latency that was really measured.
    """
    if len(latency_ms) == 0:
        return None
    return float(np.percentile(latency_ms, percent, method="inverted_cdf"))


def lower_bounds(parts: Sequence[Floats], waited: Sequence[Floats]) -> list[str]:
    """Which figures of `describe` over ``parts`` are lower bounds, because requests in them had no response.

    ``waited`` holds the entries of those requests, in ms. Their true latency is at least that. A percentile is exact if
    all of these entries are above it. The mean never is.
    """
    waited_ms = _joined(waited)
    if len(waited_ms) == 0:
        return []
    least = float(waited_ms.min())
    figures = describe(parts).by_name().items()
    return [name for name, value in figures if value is not None and (name == "mean" or least <= value)]


def describe(parts: Sequence[Floats]) -> LatencyMs:
    """Mean, p50, p95 and p99 in ms over all latencies of ``parts`` merged; None where there are too few.

    Percentiles of several attempts come from the merged latencies: an average of percentiles is not a percentile.
    """
    merged = _joined(parts)
    count = len(merged)
    return LatencyMs(
        mean=float(merged.mean()) if count else None,
        p50=percentile(merged, 50),
        p95=percentile(merged, 95) if count >= MIN_REQUESTS["p95_ms"] else None,
        p99=percentile(merged, 99) if count >= MIN_REQUESTS["p99_ms"] else None,
    )
