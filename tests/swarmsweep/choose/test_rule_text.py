"""Rules of thumb as sentences."""

import pytest
from msgspec.structs import replace
from rows import GIB, at_limit, plan_of

from swarmsweep.choose.modes import choice_of
from swarmsweep.choose.rule_text import step_name, where_text, without_pairs
from swarmsweep.choose.rules import rules_of

OPEN = "not_saturated"
CASES = {
    "a second replica": [at_limit(100.0), at_limit(190.0, replicas=2, bottleneck="cpu_throttled")],
    "at the same cost": [at_limit(100.0), at_limit(102.0, workers=2, bottleneck="mlflow")],
    "twice the CPU": [at_limit(100.0), at_limit(195.0, cpus=1.0)],
    "more CPU": [at_limit(100.0), at_limit(130.0, cpus=0.75)],
    "twice the memory": [at_limit(100.0), at_limit(100.0, memory=GIB // 2)],
    "more memory": [at_limit(100.0), at_limit(100.0, memory=GIB)],
    "two steps": [at_limit(100.0, workers=1), at_limit(170.0, workers=2), at_limit(180.0, workers=4)],
    "slower": [at_limit(100.0), at_limit(70.0, workers=2, bottleneck="worker_cpu")],
    "a lower bound": [at_limit(100.0), at_limit(150.0, replicas=2, bottleneck=OPEN)],
    "several pairs": [
        *(at_limit(100.0), at_limit(200.0, replicas=2, bottleneck="mlflow")),
        *(at_limit(200.0, workers=2), at_limit(240.0, workers=2, replicas=2, bottleneck="cpu_limit")),
    ],
    "an interval": [at_limit(100.0, 104.0, 98.0), at_limit(190.0, 199.0, 184.0, replicas=2)],
    "an interval that is not clear": [at_limit(100.0, 130.0, 90.0), at_limit(110.0, 100.0, 99.0, replicas=2)],
    "an interval that is small": [at_limit(100.0, 101.0, 99.0), at_limit(100.2, 100.9, 99.1, replicas=2)],
    "the smaller cell had room": [at_limit(100.0, bottleneck=OPEN), at_limit(150.0, replicas=2)],
    "both had room": [
        *(at_limit(100.0, bottleneck=OPEN), at_limit(105.0, replicas=2, bottleneck=OPEN)),
        *(at_limit(99.0, workers=2, bottleneck="generator"), at_limit(105.0, replicas=2, workers=2, bottleneck=OPEN)),
    ],
    "the larger cell had room": [at_limit(100.0), at_limit(105.0, replicas=2, bottleneck="proxy")],
    "failed requests": [replace(at_limit(100.0), failure_percent=5.0), at_limit(150.0, replicas=2)],
    "no pair": [at_limit(100.0), at_limit(300.0, replicas=2, workers=2)],
}


def sentences(rows):
    plan = plan_of({"mode": "fixed", "locustfile": "predict.py"})
    return [rule.sentence for rule in rules_of(choice_of(plan, rows))]


def test_sentences(golden):
    golden("rules.yml", {name: sentences(rows) for name, rows in CASES.items()})


def test_a_figure_of_each_sentence():
    (text,) = sentences(CASES["a second replica"])
    assert "A second replica brought 1.90 times the requests/s for 2.00 times the cost." in text
    assert "For each CPU equivalent, it brought 0.95 times the requests/s." in text and "the CPU limit" in text
    (text,) = sentences(CASES["at the same cost"])
    assert "1.02 times the requests/s at the same cost." in text and "MLflow" in text
    (text,) = sentences(CASES["a lower bound"])
    assert "brought at least 1.50 times" in text and "it brought at least 0.75 times" in text


@pytest.mark.parametrize(
    ("axis", "smaller", "larger", "name"),
    [
        ("replicas", 1, 2, "A second replica"),
        ("replicas", 2, 4, "4 replicas instead of 2"),
        ("workers", 1, 2, "A second worker in each replica"),
        ("cpus", 0.25, 0.5, "Twice the CPU (0.5 instead of 0.25)"),
        ("cpus", 1, 1.5, "1.5 CPU instead of 1"),
        ("memory_bytes", GIB // 4, GIB // 2, "Twice the memory (512M instead of 256M)"),
    ],
)
def test_names_of_steps(axis, smaller, larger, name):
    assert step_name(axis, smaller, larger) == name


def test_lists_of_axes():
    assert "differ in replicas alone" in without_pairs(["replicas"])
    assert "differ in replicas, workers or memory alone" in without_pairs(["replicas", "workers", "memory_bytes"])
    assert where_text({"variant": "onnx", "EMPTY": ""}) == 'variant onnx, EMPTY ""'
