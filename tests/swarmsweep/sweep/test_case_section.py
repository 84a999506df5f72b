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


def loads(case: str, old: str = "", new: str = "") -> dict[str, Load]:
    """Load of each cell."""
    sweep = parse(case, old, new)
    return {cell.id: sweep.load_of(cell) for cell in sweep.cells}


def changed(found: dict[str, Load]) -> int:
    """How many cells have another load than most."""
    return sum(load.users != 50 for load in found.values())


@pytest.mark.parametrize(
    ("when", "count"),
    [
        ("{variant: a}", 9),
        ("{variant: [a]}", 9),
        ("{variant: [a, 3]}", 17),
        ("{variant: [a, b, 3]}", 25),
        ("{memory: 1G}", 13),
        ("{memory: 1024M}", 13),  # as exclude reads it: bytes, not text
        ("{memory: [614400K, 1G]}", 25),
        ("{cpus: 1.0, replicas: [1, 3]}", 7),
        ("{locustfile: empty.py}", 1),
    ],
)
def test_when_is_a_value_or_a_list_for_each_axis(when, count):
    assert changed(loads(f"{{when: {when}, users: 2}}")) == count


def test_a_case_changes_what_it_names_and_keeps_the_rest():
    found = loads("{when: {variant: a}, warmup_seconds: 1, measure_seconds: 99, wait_seconds: [1, 2], workers: 3}")
    slow, usual = found["r1-c0.5-m600M-w2-varianta"], found["r1-c0.5-m600M-w2-variantb"]
    assert (usual.warmup_seconds, usual.measure_seconds, usual.wait_seconds, usual.workers) == (10, 30, (0, 0), 1)
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
    found = loads(f"{{when: {{variant: a}}, {case}}}", "users: 50", load)
    assert found["r1-c1-m1G-w2-varianta"].spawn_rate == spawn_rate


def test_the_first_case_that_matches_wins():
    found = loads("{when: {replicas: 1, variant: a}, users: 1}\n    - {when: {replicas: 1}, users: 2}")
    assert [found[f"r{n}-c1-m1G-w2-variant{v}"].users for n, v in ((1, "a"), (1, "b"), (2, "a"))] == [1, 2, 50]


