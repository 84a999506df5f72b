"""Cases of a load, in fixed mode: what is accepted, and for each mistake the line, the key and the reason."""

import pytest

from swarmsweep.errors import InputError
from swarmsweep.sweep.load import Load
from swarmsweep.sweep.sweep_file import parse_sweep

# Lines: 1 name, 2 slo, 3 load, 4 users, 5 cases, 6 the case; then the matrix
FILE = """\
name: x
slo: {p95_ms: 500}
load:
  users: 50
  cases:
    - %s
matrix: {replicas: [1, 2], cpus: [0.5, 1], memory: [600M, 1G], workers: [2], variant: [a, b, 3]}
include: [{replicas: 3, cpus: 1, memory: 1G, workers: 2, variant: a, locustfile: empty.py}]
"""


def parse(case: str, old: str = "", new: str = ""):
    """Sweep with these cases, and one piece of the rest replaced."""
    assert old in FILE
    return parse_sweep((FILE.replace(old, new, 1) % case).encode(), "sweeps/x.yml")


def refusal(case: str, old: str = "", new: str = "") -> list[str]:
    """The lines of the refusal."""
    with pytest.raises(InputError) as caught:
        parse(case, old, new)
    return str(caught.value).splitlines()


def loads(case: str, old: str = "", new: str = "") -> dict[str, Load]:
    """Load of each cell."""
    sweep = parse(case, old, new)
    return {cell.id: sweep.load_of(cell) for cell in sweep.cells}


def changed(by_cell: dict[str, Load]) -> int:
    """How many cells have another load than most."""
    return sum(load.users != 50 for load in by_cell.values())


GOOD_WHENS = [
    ("{variant: a}", 9),
    ("{variant: [a]}", 9),
    ("{variant: [a, 3]}", 17),
    ("{variant: [a, b, 3]}", 25),
    ("{memory: 1G}", 13),
    ("{memory: 1024M}", 13),  # as exclude reads it: bytes, not text
    ("{memory: [614400K, 1G]}", 25),
    ("{cpus: 1.0, replicas: [1, 3]}", 7),
    ("{locustfile: empty.py}", 1),
]


@pytest.mark.parametrize(("when", "count"), GOOD_WHENS)
def test_when_is_a_value_or_a_list_for_each_axis(when, count):
    assert changed(loads(f"{{when: {when}, users: 2}}")) == count


def test_a_case_changes_what_it_names_and_keeps_the_rest():
    by_cell = loads("{when: {variant: a}, warmup_seconds: 1, measure_seconds: 99, wait_seconds: [1, 2], workers: 3}")
    slow, usual = by_cell["r1-c0.5-m600M-w2-varianta"], by_cell["r1-c0.5-m600M-w2-variantb"]
    assert (usual.warmup_seconds, usual.measure_seconds, usual.wait_seconds, usual.workers) == (10, 30, None, 1)
    assert (slow.warmup_seconds, slow.measure_seconds, slow.wait_seconds, slow.workers) == (1, 99, (1, 2), 3)
    assert slow.users == usual.users == slow.spawn_rate == 50


@pytest.mark.parametrize(
    ("load", "case", "spawn_rate"),
    [
        ("users: 50", "users: 2", 2),  # left out: all users within a second, here too
        ("users: 50", "users: 500", 100),
        ("users: 50", "users: 2, spawn_rate: 1", 1),
        ("users: 50\n  spawn_rate: 25", "users: 2", 25),
        ("users: 50\n  spawn_rate: 25", "measure_seconds: 5", 25),
    ],
)
def test_spawn_rate_of_a_case(load, case, spawn_rate):
    by_cell = loads(f"{{when: {{variant: a}}, {case}}}", "users: 50", load)
    assert by_cell["r1-c1-m1G-w2-varianta"].spawn_rate == spawn_rate


def test_the_first_case_that_matches_wins():
    by_cell = loads("{when: {replicas: 1, variant: a}, users: 1}\n    - {when: {replicas: 1}, users: 2}")
    assert [by_cell[f"r{n}-c1-m1G-w2-variant{v}"].users for n, v in ((1, "a"), (1, "b"), (2, "a"))] == [1, 2, 50]


