"""The plan as `./lab plan` prints it."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from swarmsweep.plan.lab_facts import ApiHosts, OtherSeconds
from swarmsweep.plan.plan import make_plan
from swarmsweep.plan.plan_text import WIDTH, end_text, plan_text
from swarmsweep.sweep.matrix import Cell
from swarmsweep.sweep.sweep_file import parse_sweep

NOW = datetime(2026, 11, 22, 18, 20, tzinfo=UTC)
HOST = {"name": "lab-api", "cpus": 1, "memory_bytes": 4 * 1024**3, "reserve_memory_bytes": 1536 * 1024**2}
OTHER = OtherSeconds(9.5, "as in run R")
USERS = """\
name: x
slo: {p95_ms: 100}
load: {users: 40, warmup_seconds: 5, measure_seconds: 12%s}
matrix: {replicas: [1, 2], cpus: [0.5, 1, 2], memory: [256M], workers: [1]}
repeat: %d
"""
SEARCH = USERS.replace("users: 40, warmup_seconds: 5, measure_seconds: 12", "mode: capacity")


def text(sweep=USERS, more="", repeat=1, hosts=(HOST,), seed=None, source=None, other=OTHER):
    """The plan of a sweep in words."""
    parsed = parse_sweep((sweep % (more, repeat)).encode(), "sweeps/x.yml")
    plan = make_plan(parsed, {"api": list(hosts), "load": []}, seed=seed, other_seconds=other.seconds)
    return plan_text(plan, ApiHosts(tuple(hosts), "as run R saw them"), other, source, NOW)


def test_a_plan_in_words(golden):
    shown = text()
    golden("plan.txt", shown)
    rows = [line.split() for line in shown.splitlines() if line[:1].isdigit() and "-m256M-" in line]
    # Load and other seconds of what is measured; of the rest the reason, and a warning for one that is measured.
    figures = [row[2:6] if "(21" in row else row[2:3] for row in rows]
    assert figures == [["30", "(21", "+", "10)"]] * 2 + [["-"]] + [["30", "(21", "+", "10)"]] * 2 + [["-"]]
    assert [len(row) > 6 for row in rows] == [False, False, True, False, True, True]
    assert "2 of 6 cells" in shown
    assert "18:20 UTC" in shown and "18:22 UTC" in shown and "2 min 2 s" in shown


def test_a_search_says_at_most_and_shows_the_twin(golden):
    shown = text(SEARCH, repeat=3)
    golden("plan_search.txt", shown)
    assert re.search(r"^7  r1-c0\.5-m256M-w1-twin +430 \(420 \+ 10\)", shown, re.MULTILINE)
    assert "sweeps/x.yml: 6 cells\n" in shown  # the twin is no other configuration
    assert "2 of 6 cells" in shown
    assert "15 deployments: at most 1 h 45 min" in shown
    assert "20:07 UTC" in shown and "at most 1 h 47 min" in shown


def test_a_smoke_search_has_no_twin(golden):
    shown = text(SEARCH, ", profile: smoke")
    golden("plan_search_smoke.txt", shown)
    assert "twin" not in shown and "A/A" not in shown
    assert "At most 60 s" in " ".join(shown.split())


def test_the_order_of_a_seed_is_in_numbers_of_cells(golden):
    shown = text(repeat=2, seed=5, source="from the sweep file")
    golden("plan_seed.txt", shown)
    start = shown.index("Order: ")
    blocks = shown[start:].splitlines()[1:3]
    assert [line.split(": ")[0] for line in blocks] == ["  block 1", "  block 2"]
    assert [sorted(line.split(": ")[1].split()) for line in blocks] == [["1", "2", "4", "5"]] * 2
    assert shown == text(repeat=2, seed=5, source="from the sweep file")
    other = text(repeat=2, seed=6, source="x")
    assert blocks != other[other.index("Order: ") :].splitlines()[1:3]


@pytest.mark.parametrize(
    ("sweep", "more", "rows"),
    [
        (
            USERS,
            ", cases: [{when: {cpus: 0.5}, users: 1, measure_seconds: 50}]",
            ["# cell load seconds (load + other)", "1 r1-c0.5-m256M-w1 1 user 68 (59 + 10)"],
        ),
        (
            SEARCH,
            ", cases: [{when: {cpus: 0.5}, profile: smoke}]",
            ["1 r1-c0.5-m256M-w1 profile smoke 70 (60 + 10)", "2 r1-c1-m256M-w1 profile standard 430 (420 + 10)"],
        ),
    ],
)
def test_loads_that_differ_are_shown_for_each_cell(sweep, more, rows):
    shown = text(sweep, more)
    assert set(rows) <= {" ".join(line.split()) for line in shown.splitlines()}
    table = [line for line in shown.splitlines() if line[:1].isdigit() and " + " in line and ")" in line]
    assert len({line.index(")") for line in table}) == 1  # a column


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[512MB]", "512M = 536,870,912 bytes for each"),
        ("[1.2G, 600MiB]", "1.2G = 1,288,490,188 bytes, 600M = 629,145,600 bytes for each"),
        ("[10M, 20M, 30M, 40M, 50M]", "40M = 41,943,040 bytes, and 1 other size for each"),
        ("[10M, 20M, 30M, 40M, 50M, 60M]", ", and 2 other sizes for each"),
    ],
)
def test_how_memory_was_read_is_shown_once(written, words):
    shown = " ".join(text(USERS.replace("[256M]", written)).split())
    assert shown.count(words) == 1


def test_what_is_not_known_of_a_host_is_left_out(golden):
    hosts = {
        "no memory": ({"name": "a", "cpus": 2.0},),
        "no CPUs": ({"name": "a", "memory_bytes": 2**30},),
        "a name alone": ({"name": "a"},),
        "no host": (),
    }
    lines = {name: text(hosts=known).splitlines()[1] for name, known in hosts.items()}
    golden("plan_hosts.yml", lines)
    assert not re.search(r"GiB", lines["no memory"]) and not re.search(r"CPU", lines["no CPUs"])


def test_hosts_and_their_replicas_are_shown_where_there_are_several():
    hosts = [{"name": name, "cpus": 2, "memory_bytes": 2**33} for name in ("a", "b", "c", "d")]
    hosts[1]["carries_replicas"] = False
    shown = " ".join(text(hosts=hosts).split())
    assert "a with 2 CPUs and 8.0 GiB, b (no replicas) with 2 CPUs and 8.0 GiB, c with" in shown
    # Of hosts that are alike to Swarm, it takes any.
    assert "1 r1-c0.5-m256M-w1 30 (21 + 10) replicas: c 0 to 1, d 0 to 1 2 r1" in shown
    assert "r2-c0.5-m256M-w1 30 (21 + 10) replicas: c 1, d 1 5 r2" in shown


def test_nothing_to_measure_ends_the_plan(golden):
    shown = text(hosts=({"name": "a", "cpus": 0.1},))
    golden("plan_nothing.txt", shown)
    assert "6 of 6 cells" in shown
    assert "Order" not in shown and "UTC" not in shown


def test_long_orders_stay_within_the_width():
    sweep = USERS.replace("[1, 2]", str(list(range(1, 31)))).replace("[0.5, 1, 2]", str(list(range(1, 31))))
    shown = text(sweep, repeat=2, hosts=({"name": "a", "cpus": 64},), seed=1, source="from --seed")
    order = shown[shown.index("Order:") : shown.index("deployments: ")].splitlines()[1:-2]
    assert len(order) > 60
    assert max(map(len, order)) <= WIDTH
    assert sorted(
        int(word) for line in order for word in line.replace("block 1:", "").replace("block 2:", "").split()
    ) == [number for number in range(1, 901) for _ in range(2)]
    assert "1,800 deployments" in shown


@pytest.mark.parametrize(
    ("now", "seconds", "told"),
    [
        (NOW, 60, "18:21 UTC"),
        (NOW, 6 * 3600, "Mon 23 Nov 00:20 UTC"),
        (NOW, 3 * 86_400, "Wed 25 Nov 18:20 UTC"),
        (NOW, 60 * 86_400, "Thu 21 Jan 2027 18:20 UTC"),
        (NOW.astimezone(timezone(timedelta(hours=-5), "EST")), 6 * 3600, "19:20 EST"),
    ],
)
def test_the_end_is_a_time_of_the_clock(now, seconds, told):
    assert end_text(now, seconds) == told


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (Cell(1, 0.5, 512 * 1024**2, 1), ["6 cells and the baseline", "r1-c0.5-m512M-w1 30 (21 + 10) the baseline"]),
        (Cell(1, 0.5, 256 * 1024**2, 1), ["sweeps/x.yml: 6 cells\n", "r1-c0.5-m256M-w1 30 (21 + 10) the baseline"]),
        (Cell(1, 4, 512 * 1024**2, 1), ["6 cells\n", "r1-c4-m512M-w1, cannot fit, so there is no baseline"]),
        (None, ["6 cells\n", "It is not known here"]),
    ],
)
def test_the_baseline_is_shown(cell, words):
    parsed = parse_sweep((USERS % ("", 1)).encode(), "sweeps/x.yml")
    plan = make_plan(parsed, {"api": [HOST], "load": []}, other_seconds=OTHER.seconds, baseline=cell)
    shown = plan_text(plan, ApiHosts((HOST,), "x"), OTHER, None, NOW, baseline_is_unknown=cell is None)
    said = " ".join(shown.split())
    assert [word for word in words if word not in shown and word not in said] == []
    assert ("write baseline: none" in said) == (plan.added_cell is not None)
