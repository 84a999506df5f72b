"""The section of the page on rules of thumb: order, groups, and how many lines there are."""

from rows import at_limit, plan_of

from swarmsweep.choose.modes import choice_of
from swarmsweep.choose.rules import rules_of
from swarmsweep.choose.scaling import scalings_of
from swarmsweep.report.rule_lists import MAX_GAPS, MAX_RULES, MAX_SCALINGS, rule_groups

OPEN = "not_saturated"


def groups(*rows):
    plan = plan_of({"mode": "fixed", "locustfile": "predict.py"})
    choice = choice_of(plan, list(rows))
    return rule_groups(rules_of(choice), scalings_of(choice))


def test_a_sweep_of_one_cell_has_no_section():
    assert groups(at_limit(100.0)) == []


def test_what_is_known_comes_first():
    rows = [at_limit(100.0, bottleneck=OPEN), at_limit(120.0, replicas=2)]
    rows += [at_limit(200.0, replicas=3), at_limit(260.0, replicas=4), at_limit(300.0, replicas=4, cpus=2)]
    (group,) = groups(*rows)
    starts = [line.split(" ", 1)[0] for line in group.lines]
    assert starts == ["3", "4", "2", "Replicas", "A"]
    assert (group.where, group.left_out) == ("", 0)


def test_other_software_is_a_group_of_its_own():
    rows = [at_limit(100.0 * n, replicas=n, variant=name) for name in ("a_b", "fast") for n in (1, 2, 3)]
    found = groups(*rows)
    assert [group.where for group in found] == ["variant a\\_b", "variant fast"]
    assert [len(group.lines) for group in found] == [3, 3]


def test_axes_without_a_pair_share_a_line():
    (group,) = groups(at_limit(100.0), at_limit(300.0, replicas=2, workers=2))
    assert len(group.lines) == 1 and "replicas or workers alone" in group.lines[0]


def test_many_rules_are_left_to_the_json_file():
    rows = [
        at_limit(100.0 * replicas * workers, replicas=replicas, workers=workers)
        for replicas in range(1, 9)
        for workers in range(1, 9)
    ]
    (group,) = groups(*rows)
    assert len(group.lines) == MAX_RULES + MAX_SCALINGS
    assert group.left_out == 14 + 16 - len(group.lines)


def test_a_light_load_has_few_lines():
    rows = [at_limit(34.0, replicas=n, workers=m, bottleneck=OPEN) for n in (1, 2, 3, 4) for m in (1, 2)]
    (group,) = groups(*rows)
    assert [line.partition(":")[0] for line in group.lines][-MAX_GAPS:] == [
        "A second replica",
        "3 replicas instead of 2",
    ]
    assert group.left_out == 2
