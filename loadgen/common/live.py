"""What a load does now, in a small file of Locust's master that is written once a second: ``live.json``.

A person who watches a sweep reads it (`./lab watch`). No figure of a report comes from it. It is removed at the end of
the load, and has

stage          ramp, warmup, window or end; of a search, the purpose of the probe, or pause between two probes
stage_started, stage_seconds   epoch seconds, and the planned length; null where it has none
probe          number of the probe, of a search
offered, offered_unit   what the probe offers: requests/s, iterations/s, users or connections
measured_at    epoch seconds of the end of the two seconds that the rates are means of
rps, failures_per_second   responses without a failure, and failures
p50_ms, p95_ms   of the responses that the workers reported last, in one to three seconds; null without workers
users          that run
"""

import itertools
import logging
import time
from bisect import bisect_left
from collections import Counter, deque
from pathlib import Path
from typing import Any

import gevent

from loadgen.common.outputs import write_json
from loadgen.shared.request_record import LIVE_FILE

logger = logging.getLogger("live")

# Part of each second at which the file is written. Workers report once a second, so that all have reported the seconds
# before the last one by then.
PHASE_SECONDS = 0.3
# Whole seconds that the rates are means of, before the last whole one.
RATE_SECONDS = 2
# Percentiles are of the reports of the last second. With fewer responses than these, older reports are added.
REPORT_SECONDS, MAX_REPORT_SECONDS = 1.0, 3.0
ENOUGH = 500
# So many are a sample of all workers, which share the load. More would take more than 0.1 % of a core.
SAMPLE = 1500


class Live:
    """Writes the file from its own greenlet. An error in it ends the file, and never the load.

    Args:
        environment: Locust's, of the master, or of a Locust without workers.
        directory: where the file goes.
    """

    def __init__(self, environment: Any, directory: Path) -> None:
        self._environment, self._path = environment, directory / LIVE_FILE
        self._path.unlink(missing_ok=True)
        self._stage: dict[str, Any] = {}
        # When a worker reported (monotonic seconds), and how many new responses had each latency. Locust sends only
        # what is new. The counts of the whole load would be 50 times as many.
        self._reports: deque[tuple[float, dict[float, int]]] = deque()
        self._greenlet: gevent.Greenlet | None = None
        self.enter("ramp")
        environment.events.worker_report.add_listener(self._on_report)

    def enter(
        self,
        stage: str,
        seconds: float | None = None,
        *,
        probe: int | None = None,
        offered: float | None = None,
        offered_unit: str | None = None,
    ) -> None:
        """Note what the load does from now on."""
        self._stage = {
            "stage": stage,
            "stage_started": time.time(),
            "stage_seconds": seconds,
            "probe": probe,
            "offered": offered,
            "offered_unit": offered_unit,
        }

    def start(self) -> None:
        """Write the file from now on."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Write nothing more, and remove the file. Safe to repeat."""
        if self._greenlet is not None:
            self._greenlet.kill(block=False)
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        try:
            while True:
                gevent.sleep(1 + PHASE_SECONDS - time.time() % 1)
                write_json(self._path, {"schema": 1, **self._stage, **self._figures()}, durable=False)
        except Exception:
            logger.exception("no live figures from now on")
            self._path.unlink(missing_ok=True)

    def _figures(self) -> dict[str, Any]:
        total, runner = self._environment.runner.stats.total, self._environment.runner
        end = int(time.time()) - 1
        seconds = range(end - RATE_SECONDS, end)
        requests = sum(total.num_reqs_per_sec.get(second, 0) for second in seconds)
        failures = sum(total.num_fail_per_sec.get(second, 0) for second in seconds)
        p50_ms, p95_ms = self._percentiles()
        return {
            "measured_at": float(end),
            "rps": max(0, requests - failures) / RATE_SECONDS,
            "failures_per_second": failures / RATE_SECONDS,
            "p50_ms": p50_ms,
            "p95_ms": p95_ms,
            "users": runner.user_count,
        }

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        now = time.monotonic()
        # A scenario may have changed the message.
        self._reports.append((now, data.get("stats_total", {}).get("response_times", {})))
        while now - self._reports[0][0] > MAX_REPORT_SECONDS:
            self._reports.popleft()

    def _percentiles(self) -> tuple[float | None, float | None]:
        now = time.monotonic()
        counts: Counter[float] = Counter()
        number = 0
        for reported, latencies in reversed(self._reports):
            age_seconds = now - reported
            if age_seconds > MAX_REPORT_SECONDS or number >= (ENOUGH if age_seconds > REPORT_SECONDS else SAMPLE):
                break
            counts.update(latencies)
            number += sum(latencies.values())
        if not counts:
            return None, None
        ordered = sorted(counts)
        sums = list(itertools.accumulate(map(counts.__getitem__, ordered)))
        return tuple(ordered[bisect_left(sums, share * sums[-1])] for share in (0.5, 0.95))
