"""What one worker records of one trial: every request in a file, and one-second bins for the master.

``open-requests-<host>-<index>-trial-<n>.f64.gz`` holds five little-endian float64 a request, in the order in which
they ended:

1. intended start, epoch seconds (by the worker's clock at the start of the trial, then by its monotonic clock)
2. latency in ms from the intended start to the end; NaN when it was dropped
3. outcome: 1 ok, 0 failed, 2 timed out, 3 dropped (never sent, because too many were under way)
4. lag in ms: how much later than intended it was sent; NaN when it was dropped
5. number of the replica in ``servers`` of the summary, from its X-Served-By; -1 when there was no such answer

A bin holds the requests whose *intended* start lies in its second. Its histogram is an HdrHistogram (V2, compressed,
base64) of the latencies of those that were ok, in microseconds to three significant digits: merged by adding.
"""

import gzip
import math
import os
import sys
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
import locust.stats
from hdrh.histogram import HdrHistogram
from locust.stats import RequestStats, StatsEntry

from loadgen.open.lean_http import FAILED, OK, TIMED_OUT

DROPPED = 3.0
FIELDS = 5
# An hour is longer than any trial.
LONGEST_US = 3_600_000_000
SIGNIFICANT_DIGITS = 3
# Different error texts and replicas that are kept; a server that puts an id into each would fill the memory.
MOST_TEXTS = 200
OTHERS = "(others)"
# How often requests are binned, and how many at least: some 0.3 ms of work, by which nothing that is due is later.
BIN_SECONDS, LEAST_PIECE = 0.02, 256
# Between two pieces after the load. With 0, gevent would go on for 5 ms before it looks at anything else.
PAUSE_SECONDS = 0.0005
COMPRESS_CHUNK_BYTES = 1 << 20


def new_histogram() -> HdrHistogram:
    """Empty; all histograms of all workers have these bounds, or they could not be added."""
    return HdrHistogram(1, LONGEST_US, SIGNIFICANT_DIGITS)


def encode_histogram(values_us: dict[int, int]) -> str:
    """A histogram of microseconds and their counts, in base64."""
    histogram = new_histogram()
    for value, count in values_us.items():
        histogram.record_value(min(value, LONGEST_US), count)
    return histogram.encode().decode()


def quantize_us(latencies_ms: Iterable[float]) -> list[int]:
    """Microseconds, those from 2048 on rounded down as a histogram of three digits does, so that few values differ.

    Eleven bits are kept: steps of 2 us from 2048 us on, of 4 us from 4096 us on, and so forth: at most 0.1 %.
    """
    values = [int(latency * 1000 + 0.5) for latency in latencies_ms]
    return [value if value < 2048 else value >> (low := value.bit_length() - 11) << low for value in values]


@dataclass
class Bin:
    """Requests of one second, by their intended start. Sums are over all that were sent and have ended."""

    offered: int = 0
    ok: int = 0
    failed: int = 0
    timed_out: int = 0
    dropped: int = 0
    latency_ms_sum: float = 0.0
    lag_ms_sum: float = 0.0
    cpu_percent: float | None = None
    # Of the requests under way: their number x seconds, over the seconds of this bin that the trial covers.
    in_flight_area: float = 0.0
    in_flight_seconds: float = 0.0
    in_flight_max: int = 0
    # Number of the replica -> answers; -1 for those without one.
    served_by: Counter = field(default_factory=Counter)
    # Of those that were ok: microseconds, quantized -> count.
    latencies_us: Counter = field(default_factory=Counter)

    def as_json(self, second: int) -> dict[str, Any]:
        """``second`` counts from the start of the measured window; before it, it is negative."""
        return {
            "second": second,
            "offered": self.offered,
            "ok": self.ok,
            "failed": self.failed,
            "timed_out": self.timed_out,
            "dropped": self.dropped,
            "latency_ms_sum": self.latency_ms_sum,
            "lag_ms_sum": self.lag_ms_sum,
            "cpu_percent": self.cpu_percent,
            "in_flight_mean": self.in_flight_area / self.in_flight_seconds if self.in_flight_seconds else None,
            "in_flight_max": self.in_flight_max if self.in_flight_seconds else None,
            "served_by": dict(self.served_by),
            "latency_histogram": encode_histogram(self.latencies_us),
        }


