"""What the page says to do next: nothing twice, the next sweep with its command, and how to use the answer."""

import html

import pytest
from msgspec.structs import replace
from rows import fixed, searched

from swarmsweep.choose.next_sweep import SETTLED, NextSweep, next_sweep
from swarmsweep.lab.lab_command import commands_like
from swarmsweep.plan.planned import Baseline
from swarmsweep.plan.row import NOT_MEASURED, CheckEntry
from swarmsweep.report.modes import page_of
from swarmsweep.report.next_steps import next_steps_of
from swarmsweep.report.templating import marked
from tests.swarmsweep.choose.test_next_sweep import ALL, BOUND, CHOSEN, CLEAR, DEMO_CHANGES, blank, demo, of_one
from tests.swarmsweep.choose.test_next_sweep import searched as search_run
from tests.swarmsweep.report.test_notes import CAPACITY, page, repeated

NOTHING_OPEN = NextSweep((SETTLED,))
UNFINISHED = NextSweep(("1 cell has no measurement.",))
ONCE = "Each measured cell was deployed and loaded once"
USE = "To use the configuration in this lab, set `lab_api_replicas: 1`, `lab_api_cpus: 1`, `lab_api_memory: 1G` and"


@pytest.mark.parametrize(
    ("rows", "following", "starts", "use"),
    [
        ([repeated("a")], NOTHING_OPEN, [SETTLED], USE),
        ([replace(fixed("a"), attempt_count=1)], NOTHING_OPEN, [ONCE], USE),
        ([replace(fixed("a"), attempt_count=1), fixed("b")], NOTHING_OPEN, ["Some cells were deployed"], USE),
        (
            [repeated("a"), repeated("b", cpus=2, status="invalid", reason="x")],
            NOTHING_OPEN,
            ['b is invalid. The section "Are the figures valid?" says why. Remove the cause before you measure it'],
            USE,
        ),
        (
            [repeated("a", p95=300.0), repeated("b", cpus=2, status="invalid", reason="x")],
            NextSweep(("Add more.",)),
            ["Add larger configurations to the matrix.", "b is invalid."],
            "",
        ),
        (
            [repeated("a"), fixed("b", cpus=2, status=None, reason=NOT_MEASURED)],
            UNFINISHED,
            ["Measure what is missing: `./lab sweep -e resume=x`."],
            "",
        ),
        ([repeated("a", p95=300.0)], NextSweep(("Add more.",)), ["Add larger configurations to the matrix."], ""),
        (
            [replace(fixed("a", status="failed", reason="died"), attempt_count=1)],
            NextSweep(("Remove the cause first.",)),
            ["Remove the cause, and measure again."],
            "",
        ),
        ([fixed("a", status="infeasible", reason="x")], NextSweep(("Name smaller ones.",)), ["Name smaller ones."], ""),
    ],
)
def test_without_a_next_sweep(rows, following, starts, use):
    steps = next_steps_of(page(rows), following)
    assert len(steps.first) == len(starts)
    assert [step for step, start in zip(steps.first, starts, strict=True) if not step.startswith(start)] == []
    assert (steps.sweep.command, steps.use[: len(use)]) == ("", use)
    assert bool(steps.use) == bool(use)


NOISE = CheckEntry(attempt=1, name="foreign_cpu", value=0.9, limit=0.1, passed=False, sentence="noisy neighbours")


@pytest.mark.parametrize(
    ("check", "colocated", "where"),
    [
        (NOISE, True, "on the computer that the machines run on"),
        (NOISE, False, "on each host that a reason names"),
        # A warning made no cell invalid, and neither did another check.
        (replace(NOISE, warning=True), True, None),
        (replace(NOISE, passed=True), True, None),
        (replace(NOISE, name="steal_cpu"), True, None),
    ],
)
def test_the_programs_of_noisy_neighbours_are_to_be_found(check, colocated, where):
    disturbed = replace(repeated("b", cpus=2, status="invalid", reason="x"), checks=[check])
    found = page([repeated("a"), disturbed])
    plan = replace(found.choice.plan, colocated=colocated)
    steps = next_steps_of(page_of(plan, found.choice.rows), NOTHING_OPEN).first
    assert [step for step in steps if "`top -o %CPU`" in step] == [
        step
        for step in steps
        if where and step.startswith(f"Noisy neighbours made 1 cell invalid. `top -o %CPU` {where}")
    ]
    assert len(steps) == (2 if where else 1)


