"""summary.json: the rows of a run and the recommendation, for programs."""

from typing import Any

from msgspec import Struct, to_builtins

from swarmsweep.choose.baseline import against_baseline
from swarmsweep.choose.modes import Choice
from swarmsweep.choose.money import Money, money_of
from swarmsweep.choose.recommendation import Recommendation
from swarmsweep.choose.rule import Rule
from swarmsweep.choose.rules import rules_of
from swarmsweep.choose.scaling import Scaling, scalings_of
from swarmsweep.choose.sizing import Sizing, sizing_of
from swarmsweep.plan.row import Row
from swarmsweep.report.next_file import NextSummary
from swarmsweep.results.manifest import Resume

SCHEMA = 1

# The keys of a cell in summary.json, in order; cell.json has more, for summary.md.
SUMMARY_KEYS = (
    *("id", "config", "status", "reason", "trials", "users", "requests", "failures", "failure_percent"),
    *("endpoints", "failure_kinds", "request_counts", "task_exceptions", "failed_task_percent", "rps"),
    *("think_time_seconds", "latency_ms"),
    *("lower_bounds", "meets_slo", "capacity_rps", "capacity_users", "capacity_iterations_per_second"),
    *("capacity", "api", "load", "unloaded_latency_ms"),
    *("latency_intervals_ms", "hosts", "user_classes", "class_users"),
    *("latency_growth", "served_at_once", "bottleneck", "request_parts"),
    *("choices", "server_processes", "twin_of", "retries"),
)


class BaselineSummary(Struct, frozen=True, kw_only=True):
    """The configuration of the inventory, and how the answer compares with it."""

    cell_id: str
    sentence: str


class Summary(Struct, frozen=True, kw_only=True):
    """A run: the general part of its plan, when it was resumed, the rows of its cells, the recommendation, and what
    a step on each axis brought.

    ``resumed`` is None where that is unknown, because the manifest is missing or damaged.
    ``money`` is None without prices, ``baseline`` without a baseline, and ``sizing`` for a load of users. The field
    ``next_sweep`` is about the sweep that would settle what is open.
    """

    schema: int = SCHEMA
    run_id: str
    sweep: str
    colocated: bool
    slo: dict[str, Any]
    resumed: list[Resume] | None
    cells: list[Row]
    recommendation: Recommendation
    rules: list[Rule]
    scaling: list[Scaling]
    baseline: BaselineSummary | None
    sizing: Sizing | None
    money: Money | None
    next_sweep: NextSummary


def summarise(choice: Choice, resumed: list[Resume] | None, following: NextSummary) -> Summary:
    """The summary of the rows among which the choice was made."""
    plan = choice.plan
    return Summary(
        run_id=plan.run_id,
        sweep=plan.sweep,
        colocated=plan.colocated,
        slo=plan.slo | ({"endpoints": plan.slo_endpoints} if plan.slo_endpoints else {}),
        resumed=resumed,
        cells=choice.rows,
        recommendation=choice.recommendation,
        rules=rules_of(choice),
        scaling=scalings_of(choice),
        baseline=_baseline(choice),
        sizing=sizing_of(choice),
        money=money_of(choice),
        next_sweep=following,
    )


def _baseline(choice: Choice) -> BaselineSummary | None:
    baseline, sentence = choice.plan.baseline, against_baseline(choice)
    if baseline is None or sentence is None:
        return None
    return BaselineSummary(cell_id=baseline.cell_id, sentence=sentence)


def summary_json(summary: Summary) -> dict[str, Any]:
    """The content of summary.json: the public keys of each row."""
    plain: dict[str, Any] = to_builtins(summary)
    return plain | {"cells": [{key: row[key] for key in SUMMARY_KEYS} for row in plain["cells"]]}
