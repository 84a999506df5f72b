"""What one worker records of one probe: every request in a file, and one-second bins for the master.

The file has the requests in the order in which they ended, as request_record.py says. A request is dropped, and never
sent, when too many are in flight.

A bin holds the requests whose *intended* start lies in its second. Its histogram is an HdrHistogram (V2, compressed,
base64) of the latencies of those that were ok, in microseconds to three significant digits. Histograms are merged by
adding.
"""

import math
import sys
import time
from array import array
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import gevent
from locust.stats import RequestStats

from loadgen.common.bins import Bin
from loadgen.common.compression import compress, compressed
from loadgen.common.histogram import encode_histogram, quantize_us
from loadgen.common.secrets_folder import hide
from loadgen.open.tally import LocustTally
from loadgen.shared.request_record import DROPPED, OK, OPEN_FIELDS, TIMED_OUT

# The number of different error texts and replicas that are kept. A server that puts an id into each would fill the
# memory.
MAX_TEXTS = 200
OTHERS = "(others)"
# How often requests are binned, and the minimum number. It takes about 0.3 ms, and no due request is later by more.
BATCH_SECONDS, MIN_BATCH = 0.02, 256
# Seconds between two batches after the load. With 0, gevent would continue for 5 ms before it handles other events.
PAUSE_SECONDS = 0.0005


class ProbeLog:
    """All of one probe. `add`, `offer` and `record_in_flight` are called on gevent's hub, the rest from a greenlet.

    Args:
        path: the file of requests, without ``.gz``.
        origin: epoch seconds where the first bin begins.
        first_second: number of the first bin, seconds from the measured window, 0 or less.
        start, end: epoch seconds between which requests are due.
        stats: Locust's statistics, which are kept true; None where they have these requests already.
        method, name: of the request there.
    """

    def __init__(
        self,
        path: Path,
        origin: float,
        first_second: int,
        start: float,
        end: float,
        stats: RequestStats | None,
        method: str,
        name: str,
    ) -> None:
        self._path, self._origin, self._first_second = path, origin, first_second
        # Requests in flight are integrated up to ``_known``; since then, their number is ``_under_way``.
        self._known, self._end, self._under_way = start, end, 0
        self._stats, self._method, self._name = stats, method, name
        self.bins: defaultdict[int, Bin] = defaultdict(Bin)
        self.errors: Counter[str] = Counter()
        self.servers: list[str] = []
        self._numbers: dict[bytes, float] = {}
        self._lags_us: Counter[int] = Counter()
        self._buffer = array("d")
        self._offers = array("d")
        # A request was due at this time (epoch seconds), whatever its outcome.
        self.offer = self._offers.append
        self._extend = self._buffer.extend
        self._tally = LocustTally()
        self._cpu = (time.monotonic(), time.process_time())
        self._binned = 0
        # Remove files of an earlier attempt, so that they are not taken for those of this one.
        self.compressed.unlink(missing_ok=True)
        self._file = path.open("wb")

    @property
    def compressed(self) -> Path:
        """The file of requests; it exists once it is complete."""
        return compressed(self._path)

    def add(self, begun: float, latency: float, outcome: float, lag: float, headers: Any, size: int) -> None:
        """Add a request that has ended; times in seconds."""
        server = -1.0
        if headers:
            # The spelling of our API, and that of proxies that write all names in lower case.
            name = headers.get(b"X-Served-By") or headers.get(b"x-served-by")
            if name:
                server = self._numbers.get(name, -2.0)
                if server == -2.0:
                    server = self._number(name)
        self._tally.bytes += size
        self._extend((begun, latency * 1e3, outcome, lag * 1e3, server))

    def drop(self, begun: float) -> None:
        """Count a request that was not sent."""
        self._extend((begun, math.nan, DROPPED, math.nan, -1.0))

    def explain(self, reason: str) -> None:
        """Record why the last ended request failed, in words that may be the scenario's."""
        if reason not in self.errors:
            reason = hide(str(reason))
            if reason not in self.errors and len(self.errors) >= MAX_TEXTS:
                reason = OTHERS
        self.errors[reason] += 1
        self._tally.errors[reason] += 1

    def record_in_flight(self, moment: float, in_flight: int) -> None:
        """Record that from ``moment`` (epoch seconds) on, this many requests are in flight.

        Their mean is exact. Periodic sampling would be wrong if the API worked in the same rhythm. An API whose CPU
        limit is refilled ten times a second does so.
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
            # Close to a whole second, the rounded difference may be zero.
            known = until if until > known else end
        self._known = max(known, self._known)
        self._under_way = in_flight

    def _number(self, name: bytes) -> float:
        text = name.decode("latin-1")
        if len(self.servers) >= MAX_TEXTS:
            text = OTHERS
        if text not in self.servers:
            self.servers.append(text)
        number = float(self.servers.index(text))
        if len(self._numbers) < 10 * MAX_TEXTS:
            self._numbers[name] = number
        return number

    def flush_batch(self) -> None:
        """Bin and write a part of the ended requests; call it every `BATCH_SECONDS`.

        The part is a quarter, so that no call takes long and no backlog grows, however busy the loop is.
        """
        number = max(MIN_BATCH, len(self._buffer) // OPEN_FIELDS // 4)
        block, offers = self._buffer[: OPEN_FIELDS * number], self._offers[: 4 * number]
        del self._buffer[: OPEN_FIELDS * number], self._offers[: 4 * number]
        for second, count in Counter([int(begun - self._origin) for begun in offers]).items():
            self.bins[second].offered += count
        if block:
            self._bin(block)
            if sys.byteorder == "big":
                block.byteswap()
            block.tofile(self._file)

    def end_second(self, seconds: int) -> None:
        """Call once a second: ``seconds`` bins are over now. The newly ended ones get the CPU use since the last
        call."""
        if seconds > self._binned:
            self._note_cpu(seconds)
        self._file.flush()
        tally, self._tally = self._tally, LocustTally()
        if self._stats is not None:
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
        seconds = [int(begun - origin) for begun in block[::OPEN_FIELDS]]
        rows = list(zip(*(block[column::OPEN_FIELDS] for column in range(OPEN_FIELDS)), strict=True))
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
            current.failed += len(sent) - counts[OK] - counts[TIMED_OUT]
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
        """Bin the rest and compress the file, in a thread, because heartbeats must continue."""
        while self._buffer or self._offers:
            self.flush_batch()
            gevent.sleep(PAUSE_SECONDS)
        self.end_second(0)
        self._file.close()
        gevent.get_hub().threadpool.apply(compress, (self._path,))

    def summarize(self) -> dict[str, Any]:
        """Bins, errors, replicas and the lag of the measured window, for JSON and for the master."""
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
