"""One line for the person who watches a sweep."""

from __future__ import annotations

from typing import Any

from swarmsweep.units import format_figure


def sentence(row: dict[str, Any]) -> str:
    """What became of a trial: a row of summary.json -> "valid, 412 requests/s, p95 88 ms, meets the SLO"."""
    if row["status"] != "valid":
        return f"{row['status']}: {row['reason']}"
    p95, rps = row["latency_ms"]["p95"], row["rps"]
    parts = [
        "valid",
        f"{format_figure(rps) if rps < 10 else f'{rps:.0f}'} requests/s",
        "p95 not measured" if p95 is None else f"p95 {p95:.0f} ms",
        {True: "meets the SLO", False: "misses the SLO"}.get(row["meets_slo"], "no SLO"),
    ]
    return ", ".join(parts)
