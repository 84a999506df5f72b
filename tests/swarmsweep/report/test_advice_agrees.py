"""What a page says to do follows from its cells, and no two sentences of it contradict each other."""

import json
from itertools import permutations
from pathlib import Path

import pytest
from evidence_json import from_json
from msgspec.structs import replace
from rows import plan_of

from swarmsweep.judge.bottleneck import find_bottleneck
from swarmsweep.plan.planned import PlannedCell
from swarmsweep.plan.row import Row
from swarmsweep.plan.row_file import read_row
from swarmsweep.report.modes import FixedPage
from swarmsweep.report.page_lists import bottlenecks_of
from swarmsweep.results import slo as slo_of
from swarmsweep.sweep.slo_limits import SloLimits

CELLS = Path(__file__).parents[2] / "data" / "cells"
# Limits that no planted cell has, from recorded loads of real servers.
LOADS = CELLS.with_name("cpu-bound")
OF_LOADS = {"cpu_limit": "busy", "worker_cpu": "two_cpus", "service": "service_busy"}
# Each recorded cell holds the first and misses the last; the others are between them.
SLOS = [{"p95_ms": 60_000}, {"p95_ms": 100}, {"p95_ms": 10}, {"p95_ms": 1}, {"p95_ms": 0.01}]
# Texts of which a page has one of each pair at most.
EXCLUSIVE = [
    ("Raise the load", "lower the load"),
    ("Raise the load", "Add larger configurations"),
    ("Raise the load", "would hardly help"),
    ("Add larger configurations", "would hardly help"),
]
# Of the nearest cell: the advice, and what the line of its bottleneck must not say then.
OF_ONE_CELL = [
    ("No resource was at its limit", "Try more"),
    ("would hardly help", "Try more"),
    ("on it would not help", "Try more"),
]


def recorded() -> dict[str, Row]:
    """The recorded rows by what was planted."""
    rows = {}
    for path in sorted(CELLS.glob("*.json")):
        stored = json.loads(path.read_text())
        cell = PlannedCell(id=stored["id"], config=stored["config"], memory="")
        rows[path.stem] = read_row(path, path.parent, cell)
    return rows


def of_loads(row: Row) -> dict[str, Row]:
    """Rows of the recorded loads by their limits; what a load does not have is that of ``row``."""
    rows = {}
    for word, name in OF_LOADS.items():
        evidence = from_json(json.loads((LOADS / f"{name}.json").read_text()))
        found, seen = find_bottleneck(evidence), evidence.concurrency
        rows[word] = replace(
            row,
            id=f"r1-{name}",
            config=row.config | dict(evidence.config),
            bottleneck=found.kind,
            bottleneck_evidence=found.evidence,
            unloaded_latency_ms=seen.unloaded_ms,
            latency_growth=seen.growth,
            served_at_once=seen.served_at_once,
        )
    return rows


ROWS = recorded()
ROWS |= of_loads(ROWS["not_saturated"])


def page(rows: list[Row], slo: dict) -> tuple[str, list[str]]:
    """The recommendation of a sweep of these rows, and the lines of their bottlenecks."""
    judged = [
        replace(row, meets_slo=slo_of.meets(row, SloLimits(slo)) if row.status == "valid" else None) for row in rows
    ]
    planned = [PlannedCell(id=row.id, config=row.config, memory="") for row in judged]
    # Cells with a scenario of their own cannot be chosen.
    plan = plan_of({"mode": "fixed", "users": 16, "locustfile": "predict.py"}, planned, slo)
    choice = FixedPage(plan, judged).choice
    lines = bottlenecks_of(judged, choice.candidates)
    return choice.recommendation.sentence, [line.evidence for line in lines]


def test_each_planted_limit_is_recorded():
    words = {name: row.bottleneck for name, row in ROWS.items()}
    inside = {"threads": "concurrency", "pool": "concurrency", "lock": "concurrency"}
    assert words == {name: inside.get(name, "not_saturated" if name.startswith("none") else name) for name in ROWS}
    assert len(ROWS) == 16 + len(OF_LOADS)


def with_other_scenario(row: Row) -> Row:
    """The row of a cell that cannot be chosen."""
    return replace(row, config=row.config | {"locustfile": "other.py"})


def sweeps() -> list[list[Row]]:
    """Each cell alone, and each two cells: both can be chosen, or one of them."""
    rows = list(ROWS.values())
    pairs = [list(pair) for pair in permutations(rows, 2)]
    return [[row] for row in rows] + pairs + [[row, with_other_scenario(other)] for row, other in pairs]


@pytest.mark.parametrize("slo", SLOS, ids=lambda slo: f"{slo['p95_ms']} ms")
def test_no_two_sentences_of_a_page_contradict_each_other(slo):
    for rows in sweeps():
        sentence, lines = page(rows, slo)
        text = " ".join([sentence, *lines])
        assert [pair for pair in EXCLUSIVE if all(words in text for words in pair)] == [], text
        if len(rows) == 1:
            assert [pair for pair in OF_ONE_CELL if pair[0] in sentence and pair[1] in lines[0]] == [], text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cpu_limit", "or with more CPUs and as many workers"),
        ("cpu_throttled", "Add larger configurations to the matrix"),
        ("database", "let the API send it fewer requests"),
        ("generator", "Give the load more workers or another load host"),
        ("host_cpu", "use a larger API host"),
        ("hot_replica", "find out which requests cost far more than the others"),
        ("hot_worker", "add more replicas with one worker each"),
        ("lock", "add more workers or replicas"),
        ("mlflow", "let the API send it fewer requests"),
        ("network", "improve the network between the hosts"),
        ("none_w1", "Make the API itself faster"),
        ("not_saturated", "Make the API itself faster"),
        ("pool", "make its pool of threads or connections larger"),
        ("proxy", "measure with a lower rate"),
        ("service", "Raise its limits in lab_api_services"),
        ("threads", "add more workers or replicas"),
        ("worker_cpu", "add more workers or replicas to the matrix"),
    ],
)
def test_the_advice_for_a_cell_that_misses_the_slo_follows_from_its_limit(name, words):
    sentence, _ = page([ROWS[name]], SLOS[-1])
    assert words in sentence, sentence