# Each row: the case, the line and the key that must be named.
BAD = [
    # what a case is
    ("3", 6, "load.cases[0]"),
    ("{users: 2}", 6, "load.cases[0].when"),
    ("{when: {variant: a}}", 6, "load.cases[0]"),
    ("{when: {variant: a}, user: 2}", 6, "load.cases[0].user"),
    ("{when: {variant: a}, locustfile: empty.py}", 6, "load.cases[0].locustfile"),
    ("{when: {variant: a}, mode: fixed, users: 2}", 6, "load.cases[0].mode"),
    ("{when: {variant: a}, users: 2, users: 3}", 6, "load.cases[0].users"),
    # numbers
    ("{when: {variant: a}, users: 0}", 6, "load.cases[0].users"),
    ("{when: {variant: a}, users: two}", 6, "load.cases[0].users"),
    ("{when: {variant: a}, measure_seconds: 0}", 6, "load.cases[0].measure_seconds"),
    ("{when: {variant: a}, wait_seconds: [2, 1]}", 6, "load.cases[0].wait_seconds"),
    ("{when: {variant: a}, wait_seconds: [a, 1]}", 6, "load.cases[0].wait_seconds[0]"),
    # together with what it leaves as it is
    ("{when: {variant: a}, workers: 51}", 6, "load.cases[0].workers"),
    ("{when: {variant: a}, spawn_rate: 0.05}", 6, "load.cases[0].spawn_rate"),
    ("{when: {variant: a}, measure_seconds: 86000}", 6, "load.cases[0].measure_seconds"),
    # when
    ("{when: a, users: 2}", 6, "load.cases[0].when"),
    ("{when: {}, users: 2}", 6, "load.cases[0].when"),
    ("{when: {varaint: a}, users: 2}", 6, "load.cases[0].when.varaint"),
    ("{when: {variant: []}, users: 2}", 6, "load.cases[0].when.variant"),
    ("{when: {variant: [[a]]}, users: 2}", 6, "load.cases[0].when.variant[0]"),
    ("{when: {cpus: half}, users: 2}", 6, "load.cases[0].when.cpus"),
    ("{when: {memory: 1}, users: 2}", 6, "load.cases[0].when.memory"),
    ("{when: {locustfile: ../x.py}, users: 2}", 6, "load.cases[0].when.locustfile"),
    # cases that never count
    ("{when: {variant: c}, users: 2}", 6, "load.cases[0].when.variant"),
    ("{when: {variant: [a, c]}, users: 2}", 6, "load.cases[0].when.variant"),
    ("{when: {variant: '3'}, users: 2}", 6, "load.cases[0].when.variant"),  # text is no number
    ("{when: {cpus: 2}, users: 2}", 6, "load.cases[0].when.cpus"),
    ("{when: {memory: 2G}, users: 2}", 6, "load.cases[0].when.memory"),
    ("{when: {replicas: 3, variant: b}, users: 2}", 6, "load.cases[0]"),
    ("{when: {OTHER: 1}, users: 2}", 6, "load.cases[0].when.OTHER"),
    ("{when: {variant: a}, users: 2}\n    - {when: {replicas: 3}, users: 3}", 7, "load.cases[1]"),
    (
        "{when: {replicas: [1, 2]}, users: 2}\n    - {when: {replicas: 3}, users: 3}\n"
        "    - {when: {cpus: 1}, users: 4}",
        8,
        "load.cases[2]",
    ),
]


FEWER_USERS_THAN_WORKERS = ("{when: {variant: a}, users: 2}", "users: 50", "users: 50\n  workers: 4")
TOO_MANY = "\n    - ".join(["{when: {variant: a}, users: 2}"] * 101)


@pytest.mark.parametrize(("case", "line", "key"), BAD)
def test_a_bad_case_names_line_and_key(case, line, key):
    lines = refusal(case)
    assert any(row.startswith(f"sweeps/x.yml:{line}: {key}: ") for row in lines), lines


def test_the_messages_about_bad_cases(golden):
    refused = {case: refusal(case) for case, _, _ in BAD}
    refused["a list is needed"] = refusal("x", "\n    - %s", " 3 # %s")
    refused["more workers than users"] = refusal(*FEWER_USERS_THAN_WORKERS)
    refused["too many"] = refusal(TOO_MANY)
    # The last line is the same for all, and stands in sweep_file_errors.yml.
    assert len({lines[-1] for lines in refused.values()}) == 1
    rows = [{"given": case, "refused": "\n".join(lines[:-1])} for case, lines in refused.items()]
    golden("sweep_case_errors.yml", rows)


@pytest.mark.parametrize("cases", ["3", "[]", "{a: 1}"])
def test_cases_are_a_list(cases):
    (line, _) = refusal("x", "\n    - %s", f" {cases} # %s")
    assert line.startswith("sweeps/x.yml:5: load.cases: ")


def test_more_workers_than_users_of_a_case_are_refused_where_the_users_are():
    (line, _) = refusal(*FEWER_USERS_THAN_WORKERS)
    assert line.startswith("sweeps/x.yml:7: load.cases[0].workers: 4 workers")


def test_too_many_cases_are_refused():
    (line, *_) = refusal(TOO_MANY)
    assert "load.cases: " in line and "101 cases" in line and "100" in line


def test_a_mistake_in_the_cells_hides_no_mistake_of_a_case_and_makes_none():
    lines = refusal("{when: {variant: c}, users: 0}", "replicas: [1, 2]", "replicas: [0]")
    assert any("load.cases[0].users: 0 " in line for line in lines)
    assert not any("load.cases[0].when" in line for line in lines)
