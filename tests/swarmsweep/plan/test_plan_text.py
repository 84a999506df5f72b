"""The plan as `./lab plan` prints it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from swarmsweep.plan.lab_facts import ApiHosts, OtherSeconds
from swarmsweep.plan.plan import make_plan
from swarmsweep.plan.plan_text import WIDTH, end_text, plan_text
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


WHOLE = """\
sweep:     sweeps/x.yml: 6 cells
API hosts: lab-api with 1 CPU and 4.0 GiB, 1.5 GiB of it for the system (as run R saw them)
load:      40 users (40 started per second) with no think time, 5 s of warm-up thrown away, 12 s measured, 1 Locust
           worker(s), scenario predict.py, trials per cell: 1

#  cell              seconds (load + other)
1  r1-c0.5-m256M-w1            28 (18 + 10)
2  r1-c1-m256M-w1              28 (18 + 10)
3  r1-c2-m256M-w1                         -  cannot fit: {docker}
4  r2-c0.5-m256M-w1            28 (18 + 10)
5  r2-c1-m256M-w1              28 (18 + 10)  {doubt}
6  r2-c2-m256M-w1                         -  cannot fit: {docker}

2 of 6 cells cannot fit and will not be tried.

Order: all cells once, at random; the seed is drawn when the sweep starts and published in plan.json. To see an order:
--seed N here, and -e seed=N for the sweep.

4 deployments: 1 min 12 s of load, and 4 x about 9.5 s of deploying and collecting (as in run R).
Started now, at 18:20 UTC, the sweep ends at about 18:21 UTC: after 1 min 50 s.
"""
DOCKER = (
    "one replica asks for 2 CPUs and the largest API host, lab-api, has 1: Docker refuses --limit-cpu 2 there "
    "(range is 0.01 to 1.00)"
)
DOUBT = "the CPU limits add up to 2 and the API hosts have 1: the replicas cannot all reach their limit at once"


def test_a_plan_in_words():
    assert text() == WHOLE.format(docker=DOCKER, doubt=DOUBT)


def test_a_search_says_at_most_and_shows_the_twin():
    shown = text(SEARCH, repeat=3)
    assert "7  r1-c0.5-m256M-w1-twin          430 (420 + 10)  the twin of r1-c0.5-m256M-w1\n" in shown
    assert "sweeps/x.yml: 6 cells\n" in shown  # the twin is no other configuration
    assert "2 of 6 cells cannot fit" in shown
    assert "r1-c0.5-m256M-w1 is measured under two names (A/A)" in shown
    assert "Order: 3 blocks, each all cells once, at random; the seed is drawn" in shown
    assert "15 deployments: at most 1 h 45 min of load, and 15 x about 9.5 s" in shown
    assert "the sweep ends by about 20:07 UTC: after at most 1 h 47 min.\n" in shown


def test_a_smoke_search_has_no_twin():
    shown = text(SEARCH, ", profile: smoke")
    assert "twin" not in shown and "A/A" not in shown
    assert "at most 60 s of load for each deployment (profile smoke)" in " ".join(shown.split())


def test_the_order_of_a_seed_is_in_numbers_of_cells():
    shown = text(repeat=2, seed=5, source="of the sweep file")
    start = shown.index("Order: 2 blocks, each all cells once, at random by seed 5 (of the sweep file):\n")
    blocks = shown[start:].splitlines()[1:3]
    assert [line.split(": ")[0] for line in blocks] == ["  block 1", "  block 2"]
    assert [sorted(line.split(": ")[1].split()) for line in blocks] == [["1", "2", "4", "5"]] * 2
    assert shown == text(repeat=2, seed=5, source="of the sweep file")
    assert blocks != text(repeat=2, seed=6, source="x")[start - 13 :].splitlines()[1:3]


@pytest.mark.parametrize(
    ("sweep", "more", "rows"),
    [
        (
            USERS,
            ", cases: [{when: {cpus: 0.5}, users: 1, measure_seconds: 50}]",
            ["# cell load seconds (load + other)", "1 r1-c0.5-m256M-w1 1 user 66 (56 + 10)"],
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
    ("host", "words"),
    [
        ({"name": "a", "cpus": 2.0}, "API hosts: a with 2 CPUs (as run R saw them)"),
        ({"name": "a", "memory_bytes": 2**30}, "API hosts: a with 1.0 GiB (as run R saw them)"),
        ({"name": "a"}, "API hosts: a (as run R saw them)"),
        (None, "API hosts: not known (as run R saw them)"),
    ],
)
def test_what_is_not_known_of_a_host_is_not_told(host, words):
    assert words in text(hosts=() if host is None else (host,))


def test_nothing_to_measure_is_told():
    shown = text(hosts=({"name": "a", "cpus": 0.1},))
    assert "6 of 6 cells cannot fit and will not be tried.\nNothing is left to measure.\n" in shown
    assert "Order" not in shown and "Started now" not in shown


def test_long_orders_stay_within_the_width():
    sweep = USERS.replace("[1, 2]", str(list(range(1, 31)))).replace("[0.5, 1, 2]", str(list(range(1, 31))))
    shown = text(sweep, repeat=2, hosts=({"name": "a", "cpus": 64},), seed=1, source="of --seed")
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
