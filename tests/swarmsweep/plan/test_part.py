"""Which cells and steps a command measures, and what is refused."""

import math
import shlex

import pytest

from swarmsweep.errors import InputError, LabError
from swarmsweep.plan.part import (
    WHOLE,
    Part,
    end_part,
    parse_part,
    read_part,
    reasons,
    refuse_too_short,
    retry_sentence,
    step_seconds,
    steps_in_time,
    write_part,
)
from swarmsweep.plan.plan import make_plan
from swarmsweep.plan.time_limits import in_time
from swarmsweep.sweep.sweep_file import parse_sweep

IDS = ["r1-c0.5-m256M-w1", "r2-c0.5-m256M-w1", "r2-c1-m256M-w1"]
SWEEP = """\
name: x
slo: {p95_ms: 100}
load: {users: 40, warmup_seconds: 5, measure_seconds: 12, cases: [{when: {cpus: 0.5}, measure_seconds: 52}]}
matrix: {replicas: [1, 2], cpus: [0.5, 1], memory: [256M], workers: [1]}
"""


@pytest.fixture
def plan():
    hosts = {"api": [{"name": "lab-api", "cpus": 4}], "load": []}
    return make_plan(parse_sweep(SWEEP.encode(), "x.yml"), hosts, seed=7, other_seconds=10)


@pytest.mark.parametrize(
    ("only", "selected"),
    [
        (None, IDS),
        ("*", IDS),
        ("r2-*", IDS[1:]),
        ("r1-c0.5-m256M-w1", IDS[:1]),
        ("r1-*,*-c1-*", [IDS[0], IDS[2]]),
        ("r1-* *-c1-*", [IDS[0], IDS[2]]),
        (["r1-*", "r2-c1-*"], [IDS[0], IDS[2]]),
        ("r[12]-c1-m256M-w?", IDS[2:]),
    ],
)
def test_patterns_select_cells(only, selected):
    part = parse_part(only, None, IDS)
    assert [cell_id for cell_id in IDS if part.selects(cell_id)] == selected


@pytest.mark.parametrize("only", ["r3-*", "R2-*", "r2", "r2-*,r9-*", ["r1-*", "x"], 7])
def test_a_pattern_without_a_cell_is_refused_with_the_ids(only):
    with pytest.raises(InputError, match="matches no cell; allowed: ") as refused:
        parse_part(only, None, IDS)
    assert all(cell_id in str(refused.value) for cell_id in IDS)


@pytest.mark.parametrize("pattern", ["r2-*", "r[!']*", 'r[!"]*', "r[!$`\\]*", "r?-*;*"])
def test_the_option_that_a_text_names_can_be_pasted(pattern):
    assert shlex.split(Part(only=(pattern,)).option_only) == ["--only", pattern]


@pytest.mark.parametrize("only", ["", " ", ",", [""]])
def test_no_pattern_is_refused(only):
    with pytest.raises(InputError, match="has no pattern"):
        parse_part(only, None, IDS)


def test_of_many_ids_the_message_has_some():
    with pytest.raises(InputError) as refused:
        parse_part("x", None, [f"r{number}" for number in range(500)])
    assert "and 480 more" in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize(("given", "minutes"), [("30", 30), (30, 30), (0.5, 0.5), (" 2 ", 2), ("1e2", 100)])
def test_minutes(given, minutes):
    assert parse_part(None, given, IDS) == Part(max_minutes=minutes)


@pytest.mark.parametrize("given", ["", "abc", 0, -1, "nan", "inf", 10**6, True, [], "30m", {}])
def test_other_minutes_are_refused(given):
    with pytest.raises(InputError, match="allowed: a number of minutes above 0"):
        parse_part(None, given, IDS)


# Two cells take 10 s beside 17 s of load and its ramp, the other two 40 s more.
@pytest.mark.parametrize("minutes", [0.4, 0.5, 1, 2, 2.5, 3, 5, None])
def test_a_step_that_would_end_later_does_not_begin(plan, minutes):
    part = Part(max_minutes=minutes)
    begun = steps_in_time(plan, plan.steps, part.max_seconds)
    assert sum(step_seconds(plan, step) for step in begun) <= part.max_seconds
    left = [step for step in plan.steps if step not in begun]
    used = sum(step_seconds(plan, step) for step in begun)
    # Nothing that is left would have fit at the end.
    assert all(used + step_seconds(plan, step) > part.max_seconds for step in left)
    assert [step for step in plan.steps if step in begun] == begun


def test_minutes_for_no_step_are_refused_with_what_the_shortest_one_needs(plan):
    shortest = min(step_seconds(plan, step) for step in plan.steps)
    with pytest.raises(InputError, match="so no step could begin") as refused:
        refuse_too_short(plan, plan.steps, Part(max_minutes=0.1))
    needed = float(str(refused.value).rpartition("at least ")[2])
    assert 0 <= 60 * needed - shortest < 6
    refuse_too_short(plan, plan.steps, Part(max_minutes=needed))
    refuse_too_short(plan, plan.steps, WHOLE)
    refuse_too_short(plan, [], Part(max_minutes=0.1))


@pytest.mark.parametrize(
    ("expected", "deadline", "begins"), [(10, None, True), (10, 110, True), (10, 109.9, False), (0, 99, False)]
)
def test_the_deadline_of_a_step(expected, deadline, begins):
    assert in_time(expected, deadline, 100.0) is begins


def test_the_part_of_the_newest_command_is_kept_and_the_whole_sweep_leaves_no_file(tmp_path):
    assert read_part(tmp_path) == WHOLE
    part = Part(only=("r2-*", "r1-*"), max_minutes=0.5)
    write_part(tmp_path, part)
    assert read_part(tmp_path) == part
    end_part(tmp_path)
    assert read_part(tmp_path).is_over
    write_part(tmp_path, WHOLE)
    assert read_part(tmp_path) == WHOLE and not list(tmp_path.iterdir())
    (tmp_path / "part.json").write_text('{"only": 7}')
    with pytest.raises(LabError, match=r"part\.json: is damaged"):
        read_part(tmp_path)


@pytest.mark.parametrize(
    ("retries", "in_time", "announced"),
    [
        (0, 0, None),
        (2, 2, "invalid attempts that are retried: 2, in about 40 s"),
        (3, 2, "invalid attempts that are retried: 2 of 3, in about 40 s. "
               "No other retry would end within --max-minutes 1"),
        (2, 0, "invalid attempts: 2. No retry of them would end within --max-minutes 1"),
    ],
)  # fmt: skip
def test_only_retries_that_fit_are_announced(retries, in_time, announced):
    assert retry_sentence(Part(max_minutes=1), retries, in_time, "40 s") == announced


def test_reasons_of_cells_that_were_left_out():
    part = Part(only=("r2-*",), max_minutes=30)
    assert reasons(part, IDS) == {IDS[0]: "not measured, because it does not match --only 'r2-*'"}
    over = reasons(Part(max_minutes=30, is_over=True), IDS)
    assert over == dict.fromkeys(IDS, "not measured, because the time of --max-minutes 30 was over")
    assert reasons(WHOLE, IDS) == {}
    assert WHOLE.max_seconds == math.inf
