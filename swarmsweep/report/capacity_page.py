"""The part of summary.md that a fixed load does not have: capacities, their trials, comparisons and the A/A pair."""

from typing import Any

from swarmsweep.choose import fixed_load
from swarmsweep.choose.capacity_load import eligible_cells, estimate_text, guaranteed_rps
from swarmsweep.choose.comparisons import compare_with_each
from swarmsweep.choose.paired_test import Comparison, Noise, margin_of
from swarmsweep.markdown import MISSING, markdown
from swarmsweep.plan.planned import Plan
from swarmsweep.sweep.matrix import cost
from swarmsweep.units import format_figure, format_plain, format_seconds

_LIMITED_BY = {"generator": "load generator", "max_rps": "highest rate allowed"}
_TRIAL_HEADER = ["", "purpose", "load", "sent/s", "p95 ms", "over %", "CPU used", "throttled %", "verdict", "why"]


def capacity_page(
    plan: Plan,
    cells: list[dict[str, Any]],
    candidates: list[dict[str, Any]],
    chosen: dict[str, Any] | None,
    noise: Noise,
) -> dict[str, Any]:
    """What the template shows of capacities, as text that is already safe in Markdown.

    ``candidates`` are the rows that could be recommended, ``chosen`` the one that is.
    """
    header = ["", "cell", "deployments", "verified RPS", "estimate RPS", "p50 ms", "p95 ms", "p99 ms"]
    return {
        "header": [*header, "cost", "RPS per cost", "bottleneck", "limited by", "status"],
        "rows": [_row(cell, cell is chosen) for cell in cells],
        "comparisons": _comparisons(plan, candidates, chosen, noise),
        "noise": [markdown(sentence) for sentence in _noise(plan, cells, noise)],
        "trial_header": _TRIAL_HEADER,
        "searches": [_search(cell) for cell in cells if any(a.get("load_trials") for a in cell["attempts"])],
    }


def _row(cell: dict[str, Any], chosen: bool) -> list[str]:
    capacity, latency = cell["capacity"], cell["latency_ms"]
    twin = f" (twin of {cell['twin_of']})" if cell["twin_of"] else ""
    shown = capacity or {}
    return [
        "**→**" if chosen else "",
        markdown(cell["id"] + twin),
        str(shown["deployments"]) if shown else MISSING,
        _verified(shown),
        estimate_text(shown) if shown.get("estimate_rps") is not None else MISSING,
        # Without a verified rate they are those of the highest trial, which the table of trials shows.
        *(_figure(latency[name] if guaranteed_rps(cell) else None) for name in ("p50", "p95", "p99")),
        f"{cost(cell['config']):.2f}",
        _figure(fixed_load.rps_per_cost(cell)),
        markdown((cell["bottleneck"] or MISSING).replace("_", " ")),
        _limit(shown.get("limited_by")),
        markdown(cell["status"] or cell["reason"]),
    ]


def _verified(capacity: dict[str, Any]) -> str:
    if not capacity:
        return MISSING
    if capacity["verified_rps"] is None:
        return "none"
    return ("at least " if capacity["at_least"] else "") + format_figure(capacity["verified_rps"])


def _limit(word: str | None) -> str:
    return MISSING if word is None else markdown(_LIMITED_BY.get(word, word))


def _figure(value: float | None) -> str:
    return MISSING if value is None else format_figure(value)


def _comparisons(
    plan: Plan, cells: list[dict[str, Any]], chosen: dict[str, Any] | None, noise: Noise
) -> dict[str, Any] | None:
    """The chosen cell against every other that could have been; None when there is nothing to compare."""
    others = [cell for cell in eligible_cells(cells) if cell is not chosen]
    if chosen is None or not others:
        return None
    rows = []
    if plan.repeat > 1:
        compared = compare_with_each(chosen, others, noise)
        rows = [_comparison(chosen, other, compared[other["id"]]) for other in others]
    header = ["against", "times its capacity", "interval", "times its cost", "it is", "because"]
    return {"chosen": f"`{chosen['id']}`", "header": header, "rows": rows}


