"""Which cells of a run differ: their capacities deployment by deployment, and what the A/A pair says about the run."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from swarmsweep.choose.paired_test import BETTER, EQUAL, UNDECIDED, WORSE, Comparison, Noise, against_best, noise_of
from swarmsweep.plan.planned import Plan


def blocks_of(cell: dict[str, Any]) -> dict[int, float | None]:
    """Capacity of each valid deployment by its block: the estimate, or what was verified where that is a least."""
    return {
        attempt["attempt"]: attempt.get("verified_rps" if attempt.get("at_least") else "capacity_rps")
        for attempt in cell["attempts"]
        if attempt["status"] == "valid"
    }


def noise_in(plan: Plan, cells: Iterable[dict[str, Any]]) -> Noise:
    """How much the anchor and its twin, one configuration under two names, differ. ``cells``: rows, all or some."""
    anchor = plan.anchor
    if not anchor:
        return Noise(None, None, None, "The run has no configuration under two names.")
    rows = {cell["id"]: cell for cell in cells if cell["status"] == "valid"}
    pair = (rows.get(anchor.cell_id), rows.get(anchor.twin_id))
    return noise_of(*(blocks_of(cell) if cell else {} for cell in pair))


def compare_with_each(cell: dict[str, Any], others: Iterable[dict[str, Any]], noise: Noise) -> dict[str, Comparison]:
    """``cell`` against each of ``others``, by their ids, as one family of comparisons (see `compare.against_best`).

    A capacity that is known to be "at least" something can be called better for it, never worse or equal.
    """
    others = [other for other in others if other["id"] != cell["id"]]
    family = {row["id"]: blocks_of(row) for row in (cell, *others)}
    found = against_best(cell["id"], family, noise.aa_log_rms, noise.controlled)
    return {other["id"]: _downgrade_if_censored(found[other["id"]], cell, other) for other in others}


def _downgrade_if_censored(comparison: Comparison, cell: dict[str, Any], other: dict[str, Any]) -> Comparison:
    doubted = ((cell, (EQUAL, WORSE)), (other, (EQUAL, BETTER)))
    for row, verdicts in doubted:
        if comparison.verdict in verdicts and _is_at_least(row):
            told = comparison.sentence.partition(": ")[0]
            sentence = f"{told}: the capacity of {row['id']} is known only as at least that."
            return replace(comparison, verdict=UNDECIDED, sentence=sentence)
    return comparison


def _is_at_least(cell: dict[str, Any]) -> bool:
    return any(attempt.get("at_least") for attempt in cell["attempts"] if attempt["status"] == "valid")