BAD = [
    # what a case is
    ("3", 6, "load.cases[0]: the single value '3' stands here"),
    ("{users: 2}", 6, "load.cases[0].when: is missing"),
    ("{when: {variant: a}}", 6, "load.cases[0]: changes nothing; name at least one of users, spawn_rate"),
    ("{when: {variant: a}, user: 2}", 6, "load.cases[0].user: is unknown (did you mean users?)"),
    ("{when: {variant: a}, locustfile: empty.py}", 6, "load.cases[0].locustfile: is unknown"),
    ("{when: {variant: a}, mode: fixed, users: 2}", 6, "load.cases[0].mode: is unknown"),
    ("{when: {variant: a}, users: 2, users: 3}", 6, "load.cases[0].users: is given twice"),
    # numbers
    ("{when: {variant: a}, users: 0}", 6, "load.cases[0].users: 0 is out of range; allowed: whole numbers 1 to 9000"),
    ("{when: {variant: a}, users: two}", 6, "load.cases[0].users: 'two' is not a number"),
    ("{when: {variant: a}, measure_seconds: 0}", 6, "load.cases[0].measure_seconds: 0 is out of range"),
    ("{when: {variant: a}, wait_seconds: [2, 1]}", 6, "load.cases[0].wait_seconds: 2 is above 1"),
    ("{when: {variant: a}, wait_seconds: [a, 1]}", 6, "load.cases[0].wait_seconds[0]: 'a' is not a number"),
    # together with what it leaves as it is
    ("{when: {variant: a}, workers: 51}", 6, "load.cases[0].workers: 51 workers share 50 users; allowed: 1 to 50"),
    ("{when: {variant: a}, spawn_rate: 0.05}", 6, "load.cases[0].spawn_rate: 0.05 users per second start 50 users in"),
    ("{when: {variant: a}, measure_seconds: 86000}", 6, "load.cases[0].measure_seconds: starting the users, warm-up"),
    # when
    ("{when: a, users: 2}", 6, "load.cases[0].when: the single value 'a' stands here"),
    ("{when: {}, users: 2}", 6, "load.cases[0].when: is empty; name at least one of replicas, cpus"),
    ("{when: {varaint: a}, users: 2}", 6, "load.cases[0].when.varaint: is unknown (did you mean variant?)"),
    ("{when: {variant: []}, users: 2}", 6, "load.cases[0].when.variant: is an empty list"),
    ("{when: {variant: [[a]]}, users: 2}", 6, "load.cases[0].when.variant[0]: a list stands here"),
    ("{when: {cpus: half}, users: 2}", 6, "load.cases[0].when.cpus: 'half' is not a number"),
    ("{when: {memory: 1}, users: 2}", 6, "load.cases[0].when.memory: '1' has no unit"),
    ("{when: {locustfile: ../x.py}, users: 2}", 6, "load.cases[0].when.locustfile: '../x.py' does not fit"),
    # cases that never count
    ("{when: {variant: c}, users: 2}", 6, "load.cases[0].when.variant: no cell has the value 'c' (a typing slip?)"),
    ("{when: {variant: [a, c]}, users: 2}", 6, "load.cases[0].when.variant: no cell has the value 'c'"),
    ("{when: {variant: '3'}, users: 2}", 6, "no cell has the value '3'"),  # text is no number
    ("{when: {cpus: 2}, users: 2}", 6, "load.cases[0].when.cpus: no cell has the value 2"),
    ("{when: {memory: 2G}, users: 2}", 6, "no cell has the value 2147483648 bytes"),
    ("{when: {replicas: 3, variant: b}, users: 2}", 6, "load.cases[0]: matches no cell: there are cells with each"),
    ("{when: {OTHER: 1}, users: 2}", 6, "load.cases[0].when.OTHER: is unknown"),
    (
        "{when: {variant: a}, users: 2}\n    - {when: {replicas: 3}, users: 3}",
        7,
        "load.cases[1]: never counts: the first case that matches a cell wins, and all that it matches have "
        "load.cases[0] already",
    ),
    (
        "{when: {replicas: [1, 2]}, users: 2}\n    - {when: {replicas: 3}, users: 3}\n"
        "    - {when: {cpus: 1}, users: 4}",
        8,
        "load.cases[2]: never counts: the first case that matches a cell wins, and all that it matches have "
        "load.cases[0], load.cases[1] already",
    ),
]


@pytest.mark.parametrize(("case", "line", "words"), BAD)
def test_a_bad_case_names_line_and_reason(case, line, words):
    with pytest.raises(InputError) as caught:
        parse(case)
    told = str(caught.value).splitlines()
    assert any(row.startswith(f"sweeps/x.yml:{line}: ") and words in row for row in told), told


@pytest.mark.parametrize(
    ("cases", "words"), [("3", "a list is needed"), ("[]", "is an empty list"), ("{a: 1}", "list")]
)
def test_cases_are_a_list(cases, words):
    with pytest.raises(InputError, match=words):
        parse_sweep((FILE % "x").replace("\n    - x", f" {cases}").encode(), "x.yml")


def test_more_workers_than_users_of_a_case_are_told_where_the_users_are():
    with pytest.raises(InputError, match=r"x\.yml:7: load\.cases\[0\]\.workers: 4 workers share 2 users"):
        parse("{when: {variant: a}, users: 2}", "users: 50", "users: 50\n  workers: 4")


def test_too_many_cases_are_refused():
    with pytest.raises(InputError, match=r"load\.cases: has 101 cases; allowed: up to 100"):
        parse("\n    - ".join(["{when: {variant: a}, users: 2}"] * 101))


def test_a_mistake_in_the_cells_hides_no_mistake_of_a_case_and_makes_none():
    with pytest.raises(InputError) as caught:
        parse("{when: {variant: c}, users: 0}", "replicas: [1, 2]", "replicas: [0]")
    assert "load.cases[0].users: 0 is out of range" in str(caught.value)
    assert "no cell has the value" not in str(caught.value)
