"""The lists of the first screen: why, what to know before relying on it, and the next step."""

import pytest
from msgspec.structs import replace
from rows import fixed, plan_of, searched

from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import ApiUse, Retry
from swarmsweep.report.modes import CapacityPage, FixedPage
from swarmsweep.report.notes import cautions_of, next_steps_of, reasons_of

FIXED, CAPACITY = {"mode": "fixed", "locustfile": "predict.py"}, {"mode": "capacity", "locustfile": "predict_open.py"}


def page(rows, load=None, **more):
    planned = [PlannedCell(id=row.id, config=row.config, memory="1G") for row in rows]
    plan = plan_of(load or FIXED, planned, {"p95_ms": 100, "max_failure_percent": 1}, **more)
    return (CapacityPage if load else FixedPage)(plan, rows)


def repeated(name, **more):
    """A row of three attempts."""
    return replace(fixed(name, **more), attempt_count=3)


ONCE = "Each cell was deployed and loaded once"


@pytest.mark.parametrize(
    ("rows", "starts"),
    [
        (
            [repeated("a")],
            ["To use the configuration in this lab, set lab_api_replicas: 1, lab_api_cpus: 1"],
        ),
        ([replace(fixed("a"), attempt_count=1)], [ONCE]),
        (
            [repeated("a"), repeated("b", cpus=2, status="invalid", reason="x")],
            ["1 cell is invalid, for the reasons below. Remove the cause, and measure again."],
        ),
        (
            [repeated("a"), fixed("b", cpus=2, status=None, reason="not measured")],
            ["Measure the missing cells: ./lab sweep -e resume=x"],
        ),
        ([repeated("a", p95=300.0)], ["Add larger configurations to the matrix."]),
        (
            [replace(fixed("a", status="failed", reason="died"), attempt_count=1)],
            ["Remove this cause, and measure again."],
        ),
        ([fixed("a", status="infeasible", reason="x")], []),
    ],
)
def test_the_next_step(rows, starts):
    steps = next_steps_of(page(rows))
    assert len(steps) == len(starts)
    assert [step for step, start in zip(steps, starts, strict=True) if not step.startswith(start)] == []


def test_a_cell_that_the_generator_could_not_load_is_a_step():
    bound = {"is_lower_bound": True, "limited_by": "generator"}
    rows = [searched("a", 100.0, 100.0), searched("b", 9.0, 9.0, **bound)]
    rows = [replace(row, config=fixed("a").config) for row in rows]
    (step,) = next_steps_of(page(rows, CAPACITY))
    assert step.startswith("The load generator could not load b up to the limit.")


def test_a_configuration_with_other_axes_has_no_settings_of_the_lab():
    row = repeated("a")
    row = replace(row, config=row.config | {"variant": "onnx"})
    assert next_steps_of(page([row]))[0].startswith(
        "To use the configuration in this lab, set its values in the inventory."
    )


def test_the_memory_of_the_chosen_one_is_a_reason():
    used = ApiUse(memory_peak_bytes=2**29)
    chosen, missed = (replace(repeated("a", p95=p95), api=used) for p95 in (50.0, 300.0))
    sentence = "No replica of a used more than 512 MiB of memory (50 % of its limit of 1G)."
    assert reasons_of(page([chosen]))[-1] == sentence
    assert sentence not in reasons_of(page([missed]))


def test_retries_are_a_caution_where_they_are_many():
    again = replace(repeated("a"), retries=[Retry(attempt=1, reason="late")])
    steps = [{"cell_id": "a", "attempt": number} for number in range(4)]
    assert cautions_of(page([again], steps=steps))[0].startswith("1 of 4 attempts were invalid")
    assert cautions_of(page([again], steps=[*steps, *steps])) == []


def test_cells_without_a_verified_rate_are_named_up_to_three():
    lost = {"verified_rps": None, "next_step": "Use a longer profile."}
    rows = [searched("a", 100.0, 100.0), *(searched(f"b{number}", 9.0, **lost) for number in range(5))]
    rows = [replace(row, config=fixed("a").config) for row in rows]
    notes = cautions_of(page(rows, CAPACITY))
    assert [note.partition(":")[0] for note in notes] == ["b0", "b1", "b2", "The same holds for 2 further cells."]