def test_a_part_of_a_sweep_is_to_be_resumed():
    steps = next_steps_of(page([repeated("a")]), NOTHING_OPEN, is_part=True)
    assert (steps.first, steps.use) == (["Measure what is missing: `./lab sweep -e resume=x`."], "")


@pytest.mark.parametrize(
    ("later", "first"),
    [
        (["b"], " This also retries the invalid attempts of b. First remove the cause, which is below."),
        (
            ["b", "c"],
            " This also retries the invalid attempts of b and c. First remove the causes, which are below.",
        ),
        # It was retried already, so the resumed run does not measure it again.
        ([], ""),
    ],
)
def test_an_invalid_cell_has_one_next_step(later, first):
    rows = [repeated(name, cpus=2, status="invalid", reason="x") for name in (later or ["b"])]
    following = NextSweep(("Left out.",), resumed=frozenset(later))
    steps = next_steps_of(page([repeated("a"), *rows]), following, is_part=True).first
    assert steps[0] == f"Measure what is missing: `./lab sweep -e resume=x`.{first}"
    assert [step[:12] for step in steps[1:]] == ([] if later else ["b is invalid"])


def test_a_command_in_a_reason_is_shown_to_copy():
    command = "LAB_INVENTORY=inventory/my_lab ./lab sweep -e resume=x"
    following = NextSweep((f"a_b is left. To measure it: {command}.",), command=command)
    assert next_steps_of(page([repeated("a")]), following).first == [rf"a\_b is left. To measure it: `{command}`."]


def test_the_command_that_deploys_has_every_inventory():
    commands = commands_like(["x", "-i", "a", "-i", "b c"])
    use = next_steps_of(page([repeated("a")]), NOTHING_OPEN, commands=commands).use
    assert use.endswith("Then run `LAB_INVENTORY=a ./lab site --tags api -i 'b c'`.")


def test_a_hidden_inventory_has_a_note():
    commands = commands_like(["x", "-i", "***"])
    use = next_steps_of(page([repeated("a")]), NOTHING_OPEN, commands=commands).use
    assert use.endswith(
        r"Then run `LAB_INVENTORY='***' ./lab site --tags api` "
        r"(replace \*\*\*, which hides a value that may be secret)."
    )


def test_a_cell_that_the_generator_could_not_load_is_a_step():
    bound = {"is_lower_bound": True, "limited_by": "generator"}
    rows = [searched("a", 100.0, 100.0), searched("b", 9.0, 9.0, **bound)]
    rows = [replace(row, config=fixed("a").config) for row in rows]
    (step,) = next_steps_of(page(rows, CAPACITY), NOTHING_OPEN).first
    assert step.startswith("The load generator could not load b up to the limit.")


def test_the_settings_of_other_axes_are_named():
    row = repeated("a")
    row = replace(row, config=row.config | {"variant": "onnx", "API_THREADS": 4})
    use = next_steps_of(page([row]), NOTHING_OPEN).use
    assert "`lab_api_workers: 1` and `lab_api_variant: onnx`, and in `lab_api_env` `API_THREADS: 4`. " in use
    assert "The file is `inventory/lab/group_vars/all/lab.yml`. " in use


def test_a_text_that_yaml_reads_as_something_else_is_in_quotes():
    row = repeated("a")
    row = replace(row, config=row.config | {"variant": "1", "LOG": "off"})
    use = next_steps_of(page([row]), NOTHING_OPEN).use
    assert '`lab_api_variant: "1"`, and in `lab_api_env` `LOG: "off"`. ' in use


