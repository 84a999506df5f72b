"""The lists of the first screen: why, and what to know before relying on it."""

import pytest
from msgspec.structs import replace
from rows import fixed, plan_of, searched

from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import NOT_MEASURED, ApiUse, AttemptEntry, HostReplicas, Retry
from swarmsweep.report.modes import CapacityPage, FixedPage
from swarmsweep.report.notes import cautions_of, cautions_title, reasons_of

FIXED, CAPACITY = {"mode": "fixed", "locustfile": "predict.py"}, {"mode": "capacity", "locustfile": "predict_open.py"}


def page(rows, load=None, **more):
    planned = [PlannedCell(id=row.id, config=row.config, memory="1G") for row in rows]
    plan = plan_of(load or FIXED, planned, {"p95_ms": 100, "max_failure_percent": 1}, **more)
    return (CapacityPage if load else FixedPage)(plan, rows)


def repeated(name, **more):
    """A row of three attempts."""
    return replace(fixed(name, **more), attempt_count=3)


def test_the_memory_of_the_chosen_one_is_a_reason():
    used = ApiUse(memory_peak_bytes=2**29)
    chosen, missed = (replace(repeated("a", p95=p95), api=used) for p95 in (50.0, 300.0))
    sentence = "No replica of a used more than 512 MiB of memory (50 % of its limit of 1G)."
    assert reasons_of(page([chosen]))[-1] == sentence
    assert sentence not in reasons_of(page([missed]))


# The load of the cheap cell, that of the dear one, and the words of a caution on the recommended one.
SWEEP_LOAD = {"mode": "fixed", "users": 40, "spawn_rate": 40, "locustfile": "predict.py"}


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"a": {"users": 2, "spawn_rate": 2}}, "2 users, 2 started per second"),
        ({"b": {"users": 2}}, None),
        # These figures can be compared.
        ({"a": {"spawn_rate": 2}}, None),
        # Its scenario is an axis.
        ({"a": {"locustfile": "other.py"}}, None),
        ({}, None),
    ],
)
def test_a_recommended_cell_with_a_load_of_its_own_has_a_caution(own, words):
    rows = [repeated("a"), repeated("b", cpus=2)]
    cells = [
        PlannedCell(id=row.id, config=row.config, memory="1G", load=SWEEP_LOAD | own.get(row.id, {})) for row in rows
    ]
    plan = plan_of(SWEEP_LOAD, cells, {"p95_ms": 100, "max_failure_percent": 1})
    found = FixedPage(plan, rows)
    assert found.choice.chosen.id == "a"
    starts = [f"a had a load of its own (load.cases): {words}. It was not measured with"] if words else []
    cautions = cautions_of(found)
    assert [caution[: len(start)] for caution, start in zip(cautions, starts, strict=True)] == starts


def test_retries_are_a_caution_where_they_are_many():
    again = replace(repeated("a"), retries=[Retry(attempt=1, reason="late")])
    steps = [{"cell_id": "a", "attempt": number} for number in range(4)]
    assert cautions_of(page([again], steps=steps))[0].startswith("1 of 4 attempts was invalid")
    assert cautions_of(page([again], steps=[*steps, *steps])) == []


@pytest.mark.parametrize(
    ("status", "title", "end"),
    [
        ("valid", "Before you rely on it", "Remove the cause before you rely on the figures."),
        ("invalid", "Before you measure again", "Remove the cause before you measure again."),
        ("failed", "Before you measure again", "Remove the cause before you measure again."),
    ],
)
def test_the_advice_on_a_disturbed_lab_fits_what_was_measured(status, title, end):
    again = replace(repeated("a", status=status), retries=[Retry(attempt=1, reason="late")])
    found = page([again], steps=[{"cell_id": "a", "attempt": 1}])
    assert cautions_title(found) == title
    (caution,) = cautions_of(found)
    assert caution.endswith(end)


# The time of a connection to a second API host, and a scenario that cannot be recommended.
@pytest.mark.parametrize(("status", "count"), [("valid", 2), ("invalid", 0), ("failed", 0)])
def test_without_a_valid_cell_there_is_no_caution_on_figures(status, count):
    far = {"lab-api2": HostReplicas(replicas=1, connect_ms=0.3)}
    row = replace(repeated("a", status=status), attempts=[AttemptEntry(attempt=1, status=status, replica_hosts=far)])
    other = repeated("b", status=status)
    other = replace(other, config=other.config | {"locustfile": "empty.py"})
    assert len(cautions_of(page([row, other]))) == count


def test_cells_without_a_verified_rate_are_named_up_to_three():
    lost = {"verified_rps": None, "next_step": "Use a longer profile."}
    rows = [searched("a", 100.0, 100.0), *(searched(f"b{number}", 9.0, **lost) for number in range(5))]
    rows = [replace(row, config=fixed("a").config) for row in rows]
    notes = cautions_of(page(rows, CAPACITY))
    assert [note.partition(":")[0] for note in notes] == ["b0", "b1", "b2", "The same holds for 2 further cells."]


# The state of the only cell with the scenario of the sweep, and the answer.
@pytest.mark.parametrize(
    ("status", "answer"),
    [
        ("failed", "No configuration that can be recommended has a valid measurement: 1 failed."),
        ("infeasible", "No configuration that can be recommended has been measured yet (1 infeasible)."),
        (None, "No configuration that can be recommended has been measured yet."),
    ],
)
def test_a_valid_cell_that_cannot_be_recommended_has_no_figures_to_rely_on(status, answer):
    row, other = fixed("a", status=status, reason="died"), repeated("b")
    found = page([row, replace(other, config=other.config | {"locustfile": "empty.py"})])
    assert cautions_title(found) == "Before you measure again"
    (caution,) = cautions_of(found)
    assert caution == (
        "1 of 2 cells uses another scenario than predict.py. It is shown for comparison and cannot be recommended."
    )
    assert found.choice.recommendation.answer == [answer]


def test_a_valid_twin_alone_is_not_recommended():
    row = fixed("a", status="invalid", reason="late")
    found = page([row, replace(repeated("a-twin"), twin_of="a")], CAPACITY)
    assert cautions_of(found) == []
    assert found.choice.recommendation.answer == [
        "No configuration that can be recommended has a valid measurement: 1 invalid."
    ]


def test_the_answer_counts_the_cells_that_the_page_counts():
    left = [fixed(name, status=None, reason=NOT_MEASURED) for name in "bc"]
    rows = [fixed("a", status="failed", reason="died"), *left, replace(left[0], id="b-twin", twin_of="b")]
    found = page(rows, CAPACITY)
    assert found.choice.recommendation.answer == ["No configuration has a valid measurement: 1 failed, 3 not measured."]
