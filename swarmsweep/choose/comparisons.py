"""Which cells of a run differ: their capacities by deployment, and the control pair."""

from collections.abc import Iterable
from dataclasses import replace

from swarmsweep.choose.paired_test import BETTER, EQUAL, UNDECIDED, WORSE, Comparison, Noise, against_best, noise_of
from swarmsweep.plan.planned import Plan
from swarmsweep.plan.row import Row


def blocks_of(cell: Row) -> dict[int, float | None]:
    """Capacity of each valid deployment by its block: the estimate, or the verified rate if the capacity is a lower
    bound.
    """
    return {
        attempt.attempt: attempt.verified_rps if attempt.is_lower_bound else attempt.capacity_rps
        for attempt in cell.attempts
        if attempt.status == "valid"
    }


def noise_in(plan: Plan, cells: Iterable[Row]) -> Noise:
    """The noise of a run: the difference between the anchor and its twin. ``cells`` are all rows or some of them."""
    anchor = plan.anchor
    if not anchor:
        return Noise(None, None, None, "The run has no control pair: no configuration was measured under two names.")
    rows = {cell.id: cell for cell in cells if cell.status == "valid"}
    pair = (rows.get(anchor.cell_id), rows.get(anchor.twin_id))
    return noise_of(*(blocks_of(cell) if cell else {} for cell in pair))


def compare_with_each(cell: Row, others: Iterable[Row], noise: Noise) -> dict[str, Comparison]:
    """``cell`` against each of ``others``, by their ids, as one family of comparisons (see `paired_test.against_best`).

    A cell whose capacity is a lower bound can be better than another, never worse or equal.
    """
    others = [other for other in others if other.id != cell.id]
    family = {row.id: blocks_of(row) for row in (cell, *others)}
    compared = against_best(cell.id, family, noise.aa_log_rms, noise.controlled)
    return {other.id: _downgrade_if_censored(compared[other.id], cell, other) for other in others}


def _downgrade_if_censored(comparison: Comparison, cell: Row, other: Row) -> Comparison:
    contradicted = ((cell, (EQUAL, WORSE)), (other, (EQUAL, BETTER)))
    for row, verdicts in contradicted:
        if comparison.verdict in verdicts and _is_lower_bound(row):
            return replace(comparison, verdict=UNDECIDED, why=f"the capacity of {row.id} is only a lower bound.")
    return comparison


def _is_lower_bound(cell: Row) -> bool:
    return any(attempt.is_lower_bound for attempt in cell.attempts if attempt.status == "valid")
