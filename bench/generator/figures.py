"""The figures of each generator: equal counts, medians over rounds, ratios, and warnings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.lib import result
from bench.lib.ratios import Ratio, spread
from bench.lib.result import Row
from swarmsweep.errors import LabError

# Rates of open loops in percent of the closed rate. A closed loop that keeps both cores busy works in batches and
# hardly sleeps, so an open loop cannot keep its full rate. At half of that rate the generator uses about 60 % of its
# core. Beyond 70 % it is not trusted in a sweep. Rates close to the peak are shown beside that.
OPEN_PERCENT = (50, 90)
# The loads that a conductor may have measured, one after the other.
PARTS = ("closed", *(f"open_{percent}" for percent in OPEN_PERCENT))
# Names and targets are a contract. Unlike a rate, CPU time per request is not disturbed by other processes on the core.
RATIOS = (
    Ratio("over_fasthttpuser", "closed", "fasthttpuser", 3),
    Ratio("cpu_fasthttpuser_over_ours", "fasthttpuser_cpu", "closed_cpu", 3),
    Ratio("open_achieved_over_offered", "open_50_achieved", "open_50_offered", 0.99),
)
# Share of the core used by processes other than the generator; above it, a row gets a warning.
MAX_OTHERS_SHARE = 0.05
MAX_SPREAD = 0.15


@dataclass(frozen=True)
class Loaded:
    """Figures of one load of one generator."""

    name: str
    number: int
    requests: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def rps(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        return 1e6 * self.cpu_seconds / self.requests


def require_same_count(name: str, figures: dict[str, Any], nginx_counted: int) -> None:
    """Raise LabError unless every request was right, and Locust, its probes and nginx have the same count."""
    parts = [figures[part] for part in PARTS if part in figures]
    if figures["failures"]:
        errors = sorted({text for part in parts for text in part["errors"]})
        raise LabError(f"{name}: {figures['failures']} of {figures['counted']} requests failed: {', '.join(errors)}")
    counts = {"Locust": figures["counted"], "nginx": nginx_counted}
    if all("ok" in part for part in parts):
        counts["the trials"] = sum(part["ok"] for part in parts)
    if len(set(counts.values())) != 1:
        counted = ", ".join(f"{who} {count}" for who, count in counts.items())
        raise LabError(f"{name}: requests were lost or sent twice, because these counts differ: {counted}")


def series(loads: Sequence[Loaded]) -> dict[str, list[float]]:
    """The values of the ratios, in the order of rounds."""
    values: dict[str, list[float]] = {}
    for loaded in sorted(loads, key=lambda one: one.number):
        values.setdefault(loaded.name, []).append(loaded.rps)
        values.setdefault(f"{loaded.name}_cpu", []).append(loaded.cpu_us)
        if "achieved_over_offered" in loaded.more:
            values.setdefault(f"{loaded.name}_achieved", []).append(loaded.more["achieved_over_offered"])
            values.setdefault(f"{loaded.name}_offered", []).append(1.0)
    return values


def summarize(name: str, loads: Sequence[Loaded]) -> Row:
    """The row of a generator: medians over its rounds, and the counts of all."""
    own = [loaded for loaded in loads if loaded.name == name]
    value = spread([loaded.rps for loaded in own])
    more = {
        "min": round(value.least, 1),
        "max": round(value.greatest, 1),
        "p50_ms": round(median(loaded.p50_ms for loaded in own), 3),
        "p99_ms": round(median(loaded.p99_ms for loaded in own), 3),
        "cpu_us_per_request": round(median(loaded.cpu_us for loaded in own), 2),
        "requests": sum(loaded.requests for loaded in own),
    }
    for key in ("others_share", "rate_rps", "lag_p50_ms", "lag_p99_ms", "achieved_over_offered"):
        seen = [loaded.more[key] for loaded in own if loaded.more.get(key) is not None]
        if seen:
            more[key] = round(median(seen), 4)
    for key in ("offered", "ok", "failed", "timed_out", "dropped", "in_flight_end", "locust_counted", "nginx_counted"):
        if key in own[0].more:
            more[key] = sum(loaded.more[key] for loaded in own)
    return Row(name, round(value.median, 1), "requests/s", more=more)


def warnings_about(loads: Sequence[Loaded]) -> list[str]:
    """Sentences on possible problems of the measurement."""
    sentences = []
    for name in dict.fromkeys(loaded.name for loaded in loads):
        own = [loaded for loaded in loads if loaded.name == name]
        others = max(loaded.more.get("others_share", 0.0) for loaded in own)
        value = spread([loaded.rps for loaded in own])
        width = (value.greatest - value.least) / value.median
        if others > MAX_OTHERS_SHARE:
            sentences.append(
                f"{name}: other processes used up to {others:.0%} of the generator's core; "
                "stop them, then measure again"
            )
        if width > MAX_SPREAD:
            sentences.append(f"{name}: rounds differ by {width:.0%} around {result.number(value.median)}")
    return sentences


def rate_table(rows: Sequence[Row]) -> str:
    """The table of rates of each generator."""
    header = ("one core", "median", "min .. max", "unit", "p50 ms", "p99 ms", "CPU us/request", "lag p99 ms", "nginx")
    lines = [
        [
            row.name,
            result.number(row.value),
            f"{result.number(row.more['min'])} .. {result.number(row.more['max'])}",
            row.unit,
            result.number(row.more["p50_ms"]),
            result.number(row.more["p99_ms"]),
            result.number(row.more["cpu_us_per_request"]),
            result.number(row.more["lag_p99_ms"]) if "lag_p99_ms" in row.more else "",
            "same count" if "nginx_counted" in row.more else "",
        ]
        for row in rows
    ]
    return result.table(header, lines)
