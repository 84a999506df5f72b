"""The master's part of open-loop load: orders trials of all workers and merges what they report. See open/generator.py.

    trials = Trials(environment)             # on the master, or alone, when Locust initialises
    trials.wait_ready(workers, 60)           # once the users have been started, one per worker
    summary = trials.run("poisson", {"p95_ms": 300}, rate_rps=200, seconds_settle=8, seconds_measure=60, seed=7)

`run` blocks its greenlet. A merged summary has the keys of a worker's, summed, and:

workers          one entry each, by worker: host, index, window, counts, greatest CPU, file of requests
workers_ordered, workers_reported    a trial with fewer reports than orders is no measurement
measured         counts of the measured window; ``offered_rps`` and ``achieved_rps`` (sent, in time or not), latency
                 percentiles and mean of those that were ok and percentiles of the lag, in ms; null where nothing was
                 measured
within_limits    by the name of each limit that was given, requests of the measured window that were ok within it.
                 To three digits, as the histogram has them: a limit of 500 ms lets 500.2 ms pass
"""

import dataclasses
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import gevent
from hdrh.histogram import HdrHistogram
from locust.runners import STATE_MISSING, MasterRunner

from loadgen.open.generator import DONE, DRAIN_MARGIN_SECONDS, LEAD_SECONDS, READY, STOP, TRIAL, Order
from loadgen.open.trial_log import new_histogram

COUNTS = ("offered", "ok", "failed", "timed_out", "dropped")
CONNECTIONS = ("opened", "closed_idle", "resent")
IN_FLIGHT = ("in_flight_mean", "in_flight_max")
# For compressing the files of a long trial, and for messages on a busy network.
HAND_IN_SECONDS = 60.0
POLL_SECONDS = 0.1


class TrialError(Exception):
    """A trial could not be made; the text says which worker said what."""


class Trials:
    """Orders trials, one at a time. To be made when Locust initialises, before any worker reports."""

    def __init__(self, environment: Any) -> None:
        self._runner = environment.runner
        self._distributed = isinstance(self._runner, MasterRunner)
        # Node -> (host, index), in the order of their reports.
        self._ready: dict[str, tuple[str, str]] = {}
        self._done: dict[str, dict[str, Any]] = {}
        self._number = 0
        self._runner.register_message(READY, self._on_ready)
        self._runner.register_message(DONE, self._on_done)

    def wait_ready(self, workers: int, timeout_seconds: float) -> None:
        """Wait until a user stands by on each worker.

        Raises:
            TrialError: after ``timeout_seconds`` there are fewer.
        """
        deadline = time.monotonic() + timeout_seconds
        while len(self._present()) < workers:
            if time.monotonic() > deadline:
                raise TrialError(
                    f"{len(self._present())} of {workers} workers stand by after {timeout_seconds:g} s: are there as "
                    "many users as workers (--users), and is the scenario an OpenLoopUser?"
                )
            gevent.sleep(POLL_SECONDS)

    def run(self, kind: str, limits_ms: Mapping[str, float] | None = None, **settings: Any) -> dict[str, Any]:
        """One trial by all workers that are there; ``settings`` are those of `Order`.

        ``limits_ms``: latencies within which requests are counted, by name.

        Raises:
            ValueError: a setting that makes no sense.
            TrialError: there is no worker, none reported, or one could not do it.
        """
        nodes = self._present()
        if not nodes:
            raise TrialError("no worker stands by")
        self._number += 1
        whole = Order(self._number, kind, workers=len(nodes), **settings)
        self._done.clear()
        for number, node in enumerate(nodes):
            order = dataclasses.asdict(dataclasses.replace(whole, worker=number))
            self._runner.send_message(TRIAL, order, node if self._distributed else None)
        self._wait(nodes, whole)
        reports = [self._done[node] for node in nodes if node in self._done]
        for node, report in self._done.items():
            if "error" in report:
                raise TrialError(f"trial {whole.trial} on {'/'.join(self._ready[node])}: {report['error']}")
        if not reports:
            raise TrialError(f"trial {whole.trial}: none of {len(nodes)} workers reported")
        return merge(whole, reports, limits_ms or {})

    def stop(self) -> None:
        """End the trial that runs, from another greenlet; `run` returns what there is, marked as stopped."""
        for node in self._present():
            self._runner.send_message(STOP, {"trial": self._number}, node if self._distributed else None)

    def _on_ready(self, msg: Any, **_: Any) -> None:
        self._ready[msg.node_id] = (msg.data["host"], msg.data["index"])

    def _on_done(self, msg: Any, **_: Any) -> None:
        # A late report of an earlier trial must not be taken for this one's.
        if msg.data.get("trial") == self._number:
            self._done[msg.node_id] = msg.data

    def _present(self) -> list[str]:
        """Nodes that can load, by host and index, so that the same worker gets the same part each time."""
        if not self._distributed:
            return list(self._ready)
        there = {worker.id for worker in self._runner.clients.all if worker.state != STATE_MISSING}
        return sorted(self._ready.keys() & there, key=lambda node: (self._ready[node], node))

    def _wait(self, nodes: Sequence[str], order: Order) -> None:
        longest = LEAD_SECONDS + order.seconds_settle + order.seconds_measure + order.timeout_seconds
        deadline = time.monotonic() + longest + DRAIN_MARGIN_SECONDS + HAND_IN_SECONDS
        while time.monotonic() < deadline and set(self._present()) & set(nodes) - self._done.keys():
            gevent.sleep(POLL_SECONDS)