class LocustTally:
    """Requests on their way to Locust's statistics, which get them once a second: Locust's event for each request
    would cost as much as sending it."""

    def __init__(self) -> None:
        self._per_second: Counter[int] = Counter()
        # In tenths of a millisecond, the finest that Locust is asked for.
        self._tenths: Counter[int] = Counter()
        self._sum, self._least, self._greatest = 0.0, math.inf, 0.0
        self.bytes = 0
        self.errors: Counter[str] = Counter()

    def add(self, begun: Sequence[float], latency_ms: Sequence[float]) -> None:
        """Requests that were sent and have ended, counted in the second of their end."""
        self._per_second.update([int(start + late * 1e-3) for start, late in zip(begun, latency_ms, strict=True)])
        self._tenths.update([int(latency * 10 + 0.5) for latency in latency_ms])
        self._sum += sum(latency_ms)
        self._least, self._greatest = min(self._least, *latency_ms), max(self._greatest, *latency_ms)

    def report(self, stats: RequestStats, method: str, name: str) -> None:
        """Add all of them."""
        for reason in self.errors.elements():
            stats.log_error(method, name, reason)
        if not self._per_second:
            return
        entry = StatsEntry(stats, name, method)
        for tenth, count in self._tenths.items():
            entry.response_times[locust.stats.bucket_response_time(tenth / 10)] += count
        entry.total_response_time = self._sum
        entry.min_response_time, entry.max_response_time = self._least, self._greatest
        entry.num_requests, entry.total_content_length = self._per_second.total(), self.bytes
        entry.num_reqs_per_sec.update(self._per_second)
        entry.last_request_timestamp = time.time()
        for total in (stats.total, stats.get(name, method)):
            total.extend(entry)