def test_the_settings_are_shown_as_they_are_typed():
    shown = str(marked(next_steps_of(page([repeated("a")]), NOTHING_OPEN).use))
    assert "<code>lab_api_workers: 1</code>" in shown and "<code>./lab site --tags api</code>" in shown


# The changes of the demo's rows after which something is to be done before the next sweep, or without one.
FIRST = {
    "no one holds it, and one is invalid": "Add larger configurations to the matrix.",
    "not finished": "Measure what is missing: `./lab sweep -e resume=",
    "left out": "The sweep left out 1 cell.",
    "killed alone": "Remove the cause, and measure again.",
    "infeasible alone": "No configuration can be deployed on these hosts.",
    "crashed alone": "Remove the cause, and measure again.",
}


@pytest.mark.parametrize("name", DEMO_CHANGES)
def test_nothing_is_said_twice(name):
    choice = demo(DEMO_CHANGES[name][0])
    following = next_sweep(choice)
    steps = next_steps_of(page_of(choice.plan, choice.rows), following)
    # Without a next sweep that repeats it, the page says that each cell was deployed once.
    first = [step for step in steps.first if not step.startswith(ONCE)]
    assert [step[: len(FIRST.get(name, ""))] for step in first] == ([FIRST[name]] if name in FIRST else [])
    assert first == steps.first or following.sweep is None or following.sweep.repeat == 1
    assert bool(steps.sweep.command) == (following.sweep is not None)
    # The repeats, the undecided and the invalid cells are in the next sweep.
    words = " ".join(html.unescape(text) for text in (*first, *(steps.sweep.reasons if steps.sweep.command else ())))
    assert words.count("repeat") == 0 and words.count("resume=") <= 1
    assert bool(steps.use) == (name not in FIRST and name not in ("the chosen one is undecided", "invalid alone"))


def test_an_invalid_cell_that_the_next_sweep_leaves_out_is_named():
    dearer = "r2-c0.5-m256M-w1"
    choice = demo(of_one(dearer, status="invalid", meets_slo=None, reason="x"))
    following = next_sweep(choice)
    assert dearer not in following.cell_ids and CHOSEN in following.cell_ids
    (step,) = next_steps_of(page_of(choice.plan, choice.rows), following).first
    assert step.startswith(f"{dearer} is invalid. ")


def test_the_configuration_of_the_inventory_is_used_already():
    chosen = demo().chosen
    baseline = Baseline(cell_id=chosen.id, added=False)
    found = {plan: demo(baseline=plan) for plan in (None, baseline)}
    uses = [next_steps_of(page_of(one.plan, one.rows), next_sweep(one)).use for one in found.values()]
    assert [bool(use) for use in uses] == [True, False]


def test_a_next_sweep_with_another_load_comes_before_the_use():
    choice = demo()
    following = next_sweep(choice)
    more = replace_load(following, users=400)
    page = page_of(choice.plan, choice.rows)
    assert next_steps_of(page, following).use and not next_steps_of(page, more).use


def test_more_workers_alone_keep_the_use_of_a_cell_that_they_did_not_limit(tmp_path):
    choice = demo()
    more = replace_load(next_sweep(choice), workers=2)
    assert next_steps_of(page_of(choice.plan, choice.rows), more).use
    limited = search_run(tmp_path, CLEAR, own={ALL: BOUND})
    following = next_sweep(limited)
    assert limited.chosen.id == ALL and following.sweep.load.workers == 2
    assert not next_steps_of(page_of(limited.plan, limited.rows), following).use


def replace_load(following, **changes):
    from dataclasses import replace as changed

    return changed(following, sweep=changed(following.sweep, load=changed(following.sweep.load, **changes)))


def test_a_cell_that_is_left_out_is_no_cell_to_measure():
    choice = demo(lambda rows: rows | {CHOSEN: blank(rows[CHOSEN], "left out")})
    assert next_steps_of(page_of(choice.plan, choice.rows), next_sweep(choice)).sweep.command == ""
