"""The answer compared with the baseline, the configuration of the inventory."""

import re

from swarmsweep.choose.fixed_load import whole_reason
from swarmsweep.choose.modes import Choice
from swarmsweep.plan.row import Row


def against_baseline(choice: Choice) -> str | None:
    """What the baseline showed, and what the recommended configuration changes; None for a run without a baseline."""
    baseline = choice.plan.baseline
    if baseline is None:
        return None
    name = f"{baseline.cell_id}, the configuration of the inventory (baseline),"
    row = next((row for row in choice.rows if row.id == baseline.cell_id), None)
    if baseline.infeasible_reason:
        return f"{name} cannot be deployed on these hosts: {baseline.infeasible_reason}."
    if row is None or row.status is None:
        return f"{name} was not measured."
    if row.status != "valid":
        verb = "is invalid" if row.status == "invalid" else row.status
        reason = f" Reason: {whole_reason(row.reason)}."
        is_said = any(text.endswith(reason) and _names(text, row.id) for text in choice.recommendation.reasons)
        return f"{name} {verb}." if is_said else f"{name} {verb}.{reason}"
    if row is choice.chosen:
        return f"{name} is the recommended one: nothing needs to be changed."
    shown = f"{name} {choice.verdict(row)}. It costs {choice.tariff.words(row.config)}."
    return f"{shown} {_change(choice, row)}" if choice.chosen is not None else shown


def is_baseline(choice: Choice, row: Row) -> bool:
    """Whether a row is the configuration that the inventory had when the sweep was planned."""
    baseline = choice.plan.baseline
    return baseline is not None and baseline.cell_id == row.id


def _names(text: str, cell_id: str) -> bool:
    """Whether a sentence names the cell. The id of another one may begin with its id, or have the same reason."""
    return cell_id in re.split(r"[\s,]+", text)


def _change(choice: Choice, row: Row) -> str:
    """What the recommended configuration costs beside the baseline, and what it takes or serves."""
    chosen = choice.chosen
    assert chosen is not None
    factor = choice.tariff.cost(chosen.config) / choice.tariff.cost(row.config)
    return f"The recommended one costs {factor:.2f} times as much. {choice.against(row)}"