def merge(order: Order, reports: Sequence[dict[str, Any]], limits_ms: Mapping[str, float]) -> dict[str, Any]:
    """What all workers did together, from their summaries (at least one). Histograms are added, never averaged."""
    bins: dict[int, list[dict[str, Any]]] = {}
    for report in reports:
        for part in report["bins"]:
            bins.setdefault(part["second"], []).append(part)
    settings = {name: value for name, value in dataclasses.asdict(order).items() if name not in ("worker", "workers")}
    merged = [_merge_bins(second, bins[second]) for second in sorted(bins)]
    measured = [part for part in merged if part["second"] >= 0]
    latency = _add(part["latency_histogram"] for part in measured)
    lag = _add(report["lag_histogram"] for report in reports)
    return {
        "schema": 1,
        "trial": order.trial,
        "order": settings,
        "workers_ordered": order.workers,
        "workers_reported": len(reports),
        "stopped": next((report["stopped"] for report in reports if report["stopped"]), None),
        **{name: sum(report[name] for report in reports) for name in (*COUNTS, "in_flight_end")},
        "measured": _measure(order, measured, latency, lag),
        "within_limits": {name: count_within(latency, limit) for name, limit in limits_ms.items()},
        "bins": merged,
        "lag_histogram": lag.encode().decode(),
        "errors": dict(sum((Counter(report["errors"]) for report in reports), Counter())),
        "connections": {name: sum(report["connections"][name] for report in reports) for name in CONNECTIONS},
        "workers": [_describe(report) for report in reports],
    }


def percentile_ms(histogram: HdrHistogram, percent: float) -> float | None:
    """Milliseconds; None of an empty histogram."""
    return histogram.get_value_at_percentile(percent) / 1000 if histogram.total_count else None


def count_within(histogram: HdrHistogram, limit_ms: float) -> int:
    """How many values are at most the limit, or in the same step of the histogram (see `trial_log.quantize_us`)."""
    limit_us = histogram.get_highest_equivalent_value(round(limit_ms * 1000))
    return sum(
        item.count_added_in_this_iter_step
        for item in histogram.get_recorded_iterator()
        if item.value_iterated_to <= limit_us
    )


def _add(encoded: Any) -> HdrHistogram:
    total = new_histogram()
    for text in encoded:
        total.decode_and_add(text)
    return total


def _merge_bins(second: int, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The same second of several workers. In-flight adds up; of the CPU, the busiest worker's counts."""
    sums = {name: sum(part[name] for part in parts) for name in (*COUNTS, "latency_ms_sum", "lag_ms_sum")}
    known = {name: [part[name] for part in parts if part[name] is not None] for name in ("cpu_percent", *IN_FLIGHT)}
    return {
        "second": second,
        **sums,
        "cpu_percent": max(known["cpu_percent"], default=None),
        **{name: sum(known[name]) if known[name] else None for name in IN_FLIGHT},
        "served_by": dict(sum((Counter(part["served_by"]) for part in parts), Counter())),
        "latency_histogram": _add(part["latency_histogram"] for part in parts).encode().decode(),
    }


def _measure(order: Order, bins: Sequence[dict[str, Any]], latency: HdrHistogram, lag: HdrHistogram) -> dict[str, Any]:
    counts = {name: sum(part[name] for part in bins) for name in COUNTS}
    seconds = order.seconds_measure
    return {
        "seconds": seconds,
        **counts,
        "offered_rps": counts["offered"] / seconds,
        "achieved_rps": (counts["offered"] - counts["dropped"]) / seconds,
        "latency_ms": {f"p{percent}": percentile_ms(latency, percent) for percent in (50, 95, 99)}
        | {"mean": latency.get_mean_value() / 1000 if latency.total_count else None},
        "lag_ms": {f"p{percent}": percentile_ms(lag, percent) for percent in (50, 99)},
        "served_by": dict(sum((Counter(part["served_by"]) for part in bins), Counter())),
        "cpu_percent_max": max((part["cpu_percent"] for part in bins if part["cpu_percent"] is not None), default=None),
    }


def _describe(report: dict[str, Any]) -> dict[str, Any]:
    cpu = [part["cpu_percent"] for part in report["bins"] if part["cpu_percent"] is not None]
    names = ("host", "index", "window_start", "window_end", *COUNTS, "in_flight_end", "requests_file")
    return {name: report[name] for name in names} | {"cpu_percent_max": max(cpu, default=None)}