class TrialLog:
    """All of one trial. `add`, `offer` and `occupy` are called on gevent's hub, the rest from a greenlet.

    Args:
        path: the file of requests, without ``.gz``.
        origin: epoch seconds where the first bin begins.
        first_second: number of the first bin, seconds from the measured window, 0 or less.
        start, end: epoch seconds between which requests are due.
        stats: Locust's statistics, which are kept true.
        method, name: of the request there.
    """

    def __init__(
        self,
        path: Path,
        origin: float,
        first_second: int,
        start: float,
        end: float,
        stats: RequestStats,
        method: str,
        name: str,
    ) -> None:
        self._path, self._origin, self._first_second = path, origin, first_second
        # Until then the requests under way are known, and how many there are since.
        self._known, self._end, self._under_way = start, end, 0
        self._stats, self._method, self._name = stats, method, name
        self.bins: defaultdict[int, Bin] = defaultdict(Bin)
        self.errors: Counter[str] = Counter()
        self.servers: list[str] = []
        self._numbers: dict[bytes, float] = {}
        self._lags_us: Counter[int] = Counter()
        self._buffer = array("d")
        self._offers = array("d")
        # A request was due at this time (epoch seconds), whatever becomes of it.
        self.offer = self._offers.append
        self._extend = self._buffer.extend
        self._tally = LocustTally()
        self._cpu = (time.monotonic(), time.process_time())
        self._binned = 0
        # What an earlier attempt left must not be taken for ours.
        self.compressed.unlink(missing_ok=True)
        self._file = path.open("wb")

    @property
    def compressed(self) -> Path:
        """The file of requests, once it is complete."""
        return self._path.with_name(f"{self._path.name}.gz")

    def add(self, begun: float, latency: float, outcome: float, lag: float, headers: Any, size: int) -> None:
        """A request has ended; times in seconds."""
        server = -1.0
        if headers:
            # As our API writes it, and as proxies do that write all names in lower case.
            name = headers.get(b"X-Served-By") or headers.get(b"x-served-by")
            if name:
                server = self._numbers.get(name, -2.0)
                if server == -2.0:
                    server = self._number(name)
        self._tally.bytes += size
        self._extend((begun, latency * 1e3, outcome, lag * 1e3, server))

    def drop(self, begun: float) -> None:
        """A request was not sent."""
        self._extend((begun, math.nan, DROPPED, math.nan, -1.0))

    def explain(self, reason: str) -> None:
        """Why the request that has just ended failed."""
        if reason not in self.errors and len(self.errors) >= MOST_TEXTS:
            reason = OTHERS
        self.errors[reason] += 1
        self._tally.errors[reason] += 1

    def occupy(self, moment: float, in_flight: int) -> None:
        """From ``moment`` (epoch seconds) on, so many requests are under way.

        Their mean is exact: looked at from time to time, it would be off where the API works in the rhythm of the
        looks, as one does whose CPU limit is refilled ten times a second.
        """
        known, end = self._known, min(moment, self._end)
        while known < end:
            number = int(known - self._origin)
            until = min(end, self._origin + number + 1)
            current = self.bins[number]
            current.in_flight_area += self._under_way * (until - known)
            current.in_flight_seconds += until - known
            if self._under_way > current.in_flight_max:
                current.in_flight_max = self._under_way
            # Beside a whole second, rounding may leave nothing to add.
            known = until if until > known else end
        self._known = max(known, self._known)
        self._under_way = in_flight

    def _number(self, name: bytes) -> float:
        text = name.decode("latin-1")
        if len(self.servers) >= MOST_TEXTS:
            text = OTHERS
        if text not in self.servers:
            self.servers.append(text)
        number = float(self.servers.index(text))
        if len(self._numbers) < 10 * MOST_TEXTS:
            self._numbers[name] = number
        return number

    def bin_some(self) -> None:
        """Bin and write a part of what has ended; to be called every `BIN_SECONDS`.

        A quarter of what there is, so that no call takes long and nothing piles up, however busy the loop is.
        """
        number = max(LEAST_PIECE, len(self._buffer) // FIELDS // 4)
        block, offers = self._buffer[: FIELDS * number], self._offers[: 4 * number]
        del self._buffer[: FIELDS * number], self._offers[: 4 * number]
        for second, count in Counter([int(begun - self._origin) for begun in offers]).items():
            self.bins[second].offered += count
        if block:
            self._bin(block)
            if sys.byteorder == "big":
                block.byteswap()
            block.tofile(self._file)

    def end_second(self, seconds: int) -> None:
        """Once a second: ``seconds`` bins are over now; the newly over get the CPU used since the last call."""
        if seconds > self._binned:
            self._note_cpu(seconds)
        self._file.flush()
        tally, self._tally = self._tally, LocustTally()
        tally.report(self._stats, self._method, self._name)

    def _note_cpu(self, seconds: int) -> None:
        clock, cpu = time.monotonic(), time.process_time()
        percent = 100 * (cpu - self._cpu[1]) / max(clock - self._cpu[0], 1e-9)
        for second in range(self._binned, seconds):
            self.bins[second].cpu_percent = percent
        self._cpu, self._binned = (clock, cpu), seconds

    def _bin(self, block: array) -> None:
        """Put requests into their bins, by whole columns: a loop over requests would take three times as long."""
        origin = self._origin
        seconds = [int(begun - origin) for begun in block[::FIELDS]]
        rows = list(zip(*(block[column::FIELDS] for column in range(FIELDS)), strict=True))
        for second in set(seconds):
            chosen = [row for row, of in zip(rows, seconds, strict=True) if of == second]
            current = self.bins[second]
            sent = [row for row in chosen if row[2] != DROPPED]
            current.dropped += len(chosen) - len(sent)
            if not sent:
                continue
            begun, latency_ms, outcomes, lag_ms, servers = zip(*sent, strict=True)
            current.latency_ms_sum += sum(latency_ms)
            current.lag_ms_sum += sum(lag_ms)
            counts = Counter(outcomes)
            current.ok += counts[OK]
            current.failed += counts[FAILED]
            current.timed_out += counts[TIMED_OUT]
            current.served_by.update(servers)
            self._tally.add(begun, latency_ms)
            good = latency_ms
            if counts[OK] < len(sent):
                good = [latency for latency, outcome in zip(latency_ms, outcomes, strict=True) if outcome == OK]
            current.latencies_us.update(quantize_us(good))
            if second >= -self._first_second:
                self._lags_us.update(quantize_us(lag_ms))

    def close(self) -> None:
        """Bin the rest and compress the file, in a thread: heartbeats must go on."""
        while self._buffer or self._offers:
            self.bin_some()
            gevent.sleep(PAUSE_SECONDS)
        self.end_second(0)
        self._file.close()
        gevent.get_hub().threadpool.apply(self._compress)

    def _compress(self) -> None:
        temporary = self._path.with_name(f".{self._path.name}.gz.tmp")
        with self._path.open("rb") as source, temporary.open("wb") as target:
            with gzip.GzipFile("", "wb", compresslevel=1, fileobj=target, mtime=0) as packed:
                while chunk := source.read(COMPRESS_CHUNK_BYTES):
                    packed.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        temporary.replace(self.compressed)
        self._path.unlink()

    def summarize(self) -> dict[str, Any]:
        """Bins, errors, replicas and the lag of the measured window, fit for JSON and for the master."""
        bins = []
        for second in sorted(self.bins):
            current = self.bins[second]
            del current.served_by[-1.0]
            current.served_by = Counter({self.servers[int(n)]: count for n, count in current.served_by.items()})
            bins.append(current.as_json(second + self._first_second))
            # Each takes some milliseconds.
            gevent.sleep(PAUSE_SECONDS)
        return {
            "bins": bins,
            "lag_histogram": encode_histogram(self._lags_us),
            "errors": dict(self.errors),
            "servers": self.servers,
            "requests_file": self.compressed.name,
        }