def _comparison(chosen: dict[str, Any], other: dict[str, Any], comparison: Comparison) -> list[str]:
    price = cost(chosen["config"]) / cost(other["config"])
    interval = comparison.interval
    return [
        f"`{other['id']}`",
        MISSING if comparison.factor is None else f"{comparison.factor:.2f}",
        MISSING if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}",
        f"{price:.2f}",
        f"**{comparison.verdict}**",
        markdown(comparison.sentence.partition(": ")[2] or comparison.sentence),
    ]


def _noise(plan: Plan, cells: list[dict[str, Any]], noise: Noise) -> list[str]:
    """What the anchor and its twin say, as sentences; none where the plan has no anchor."""
    anchor = plan.anchor
    if not anchor:
        return []
    rows = {cell["id"]: cell for cell in cells}
    told = [_capacity_words(rows[name]) for name in (anchor.cell_id, anchor.twin_id) if name in rows]
    sentences = ["; ".join(told) + ".", noise.sentence]
    if noise.interval is not None:
        low, high = noise.interval
        sentences.append(f"The interval of their ratio is {low:.3f} to {high:.3f}; one and the same would be 1.")
    margin = f"{100 * margin_of(noise.aa_log_rms):.1f} %"
    if noise.aa_log_rms is not None and noise.controlled is not False:
        sentences.append(f"So a difference between two configurations must be at least {margin} to be called better.")
    return sentences


def _capacity_words(cell: dict[str, Any]) -> str:
    capacity = cell["capacity"] or {}
    if cell["status"] != "valid" or capacity.get("verified_rps") is None:
        return f"{cell['id']}: no capacity was found"
    estimate = f", {estimate_text(capacity)} estimated" if capacity["estimate_rps"] is not None else ""
    return f"{cell['id']}: {_verified(capacity)} requests/s verified{estimate}"


def _search(cell: dict[str, Any]) -> dict[str, Any]:
    attempts = [attempt for attempt in cell["attempts"] if attempt.get("load_trials")]
    count = sum(len(attempt["load_trials"]) for attempt in attempts)
    seconds = sum(_seconds(trial) for attempt in attempts for trial in attempt["load_trials"])
    return {
        "id": cell["id"],
        "summary": f"{count} trials in {len(attempts)} deployment{'s' if len(attempts) > 1 else ''}, "
        f"{format_seconds(seconds)} of load",
        "attempts": [
            {
                "number": attempt["attempt"],
                "sentence": markdown(attempt.get("capacity_sentence") or "what it shows was not recorded"),
                "rows": [_trial(number, trial) for number, trial in enumerate(attempt["load_trials"], start=1)],
            }
            for attempt in attempts
        ],
    }


def _seconds(trial: dict[str, Any]) -> float:
    return (trial.get("seconds_settle") or 0) + (trial.get("seconds_measure") or 0)


def _trial(number: int, trial: dict[str, Any]) -> list[str]:
    """One line of the table; what a trial was not measured for is missing."""
    figures = ("achieved_rps", "p95_ms", "over_percent", "cpu_cores", "throttled_percent")
    return [
        str(trial.get("trial") or number),
        markdown(trial.get("purpose") or MISSING),
        _load(trial),
        *(_figure(trial.get(name)) for name in figures),
        markdown(trial.get("verdict") or MISSING),
        markdown(trial.get("reason") or MISSING),
    ]


def _load(trial: dict[str, Any]) -> str:
    seconds = f"{format_plain(trial['seconds_measure'])} s" if trial.get("seconds_measure") is not None else MISSING
    if trial.get("rate_rps") is not None:
        return f"{format_figure(trial['rate_rps'])} requests/s for {seconds}"
    return f"{trial.get('connections') or MISSING} connections for {seconds}"
