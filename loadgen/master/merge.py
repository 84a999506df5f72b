"""Merges the reports of all workers on a probe.

The merged summary has the summed values of a worker's keys, and:

workers          one entry each, by worker: host, index, window, counts, greatest CPU, file of requests
workers_ordered, workers_reported    a probe with fewer reports than orders is no measurement
measured         counts of the measured window; ``offered_rps`` and ``achieved_rps`` (sent, in time or not), latency
                 percentiles and mean of those that were ok and percentiles of the lag, in ms; null where nothing was
                 measured. A search by arrivals has ``iterations`` too: counts of those that were due in the window,
                 their mean length in seconds, and how many ended per second within it. ``apart_seconds``: how much
                 earlier the first worker began than the last one. ``waited_seconds``: the longest wait of a
                 worker for its users before the probe. ``within_without_waits``: as ``within_limits``, without the time
                 in which iterations waited for users that were still in ``on_start``
within_limits    by the name of each limit that was given, requests of the measured window that were ok within it.
                 To three digits, as the histogram has them: a limit of 500 ms lets 500.2 ms pass
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hdrh.histogram import HdrHistogram

from loadgen.closed.order import UsersOrder
from loadgen.common.histogram import add_encoded, count_within, percentile_ms
from loadgen.open.order import Order
from loadgen.shared.request_record import COUNTS

CONNECTIONS = ("opened", "closed_idle", "resent")
IN_FLIGHT = ("in_flight_mean", "in_flight_max")


def merge(
    order: Order | UsersOrder, reports: Sequence[dict[str, Any]], limits_ms: Mapping[str, float]
) -> dict[str, Any]:
    """The result of all workers together, from their summaries (at least one). Histograms are added, never averaged."""
    bins: dict[int, list[dict[str, Any]]] = {}
    for report in reports:
        for part in report["bins"]:
            bins.setdefault(part["second"], []).append(part)
    settings = {name: value for name, value in dataclasses.asdict(order).items() if name not in ("worker", "workers")}
    merged = [_merge_bins(second, bins[second]) for second in sorted(bins)]
    measured = [part for part in merged if part["second"] >= 0]
    latency = add_encoded(part["latency_histogram"] for part in measured)
    lag = add_encoded(report["lag_histogram"] for report in reports)
    within = {name: count_within(latency, limit) for name, limit in limits_ms.items()}
    return {
        "schema": 1,
        "trial": order.trial,
        "order": settings,
        "workers_ordered": order.workers,
        "workers_reported": len(reports),
        "stopped": next((report["stopped"] for report in reports if report["stopped"]), None),
        **{name: sum(report[name] for report in reports) for name in (*COUNTS, "in_flight_end")},
        "measured": _measure(order, measured, latency, lag) | _iterations(order, reports, limits_ms, within),
        "within_limits": within,
        "bins": merged,
        "lag_histogram": lag.encode().decode(),
        "errors": dict(sum((Counter(report["errors"]) for report in reports), Counter())),
        "connections": {name: _sum(report["connections"][name] for report in reports) for name in CONNECTIONS},
        **_recorded(reports),
        "workers": [_describe(report) for report in reports],
    }


def merge_users(order: UsersOrder, reports: Sequence[dict[str, Any]], limits_ms: Mapping[str, float]) -> dict[str, Any]:
    """The result of all workers together, with their users and the think times that ended in the window."""
    seen = [report["users"] for report in reports]
    users = {name: sum(part[name] for part in seen) for name in seen[0] if name != "classes"}
    users["classes"] = {
        name: {key: sum(part["classes"][name][key] for part in seen) for key in figures}
        for name, figures in seen[0]["classes"].items()
    }
    waited = [sum(values) for values in zip(*(report["waited"] for report in reports), strict=True)]
    return {**merge(order, reports, limits_ms), "users": users, "waited": waited}


def _sum(values: Iterable[int | None]) -> int | None:
    """Of all values; None where one of them was not measured."""
    known = list(values)
    return None if None in known else sum(known)


def _merge_bins(second: int, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The same second of several workers. In-flight is added up; for the CPU, the busiest worker counts."""
    sums = {name: sum(part[name] for part in parts) for name in (*COUNTS, "latency_ms_sum", "lag_ms_sum")}
    known = {name: [part[name] for part in parts if part[name] is not None] for name in ("cpu_percent", *IN_FLIGHT)}
    return {
        "second": second,
        **sums,
        "cpu_percent": max(known["cpu_percent"], default=None),
        **{name: sum(known[name]) if known[name] else None for name in IN_FLIGHT},
        "served_by": dict(sum((Counter(part["served_by"]) for part in parts), Counter())),
        "latency_histogram": add_encoded(part["latency_histogram"] for part in parts).encode().decode(),
    }


def _measure(
    order: Order | UsersOrder, bins: Sequence[dict[str, Any]], latency: HdrHistogram, lag: HdrHistogram
) -> dict[str, Any]:
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


def _recorded(reports: Sequence[dict[str, Any]]) -> dict[str, int]:
    """The requests that all recorders have counted so far; empty for reports of the lean client, which has none."""
    counts = [report["recorded"] for report in reports if "recorded" in report]
    return {"recorded": sum(counts)} if counts else {}


def _iterations(
    order: Order, reports: Sequence[dict[str, Any]], limits_ms: Mapping[str, float], within: Mapping[str, int]
) -> dict[str, Any]:
    """Sums of iterations (see iterations/probe.py); empty for reports of the lean client, which has none."""
    parts = [report["iterations"] for report in reports if "iterations" in report]
    if not parts:
        return {}
    total = {name: sum(part[name] for part in parts) for name in parts[0]}
    timed, seconds = total.pop("timed"), total.pop("seconds_sum")
    prepared = [report["prepared_seconds"] for report in reports]
    names = ("waits_histogram", "after_waits_histogram")
    waits, after = (add_encoded(report[name] for report in reports) for name in names)
    more = {
        "seconds_mean": seconds / timed if timed else None,
        "ended_per_second": total["ended"] / order.seconds_measure,
        "apart_seconds": max(prepared) - min(prepared),
        "waited_seconds": max(report["waited_seconds"] for report in reports),
        "within_without_waits": {
            name: within[name] + count_within(after, limit) - count_within(waits, limit) + total["unstarted"]
            for name, limit in limits_ms.items()
        },
    }
    return {"iterations": total | more}


def _describe(report: dict[str, Any]) -> dict[str, Any]:
    cpu = [part["cpu_percent"] for part in report["bins"] if part["cpu_percent"] is not None]
    names = ("host", "index", "window_start", "window_end", *COUNTS, "in_flight_end", "requests_file")
    return {name: report[name] for name in names} | {"cpu_percent_max": max(cpu, default=None)}
