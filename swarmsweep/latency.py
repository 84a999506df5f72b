"""Exact latencies of one trial: read what the Locust workers recorded, cut the measured window, take percentiles."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swarmsweep.errors import LabError
from swarmsweep.files import read_bytes

RECORD_BYTES = 24  # three little-endian float64: start (epoch seconds), latency (ms), ok (1.0 or 0.0)

_PIECE_BYTES = 1024  # an error in compressed data discards the piece it is found in, so the pieces are small

# Below these counts the tail is a handful of requests, and a percentile of it is chance.
MIN_REQUESTS = {"p95": 20, "p99": 100}


@dataclass(frozen=True, eq=False)
class Requests:
    """Requests of one trial: ``start_seconds`` (epoch), ``latency_ms`` and ``ok``, equally long arrays.

    ``complete`` is False when a file broke off and was read up to its last whole record.
    """

    start_seconds: np.ndarray
    latency_ms: np.ndarray
    ok: np.ndarray
    complete: bool = True

    def __len__(self) -> int:
        return len(self.start_seconds)

    def within(self, window_start: float, window_end: float) -> "Requests":
        """The requests whose start lies in [window_start, window_end)."""
        chosen = (self.start_seconds >= window_start) & (self.start_seconds < window_end)
        return Requests(self.start_seconds[chosen], self.latency_ms[chosen], self.ok[chosen], self.complete)


def read_requests(paths: list[Path]) -> Requests:
    """Read the requests-*.f64.gz of all workers of one trial, in the order given.

    Raises `LabError` when a file cannot be read or holds something that is no request (NaN, a negative latency).
    """
    parts, complete = [np.empty((0, 3))], True
    for path in paths:
        data, whole = decompress(read_bytes(path))
        rows = np.frombuffer(data[: len(data) // RECORD_BYTES * RECORD_BYTES], dtype="<f8").reshape(-1, 3)
        _refuse_nonsense(rows, path)
        parts.append(rows)
        complete = complete and whole and len(data) % RECORD_BYTES == 0
    rows = np.concatenate(parts)
    return Requests(rows[:, 0], rows[:, 1], rows[:, 2] == 1.0, complete)


def decompress(data: bytes) -> tuple[bytes, bool]:
    """Gzip bytes, of one or more members -> (content, whether the stream ended as it should).

    A worker that was killed leaves a member without its end; what can be had of it is returned.
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


def _refuse_nonsense(rows: np.ndarray, path: Path) -> None:
    bad = ~np.isfinite(rows).all(axis=1) | (rows[:, 1] < 0) | ~np.isin(rows[:, 2], (0.0, 1.0))
    if bad.any():
        position = int(np.argmax(bad))
        raise LabError(f"{path}: record {position} is no request: {rows[position].tolist()}; the file is damaged")


def percentile(latency_ms: np.ndarray, percent: float) -> float | None:
    """The nearest-rank percentile: the smallest latency that at least ``percent`` % do not exceed; None without data.

    Definition 1 of Hyndman and Fan (1996), numpy's "inverted_cdf": always a latency that was really seen.
    """
    if len(latency_ms) == 0:
        return None
    return float(np.percentile(latency_ms, percent, method="inverted_cdf"))


def describe(parts: list[np.ndarray]) -> dict[str, float | None]:
    """Mean, p50, p95 and p99 in ms over all latencies of ``parts`` merged; None where there are too few.

    Percentiles of several trials are taken from the merged latencies, because an average of percentiles is none.
    """
    merged = np.concatenate([np.empty(0), *parts])
    count = len(merged)
    return {
        "mean": float(merged.mean()) if count else None,
        "p50": percentile(merged, 50),
        "p95": percentile(merged, 95) if count >= MIN_REQUESTS["p95"] else None,
        "p99": percentile(merged, 99) if count >= MIN_REQUESTS["p99"] else None,
    }
